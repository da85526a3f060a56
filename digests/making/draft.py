"""An edition's content as one value, and every change that an editor can make to it."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from digests.lifecycle import DigestError
from digests.words.voices import MOST

_LINE: Final = 300
_LONGEST_NOTE: Final = 2_000
_LONGEST_OPENING: Final = 10_000
#: What no mail brings: a NUL, which no database keeps, and what turns the letters after it around.
_UNSEEN: Final = re.compile("[\x00\u202a-\u202e\u2066-\u2069]")


class NotInIt(DigestError):
    """The comparison is not in this edition, or no longer."""

    def __init__(self) -> None:
        super().__init__("That comparison is not in the edition; look at it as it stands now.")


class HeldByAPin(DigestError):
    """A pinned comparison keeps its place."""

    def __init__(self) -> None:
        super().__init__("A pinned comparison holds that place; take its pin out first.")


class LastOne(DigestError):
    """An edition without comparisons is no edition."""

    def __init__(self) -> None:
        super().__init__(
            "It is the only comparison in the edition: take another in first, or cancel the edition."
        )


class BadWords(DigestError):
    """What was written cannot stand in an edition."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Place(_Value):
    """One comparison in the order. *quotes* are the seats chosen; None leaves it to ``wording``."""

    revision_id: int
    pinned: bool = False
    note: str | None = None
    quotes: tuple[str, ...] | None = None


class Omission(_Value):
    """One comparison that was left out, by whom and why."""

    revision_id: int
    reason: str
    by: str
    at: Annotated[datetime, AwareDatetime]


