"""The people on the list, for operators: finding them, one person's history, and taking the list along."""

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Path
from starlette.responses import RedirectResponse, Response, StreamingResponse

from digests.topics import listed
from newsletter.accounts import audit
from newsletter.database import reading
from newsletter.readers import joining, people
from newsletter.spreadsheets import defused
from newsletter.web.doors import Now, Reading, Transaction
from newsletter.web.office.asking import Asked, Bit, asked_by, fields_of
from newsletter.web.office.staff import Operator, StaffForm, staff_page
from newsletter.web.pages import LOOK, clock
from subscribers import looking
from subscribers.bulk import Deed
from subscribers.looking import Wanted
from subscribers.models import SubscriberStatus

router = APIRouter()

_MOST: Final = 2**63 - 1  # more fits no column
Number = Annotated[int, Path(ge=1, le=_MOST)]
_SHOWN: Final = 50
_NOTHING: Final = "Nothing had to be changed."
_TOO_SOON: Final = "too-soon"
_DONE: Final = {
    "take-off": "They are off the list, and come back by their own confirmation alone.",
    "keep-out": "That address is never mailed, whoever asks.",
    "let-in": "They may come in again, by their own confirmation.",
    "remind": "The link to confirm is on its way to them once more.",
    "nothing": _NOTHING,
    _TOO_SOON: _NOTHING,  # said only when the hour has passed, or they wait for no link
}
_ERASED: Final = "They are erased. A keyed hash stays, so that no list brings them back."


@router.api_route("/people", methods=LOOK)
def find(
    who: Operator,
    session: Reading,
    wanted: Asked,
    after: Bit | None = None,
    done: str = "",
) -> Response:
    """A page of people, found by how they begin, where they stand, what they read or where they came from."""
    leaf = looking.page(session, wanted, after=after, size=_SHOWN)
    fields = fields_of(wanted)
    return staff_page(
        "people.html",
        who=who,
        leaf=leaf,
        wanted=wanted,
        counted=min(leaf.count, looking.COUNTED),
        is_more=leaf.count > looking.COUNTED,
        looked_at=looking.LOOKED_AT if wanted.is_search else looking.NEWEST,
        statuses=list(SubscriberStatus),
        topics=listed(session),
        fields=fields,
        asked=urlencode(fields),
        deeds=list(Deed),
        after=after,
        done=_ERASED if done == "erase" else "",
    )


@router.post("/people.csv")
def take_along(who: Operator, form: StaffForm, session: Transaction, now: Now) -> Response:
    """The same people as a sheet in which nothing is computed. Who took it along is noted."""
    wanted = asked_by(form)
    after = people.for_the_record(wanted)
    audit.note(session, by=who.name, action="people.exported", after=after, now=now)
    return StreamingResponse(
        _sheet(wanted),
        media_type="text/csv",
        headers={
            "content-disposition": 'attachment; filename="people.csv"',
            "cache-control": "no-store",
        },
    )


@router.api_route("/people/{number}", methods=LOOK)
def one(who: Operator, number: Number, session: Reading, now: Now, done: str = "") -> Response:
    """One person's whole history."""
    person = people.person(session, number)
    mailed = joining.just_mailed(session, number, now=now) if done == _TOO_SOON else None
    said = _DONE.get(done, "") if mailed is None else _just_mailed(mailed, who.zone)
    return staff_page("person.html", who=who, person=person, done=said)


@router.post("/people/{number}/{do}")
def change(  # noqa: PLR0913, PLR0917 - what is done to whom
    who: Operator, number: Number, do: str, form: StaffForm, session: Transaction, now: Now
) -> Response:
    """Take them off, keep the address out or let it in, mail the link once more, or erase them."""
    people.person(session, number)
    match do:
        case "take-off":
            done = people.take_off(session, number, by=who.name, now=now)
        case "keep-out":
            why = form.get("why", "").strip()
            done = people.keep_out(session, number, why=why, by=who.name, now=now)
        case "let-in":
            done = people.let_in(session, number, by=who.name, now=now)
        case "remind":
            done = people.remind(session, number, by=who.name, now=now)
        case "erase" if form.get("sure") == "yes":
            people.erase(session, number, by=who.name, now=now)
            return RedirectResponse("/people?done=erase", 303)
        case _:
            done = False
    otherwise = _TOO_SOON if do == "remind" else "nothing"
    return RedirectResponse(f"/people/{number}?done={do if done else otherwise}", 303)


def _just_mailed(at: datetime, zone: str) -> str:
    again = clock(at + joining.REMIND_AFTER, zone)
    return f"The link to confirm went to them at {clock(at, zone)}, and can go again after {again}."


def _sheet(wanted: Wanted) -> Iterator[str]:
    with reading() as session:
        yield _line(people.COLUMNS)
        for person in looking.everybody(session, wanted):
            yield _line(people.cells_of(person))


def _line(cells: tuple[str, ...]) -> str:
    sheet = io.StringIO(newline="")
    csv.writer(sheet).writerow([defused(cell) for cell in cells])
    return sheet.getvalue()
