"""Store a hundred nearly equal bodies as one body and what differs."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import compress
from operator import ne

#: A body as kept beside its call's first body: the same (None), what differs, or whole.
Delta = list[tuple[int, str]] | str | None


def shrink(base: str, own: str) -> Delta:
    """What is needed to make *own* from *base*; *own* itself when they do not resemble each other.

    Both are cut at quotation marks, where the values that differ from copy to
    copy (addresses in attributes) begin and end.
    """
    if own == base:
        return None
    ours, theirs = own.split('"'), _parts(base)
    if len(ours) != len(theirs):
        return own
    changed = list(compress(enumerate(ours), map(ne, ours, theirs)))
    return changed if sum(len(part) for _, part in changed) < len(own) // 2 else own


def restore(base: str, delta: Sequence[Sequence[int | str]] | str | None) -> str:
    """The body that ``shrink`` was given; *delta* may have been through JSON."""
    if delta is None:
        return base
    if isinstance(delta, str):
        return delta
    parts = base.split('"')
    for index, part in delta:
        parts[int(index)] = str(part)
    return '"'.join(parts)


@lru_cache(maxsize=4)
def _parts(base: str) -> tuple[str, ...]:
    return tuple(base.split('"'))