class Draft(_Value):
    """Everything about an edition that editors decide. The first comparison leads."""

    subject: str
    preheader: str
    opening: str
    places: tuple[Place, ...] = Field(default=())
    left_out: tuple[Omission, ...] = Field(default=())

    def reworded(
        self,
        *,
        subject: str | None = None,
        preheader: str | None = None,
        opening: str | None = None,
    ) -> Self:
        """With other words; None leaves those that stand. Raises BadWords."""
        words = {
            "subject": _line(subject, "subject", self.subject),
            "preheader": _line(preheader, "preheader", self.preheader),
            "opening": self.opening if opening is None else _prose(opening, _LONGEST_OPENING),
        }
        if not words["subject"]:
            raise BadWords("A mail without a subject looks like spam: write one.")
        return self.model_copy(update=words)

    def ordered(self, wanted: Sequence[int]) -> Self:
        """In the order *wanted*, as far as pins allow: a pinned one keeps its place.

        Whatever *wanted* does not name follows in its present order. Raises NotInIt.
        """
        known = {place.revision_id: place for place in self.places}
        if unknown := set(wanted) - known.keys():
            raise NotInIt from LookupError(str(unknown))
        sequence = dict.fromkeys([*wanted, *known])
        loose = iter(known[one] for one in sequence if not known[one].pinned)
        return self._with([place if place.pinned else next(loose) for place in self.places])

    def moved(self, revision_id: int, *, up: bool) -> Self:
        """One place up or down, over the pinned ones. Raises HeldByAPin when it is pinned itself."""
        if self._place(revision_id).pinned:
            raise HeldByAPin
        loose = [place.revision_id for place in self.places if not place.pinned]
        at = loose.index(revision_id)
        to = max(0, min(len(loose) - 1, at + (-1 if up else 1)))
        loose.insert(to, loose.pop(at))
        return self.ordered(loose)

    def led_by(self, revision_id: int) -> Self:
        """With that one first, in full. Raises HeldByAPin when another is pinned there."""
        leads, first = self._place(revision_id), self.places[0]
        if first.pinned and first != leads:
            raise HeldByAPin
        rest = [place for place in self.places if place != leads]
        held = {
            at: place for at, place in enumerate(self.places) if place.pinned and place != leads
        }
        loose = iter(place for place in rest if not place.pinned)
        return self._with(
            [
                leads if at == 0 else held[at] if at in held else next(loose)
                for at in range(len(self.places))
            ]
        )

    def pinned(self, revision_id: int, *, on: bool) -> Self:
        """With that one's pin in or out."""
        return self._change(revision_id, pinned=on)

    def noted(self, revision_id: int, note: str) -> Self:
        """With an editor's note (Markdown) above that one; an empty one takes it away."""
        return self._change(revision_id, note=_prose(note, _LONGEST_NOTE) or None)

    def quoting(self, revision_id: int, seats: Sequence[str] | None) -> Self:
        """With those reviewers quoted under that one; None leaves the choice to ``wording``."""
        if seats is not None and len(seats) > MOST:
            raise BadWords(f"At most {MOST} voices stand under one comparison.")
        return self._change(
            revision_id, quotes=None if seats is None else tuple(dict.fromkeys(seats))
        )

    def refreshed(self, revision_id: int, *, to: int) -> Self:
        """With the store's newer revision in that one's place; its note, pin and voices stay."""
        return self._change(revision_id, revision_id=to)

    def without(self, revision_id: int, *, reason: str, by: str, now: datetime) -> Self:
        """With that one left out. Raises LastOne, and BadWords without a reason."""
        gone = self._place(revision_id)
        why = _line(reason, "reason", "")
        if not why:
            raise BadWords(
                "Say in a few words why it is left out: whoever assembles next will ask."
            )
        if len(self.places) == 1:
            raise LastOne
        omission = Omission(revision_id=revision_id, reason=why, by=by, at=now)
        kept = [place for place in self.places if place != gone]
        return self._with(kept).model_copy(update={"left_out": (*self.left_out, omission)})

    def including(self, revision_id: int) -> Self:
        """With that one taken in at the end; the same if it is in."""
        if any(place.revision_id == revision_id for place in self.places):
            return self
        left_out = tuple(one for one in self.left_out if one.revision_id != revision_id)
        taken_in = (*self.places, Place(revision_id=revision_id))
        return self._with(taken_in).model_copy(update={"left_out": left_out})

    def order(self) -> tuple[tuple[int, bool], ...]:
        """The comparisons as they stand, and which of them are pinned."""
        return tuple((place.revision_id, place.pinned) for place in self.places)

    def find(self, revision_id: int) -> Place | None:
        """The place of that one; None when it is not in the edition."""
        return next((one for one in self.places if one.revision_id == revision_id), None)

    def note_on(self, revision_id: int) -> str | None:
        """The note above that one, empty without one; None when it is not in the edition."""
        found = self.find(revision_id)
        return None if found is None else found.note or ""

    def quotes_of(self, revision_id: int) -> tuple[str, ...] | None:
        """The reviewers chosen under that one; None where nobody chose, or it is not in the edition."""
        found = self.find(revision_id)
        return None if found is None else found.quotes

    def _place(self, revision_id: int) -> Place:
        found = self.find(revision_id)
        if found is None:
            raise NotInIt
        return found

    def _change(self, which: int, /, **values: object) -> Self:
        old = self._place(which)
        new = old.model_copy(update=values)
        return self._with([new if place == old else place for place in self.places])

    def _with(self, places: Sequence[Place]) -> Self:
        return self.model_copy(update={"places": tuple(places)})


#: One change an editor makes.
Edit = Callable[[Draft], Draft]


def _line(words: str | None, what: str, otherwise: str) -> str:
    """*words* as one line that its column holds."""
    if words is None:
        return otherwise
    line = " ".join(_UNSEEN.sub("", words).split())
    if len(line) > _LINE:
        raise BadWords(f"The {what} has {len(line)} characters; at most {_LINE} can be kept.")
    return line


def _prose(words: str, longest: int) -> str:
    """*words* with plain line ends and nothing that a database refuses."""
    prose = _UNSEEN.sub("", words).replace("\r\n", "\n").replace("\r", "\n").strip()
    if len(prose) > longest:
        raise BadWords(f"That has {len(prose):,} characters; at most {longest:,} can be kept.")
    return prose
