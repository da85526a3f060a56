"""One deed for everybody like that, for operators: counted before, watched as it runs, taken back."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from digests.topics import listed
from newsletter.readers import people
from newsletter.web.doors import Now, Number, Reading, Transaction
from newsletter.web.office.asking import Asked, asked_by, fields_of
from newsletter.web.office.staff import Operator, StaffForm, staff_page
from newsletter.web.pages import LOOK, QUIET, SCRIPTED
from subscribers import bulk
from subscribers.bulk import BulkAction, BulkStatus, Deed

router = APIRouter()


@router.api_route("/people/bulk", methods=LOOK)
def ask(
    who: Operator, session: Reading, wanted: Asked, deed: Annotated[str, Query()] = ""
) -> Response:
    """How many it would be about, before anything is done; without a deed, the latest of them."""
    chosen = _deed(deed) if deed else None
    counted = bulk.count(session, wanted, chosen) if chosen else None
    return staff_page(
        "bulk.html",
        who=who,
        deed=chosen,
        counted=counted,
        fields=fields_of(wanted),
        reads=[topic.name for topic in listed(session) if topic.mask & wanted.topic],
        latest=bulk.latest(session),
        kept=bulk.KEPT.days,
    )


@router.post("/people/bulk")
def begin(who: Operator, form: StaffForm, session: Transaction, now: Now) -> Response:
    """Settle whom it is about, and do the first piece of it at once."""
    wanted, deed = asked_by(form), _deed(form.get("deed", ""))
    why = form.get("why", "").strip()
    action = people.begin_for_all(session, wanted, deed, why=why, by=who.name, now=now)
    return RedirectResponse(f"/people/bulk/{action.id}", 303)


@router.api_route("/people/bulk/{number}", methods=LOOK)
def one(who: Operator, number: Number, session: Reading, now: Now) -> Response:
    """How far it is, and the way back."""
    action = session.get(BulkAction, number)
    if action is None:
        raise HTTPException(404, "There is no such deed.")
    runs = action.status in {BulkStatus.running, BulkStatus.undoing}
    can_be_undone = action.at >= now - bulk.KEPT and action.status in {
        BulkStatus.running,
        BulkStatus.done,
    }
    return staff_page(
        "bulk_action.html",
        who=who,
        policy=SCRIPTED if runs else QUIET,
        action=action,
        runs=runs,
        can_be_undone=can_be_undone,
        until=action.at + bulk.KEPT,
    )


@router.post("/people/bulk/{number}/undo")
def undo(
    who: Operator,
    number: Number,
    form: StaffForm,  # noqa: ARG001 - it proves that it was they who pressed
    session: Transaction,
    now: Now,
) -> Response:
    """Take it back for everybody whom nothing else has happened to since."""
    people.undo_for_all(session, number, by=who.name, now=now)
    return RedirectResponse(f"/people/bulk/{number}", 303)


def _deed(said: str) -> Deed:
    if said not in set(Deed):
        raise HTTPException(422, f"Choose what to do: {', '.join(Deed)}.")
    return Deed(said)
