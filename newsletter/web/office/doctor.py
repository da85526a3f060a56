"""The doctor's page: green or red, one sentence each, and what puts it right."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from newsletter.accounts import audit
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.doctor.examining import last, look_and_keep, quick
from newsletter.web.doors import Now
from newsletter.web.office.staff import Operator, StaffForm, staff_page
from newsletter.web.pages import LOOK

router = APIRouter()


@router.api_route("/doctor", methods=LOOK)
def show(who: Operator, request: Request, now: Now, looked: str = "") -> Response:
    """The machine as it is now, and the rest as it was found last: looking asks nobody."""
    with reading() as session:
        kept = last(session)
    found = quick(kept, clock=utc_now)
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse(found.as_json())
    return staff_page(
        "doctor.html", who=who, found=found, examined_at=kept and kept.at, now=now, looked=looked
    )


@router.post("/doctor/look")
def look(who: Operator, form: StaffForm, now: Now) -> Response:  # noqa: ARG001 - the form proves that it was they who pressed
    """Examine everything now; takes as long as providers and DNS do."""
    found = look_and_keep(clock=utc_now)
    with unit_of_work() as session:
        after = {"red": len(found.red), "unclear": len(found.unclear)}
        audit.note(session, by=who.name, action="doctor.looked", after=after, now=now)
    return RedirectResponse("/doctor?looked=1", 303)
