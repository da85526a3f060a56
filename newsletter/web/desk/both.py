"""What two editors wrote in one place, side by side: for the second to choose between."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from digests.making.draft import Draft

#: What each part of the words is called; the order is the page's.
NAMES: Final = {"subject": "Subject", "preheader": "Preheader", "opening": "Introduction"}


@dataclass(frozen=True, slots=True)
class Both:
    """Two texts. *part* is the field's id on the page, *takes* where one's own is sent, as *name*."""

    part: str
    words: str
    theirs: str
    mine: str
    takes: str
    name: str


def of_words(draft: Draft, named: Mapping[str, str]) -> Iterator[Both]:
    """Those of *named* that say something else than *draft*, as it stands. Raises BadWords."""
    mine = draft.reworded(**named)
    for part, words in NAMES.items():
        theirs, own = getattr(draft, part), getattr(mine, part)
        if theirs != own:
            yield Both(part, words, theirs, own, "words", part)


def of_a_note(draft: Draft, revision_id: int, note: str) -> Iterator[Both]:
    """The note on one comparison, unless that is in the edition no longer. Raises BadWords."""
    if (theirs := draft.note_on(revision_id)) is None:
        return
    mine = draft.noted(revision_id, note).note_on(revision_id) or ""
    if theirs != mine:
        takes = f"comparisons/{revision_id}"
        yield Both(f"note-{revision_id}", "Note", theirs, mine, takes, "note")
