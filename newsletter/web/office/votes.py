"""Votes that were held out of the count: an operator looks, and decides whether they are people's."""

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from digests.store import held
from digests.store.ballots import Doubt, Ruling
from newsletter.accounts import audit
from newsletter.readers import voting
from newsletter.web.doors import Now, Number, Reading, Transaction
from newsletter.web.office.staff import Operator, StaffForm, staff_page
from newsletter.web.pages import LOOK

router = APIRouter()


@router.api_route("/votes", methods=LOOK)
def waiting(who: Operator, session: Reading, done: str = "") -> Response:
    """What waits for a decision, tool by tool, with why it was held out."""
    return staff_page("votes.html", who=who, heaps=held.heaps(session), done=done[:10])


@router.post("/votes/{tool_id}/{doubt}")
def decide(  # noqa: PLR0913, PLR0917 - whose word, about which
    who: Operator, tool_id: Number, doubt: Doubt, form: StaffForm, session: Transaction, now: Now
) -> Response:
    """Count them, or leave them out for good. It stands for these people and this tool."""
    ruling = Ruling.counts if form.get("ruling") == "counts" else Ruling.stays_out
    count = held.rule(session, tool_id, doubt, ruling, by=who.name, rules=voting.rules(), now=now)
    audit.note(
        session,
        by=who.name,
        action="votes.ruled",
        subject=f"tool {tool_id}",
        before={"held": str(doubt), "votes": count},
        after={"ruling": str(ruling)},
        now=now,
    )
    return RedirectResponse(f"/votes?done={count}", 303)
