"""What changed between two versions of an edition, in sentences; for words, both texts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from digests.making.draft import Draft, Place
from digests.words.english import capital, counted


@dataclass(frozen=True, slots=True)
class Difference:
    """One change. *before* and *after* are texts to set against each other, where there are any."""

    what: str
    before: str | None = None
    after: str | None = None


def differences(old: Draft, new: Draft, names: Mapping[int, str]) -> tuple[Difference, ...]:
    """How *new* differs from *old*; *names* are the titles of the revisions in either."""
    return (
        *_words(old, new),
        *_membership(old, new, names),
        *_order(old, new, names),
        *_details(old, new, names),
    )


def sentence(found: tuple[Difference, ...]) -> str:
    """*found* as one line for the history."""
    return capital("; ".join(one.what for one in found))[:500]


def _words(old: Draft, new: Draft) -> Iterator[Difference]:
    for part, called in (
        ("subject", "subject"),
        ("preheader", "preheader"),
        ("opening", "introduction"),
    ):
        before, after = getattr(old, part), getattr(new, part)
        if before != after:
            yield Difference(f"changed the {called}", before, after)


def _membership(old: Draft, new: Draft, names: Mapping[int, str]) -> Iterator[Difference]:
    before = {place.revision_id: place for place in old.places}
    after = {place.revision_id: place for place in new.places}
    reasons = {one.revision_id: one.reason for one in new.left_out}
    gone = [one for one in before if one not in after]
    come = [one for one in after if one not in before]
    for one in gone:
        refreshed = next((new_one for new_one in come if names[new_one] == names[one]), None)
        if refreshed is not None:
            come.remove(refreshed)
            yield Difference(f"brought {names[one]} up to date with the store")
        else:
            why = f" ({reasons[one]})" if one in reasons else ""
            yield Difference(f"left out {names[one]}{why}")
    for one in come:
        yield Difference(f"took in {names[one]}")


def _order(old: Draft, new: Draft, names: Mapping[int, str]) -> Iterator[Difference]:
    before = [names[place.revision_id] for place in old.places]
    after = [names[place.revision_id] for place in new.places]
    both = [name for name in before if name in after]
    now = [name for name in after if name in before]
    if both == now:
        return
    # The one whose removal makes both orders the same was moved; otherwise it is a new order.
    moved = [
        name
        for name in both
        if [one for one in both if one != name] == [one for one in now if one != name]
    ]
    numbered = "\n".join(f"{n}. {name}" for n, name in enumerate(before, start=1))
    renumbered = "\n".join(f"{n}. {name}" for n, name in enumerate(after, start=1))
    if moved:
        # Of two neighbours either may have moved: the one that went up is meant.
        name = max(moved, key=lambda one: both.index(one) - now.index(one))
        to = now.index(name) + 1
        what = f"let {name} lead" if to == 1 else f"moved {name} to place {to}"
        yield Difference(what, numbered, renumbered)
    else:
        yield Difference("changed the order", numbered, renumbered)


def _details(old: Draft, new: Draft, names: Mapping[int, str]) -> Iterator[Difference]:
    before = {names[place.revision_id]: place for place in old.places}
    for place in new.places:
        name = names[place.revision_id]
        if name in before:
            yield from _of_one(before[name], place, name)


def _of_one(old: Place, new: Place, name: str) -> Iterator[Difference]:
    if old.pinned != new.pinned:
        yield Difference(f"{'pinned' if new.pinned else 'unpinned'} {name}")
    if old.note != new.note:
        yield Difference(f"changed the note on {name}", old.note or "", new.note or "")
    if old.quotes != new.quotes:
        yield Difference(f"quotes {_heard(new.quotes)} on {name}")


def _heard(quotes: Sequence[str] | None) -> str:
    if quotes is None:
        return "the usual two voices"
    return counted(len(quotes), "chosen voice") if quotes else "nobody"
