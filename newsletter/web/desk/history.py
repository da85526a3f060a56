"""The versions of an edition: who made each, what any two differ in, and a way back to any of them."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import RedirectResponse, Response

from digests.making import versions
from digests.making.differences import Difference
from digests.making.draft import Draft
from newsletter.editions import editing
from newsletter.web.desk.changes import seen
from newsletter.web.desk.view import edition
from newsletter.web.doors import Now, Number, Reading, Transaction
from newsletter.web.office.staff import Editor, StaffForm, staff_page
from newsletter.web.pages import LOOK

router = APIRouter()

Version = Annotated[int | None, Query(ge=1, le=2**31 - 1)]

_WORD: Final = re.compile(r"\S+\s*|\s+")
_MOST_WORDS: Final = 4_000  # of two texts together: beyond, they only stand beside each other


@dataclass(frozen=True, slots=True)
class Piece:
    """Some words of a text, and whether the other text has them too."""

    text: str
    is_common: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """One difference, its texts in pieces. None where it has no texts to set against each other."""

    what: str
    before: tuple[Piece, ...] | None
    after: tuple[Piece, ...] | None


@router.api_route("/desk/{issue}/versions", methods=LOOK)
def show_versions(
    who: Editor, issue: str, session: Reading, old: Version = None, new: Version = None
) -> Response:
    """Every version, and what two of them differ in: unless others are named, the last change."""
    digest = edition(session, issue)
    known = versions.history(session, digest)
    newer = digest.version if new is None else new
    older = max(1, newer - 1) if old is None else old
    before, after, found = editing.compared(session, digest, older, newer)
    return staff_page(
        "versions.html",
        who=who,
        digest=digest,
        known=known,
        is_open=digest.status in versions.EDITABLE,
        older=older,
        newer=newer,
        counts=[_in_it(before), _in_it(after)],
        found=[_shown(one) for one in found],
    )


@router.post("/desk/{issue}/versions/{number}")
def restore_version(  # noqa: PLR0913, PLR0917 - the doors it needs
    who: Editor, issue: str, number: Number, form: StaffForm, session: Transaction, now: Now
) -> Response:
    """Make that version's content the newest version; those between stay in the list."""
    digest = edition(session, issue)
    editing.restore(session, digest, number, seen=seen(form), by=who.name, now=now)
    return RedirectResponse(f"/desk/{issue}/versions", 303)


def _in_it(draft: Draft) -> int:
    return len(draft.places)


def _shown(one: Difference) -> Shown:
    if one.before is None or one.after is None:
        return Shown(one.what, None, None)
    old, new = _WORD.findall(one.before), _WORD.findall(one.after)
    if len(old) + len(new) > _MOST_WORDS:
        return Shown(one.what, (Piece(one.before, True),), (Piece(one.after, True),))
    steps = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return Shown(
        one.what,
        tuple(_pieces(old, [(kind, start, end) for kind, start, end, _, _ in steps])),
        tuple(_pieces(new, [(kind, start, end) for kind, _, _, start, end in steps])),
    )


def _pieces(words: list[str], steps: list[tuple[str, int, int]]) -> Iterator[Piece]:
    for kind, start, end in steps:
        if start < end:
            yield Piece("".join(words[start:end]), kind == "equal")
