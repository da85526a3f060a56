"""Test copies from the approval's page: to oneself or to the seed list, as one reader would get it."""

from fastapi import APIRouter
from starlette.responses import Response

from digests.lifecycle import DigestError
from newsletter import seeds
from newsletter.database import unit_of_work
from newsletter.editions import production, trials
from newsletter.rendering.mjml import BadTemplate
from newsletter.web.desk.approval import back, refusal
from newsletter.web.desk.finding import the_one
from newsletter.web.desk.mail import eyes, sight
from newsletter.web.doors import Now, Number
from newsletter.web.office.staff import Editor, StaffForm
from subscribers.addresses import BadAddress

router = APIRouter()


@router.post("/desk/{issue}/test")
def send_test(who: Editor, issue: str, form: StaffForm, now: Now) -> Response:
    """``to`` is ``me`` or ``seeds``; ``find`` says as which reader, or ``as`` through whose eyes."""
    find, to = form.get("find", "").strip(), form.get("to", "me")
    send = trials.send_to_seeds if to == "seeds" else trials.send_to_oneself
    try:
        with unit_of_work() as session:
            digest = production.by_issue(session, issue)
            through = eyes(session, form["as"]) if "as" in form else the_one(session, find, who=who)
            shown = sight(session, digest, through, now=now)
            send(
                session,
                digest,
                subject=shown.preview.rendered.content.subject,
                html=shown.html,
                text=shown.text,
                seen_as=through.words,
                account_id=who.account_id,
                by=who.name,
                now=now,
            )
    except (DigestError, BadTemplate) as refused:
        return refusal(who, issue, now, refused, find=find)
    return back(issue, "seeds" if to == "seeds" else "me")


@router.post("/desk/{issue}/seeds")
def add_seed(who: Editor, issue: str, form: StaffForm, now: Now) -> Response:
    """Put a mailbox on the seed list."""
    try:
        with unit_of_work() as session:
            seeds.add(session, form.get("address", ""), by=who.name, now=now)
    except BadAddress as refused:
        return refusal(who, issue, now, refused)
    return back(issue, "seed")


@router.post("/desk/{issue}/seeds/{seed_id}/end")
def remove_seed(who: Editor, issue: str, seed_id: Number, form: StaffForm, now: Now) -> Response:  # noqa: ARG001 - it proves that it was they who pressed
    """Take a mailbox off the seed list."""
    with unit_of_work() as session:
        seeds.remove(session, seed_id, by=who.name, now=now)
    return back(issue, "seed")
