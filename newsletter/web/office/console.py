"""The console: what is going on at this moment, what is wrong, and the switches that stop it."""

from datetime import datetime
from typing import Final

from fastapi import APIRouter
from sqlmodel import Session
from starlette.responses import RedirectResponse, Response

from digests.lifecycle import DigestError
from newsletter import overview
from newsletter.database import reading, unit_of_work
from newsletter.editions import decisions, production
from newsletter.settings import settings
from newsletter.watching.alerts import past_alerts
from newsletter.watching.conditions import conditions, unstarted
from newsletter.watching.looking import seen
from newsletter.web.doors import Now
from newsletter.web.office.staff import Form, Operator, SignedIn, StaffForm, staff_page
from newsletter.web.pages import LOOK, SCRIPTED

router = APIRouter()

_DONE: Final = {
    "stopped": "Everything is stopped: nothing is claimed and nothing is posted.",
    "released": "Sending goes on with the next tick.",
    "paused": "It is paused: what was in flight settles, and nothing else leaves.",
    "resumed": "It goes on with the next tick.",
    "cancelled": "It is cancelled; what was not sent never is.",
    "settled": "Decided, with your name as the evidence.",
}
_NOT_NOW: Final = "It was not uncertain any more: a proof was quicker."


@router.api_route("/console", methods=LOOK)
def console(who: Operator, now: Now, done: str = "") -> Response:
    """Everything at this moment. The script asks for it again every two seconds."""
    return _page(who, now=now, done=_DONE.get(done, ""))


@router.post("/console/stop")
def stop(who: Operator, form: StaffForm, now: Now) -> Response:
    """The kill switch."""
    with unit_of_work() as session:
        decisions.stop(session, reason=_reason(form), by=who.name, now=now)
    return _back("stopped")


@router.post("/console/go")
def go(who: Operator, form: StaffForm, now: Now) -> Response:  # noqa: ARG001 - the form proves that it was they who pressed
    """Release the kill switch."""
    with unit_of_work() as session:
        decisions.go(session, by=who.name, now=now)
    return _back("released")


@router.post("/console/{issue}/{what}")
def command(who: Operator, issue: str, what: str, form: StaffForm, now: Now) -> Response:
    """Pause, resume or cancel one send, or decide about one of its uncertain batches."""
    try:
        with unit_of_work() as session:
            done = _command(session, issue, what, form, by=who.name, now=now)
    except DigestError as refused:
        return _page(who, now=now, wrong=str(refused), status=409)
    return _back(done) if done else _page(who, now=now, wrong=_NOT_NOW, status=409)


def _command(  # noqa: PLR0913 - what, to which, on whose word
    session: Session, issue: str, what: str, form: Form, *, by: str, now: datetime
) -> str:
    """What was done, as the page says it; empty when somebody or something was quicker."""
    digest = production.by_issue(session, issue)
    match what:
        case "pause":
            decisions.pause(session, digest, reason=_reason(form), by=by, now=now)
            return "paused"
        case "resume":
            decisions.resume(session, digest, by=by, now=now)
            return "resumed"
        case "cancel":
            decisions.cancel(session, digest, by=by, now=now)
            return "cancelled"
        case "settle" if form.get("batch", "").isdecimal():
            accepted = form.get("answer") == "accepted"
            batch = int(form["batch"])
            settled = decisions.settle(session, digest, batch, accepted=accepted, by=by, now=now)
            return "settled" if settled else ""
    raise NoSuchCommand(what)


class NoSuchCommand(DigestError):
    """A form that was put together by hand."""

    def __init__(self, what: str) -> None:
        super().__init__("The console can pause, resume, cancel and settle.")
        self.what = what


def _page(
    who: SignedIn, *, now: datetime, done: str = "", wrong: str = "", status: int = 200
) -> Response:
    known = overview.look(now=now)
    with reading() as session:
        return staff_page(
            "console.html",
            who=who,
            status=status,
            policy=SCRIPTED,
            known=known,
            wrong_now=[*unstarted(known), *conditions(seen(session, known), settings().alerts)],
            before=past_alerts(session, at_most=8),
            done=done,
            wrong=wrong,
        )


def _reason(form: Form) -> str:
    return " ".join(form.get("reason", "").split())[:200] or "by hand, on the console"


def _back(done: str) -> Response:
    return RedirectResponse(f"/console?done={done}", 303)
