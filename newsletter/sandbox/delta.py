"""Store a hundred nearly equal bodies as one body and what differs."""

from collections.abc import Sequence

#: A body as kept beside its call's first body: the same (None), what differs, or whole.
Delta = None | list[list[int | str]] | str


def shrink(base: str, own: str) -> Delta:
    """What is needed to make *own* from *base*; *own* itself when they do not resemble each other.

    Both are cut at quotation marks, where the values that differ from copy to
    copy (addresses in attributes) begin and end.
    """
    if own == base:
        return None
    ours, theirs = own.split('"'), base.split('"')
    if len(ours) != len(theirs):
        return own
    changed: list[list[int | str]] = [
        [index, part]
        for index, (part, known) in enumerate(zip(ours, theirs, strict=True))
        if part != known
    ]
    return changed if sum(len(str(part)) for _, part in changed) < len(own) // 2 else own


def restore(base: str, delta: Delta) -> str:
    """The body that ``shrink`` was given."""
    if delta is None:
        return base
    if isinstance(delta, str):
        return delta
    parts: list[str] = base.split('"')
    for index, part in _pairs(delta):
        parts[index] = part
    return '"'.join(parts)


def _pairs(delta: Sequence[Sequence[int | str]]) -> list[tuple[int, str]]:
    return [(int(index), str(part)) for index, part in delta]
