"""The page of an edition's approval: what goes to whom, the names under it, undo, and how it goes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from fastapi import APIRouter
from sqlmodel import Session
from starlette.responses import RedirectResponse, Response

from digests import signatures
from digests.ledger import planning
from digests.ledger.receipt import Receipt, receipt
from digests.ledger.weeks import Week, weeks
from digests.lifecycle import DigestError
from digests.models import Digest, DigestStatus
from digests.schedules.schedule import Occurrence, OccurrenceStatus
from digests.signatures import Signature
from newsletter import preflight, seeds
from newsletter.copies.readership import Rule, rule_of
from newsletter.database import reading, unit_of_work
from newsletter.editions import approval, production, signing
from newsletter.preflight import Finding, Preflight
from newsletter.rendering.mjml import BadTemplate
from newsletter.seeds import Seed
from newsletter.settings import settings
from newsletter.web.desk.page import Waits, waits
from newsletter.web.doors import Now, Reading
from newsletter.web.office.staff import Editor, SignedIn, StaffForm, staff_page
from newsletter.web.pages import LOOK, SCRIPTED

router = APIRouter()

_UNDER_WAY: Final = (DigestStatus.sending, DigestStatus.paused)
_SENT: Final = (*_UNDER_WAY, DigestStatus.sent)
#: From so long before it goes, the page looks again by itself.
_SOON: Final = timedelta(minutes=2)
_NOT_HELD: Final = (OccurrenceStatus.skipped, OccurrenceStatus.missed)
_DONE: Final = {
    "signed": "Your name is under it. It goes once another person has approved the same.",
    "approved": "Approved.",
    "undone": "The approval is taken back; it is a draft again.",
    "refused": "It is sent back, and its author is told.",
    "me": "A test copy is on its way to you.",
    "seeds": "Test copies are on their way to the seed list.",
    "seed": "The seed list is changed.",
}


@dataclass(frozen=True, slots=True)
class Approving:
    """Everything about one edition's approval, as the page shows it."""

    digest: Digest
    rule: Rule
    content_hash: str
    found: Preflight | None  # while it is a draft
    trouble: str  # why preflight could not look
    needed: int  # people
    names: tuple[Signature, ...]  # under exactly this
    refused: Signature | None  # the last refusal, if nothing has changed since
    waits: Waits
    is_too_late: bool
    can_undo: bool
    goes_in: timedelta  # negative when its hour has passed
    receipt: Receipt | None
    weeks: tuple[Week, ...]
    seeds: tuple[Seed, ...]
    overtaken: tuple[Finding, ...]  # what an approved one says and the store no longer does
    why_not: str  # of a cancelled one, as far as anybody said

    @property
    def is_live(self) -> bool:
        """Whether something is about to happen that nobody presses for."""
        is_due = self.digest.status is DigestStatus.approved and self.goes_in < _SOON
        return is_due or self.digest.status in _UNDER_WAY


def approving(session: Session, digest: Digest, *, now: datetime) -> Approving:
    """Look at everything about *digest*'s approval; changes nothing."""
    found, trouble, content_hash = None, "", digest.content_hash or ""
    if digest.status is DigestStatus.draft:
        try:
            found = preflight.examine(session, digest, now=now, exact=False)
            content_hash = found.content_hash
        except (DigestError, BadTemplate) as error:
            trouble = str(error)
    rule = rule_of(session, digest)
    went = digest.status in _SENT or digest.started_at is not None
    return Approving(
        digest=digest,
        rule=rule,
        content_hash=content_hash,
        found=found,
        trouble=trouble,
        needed=signing.people_needed(session, digest),
        names=tuple(
            signatures.approvals(session, digest, content_hash=content_hash, audience_rule=rule.key)
        ),
        refused=signatures.standing_refusal(session, digest, content_hash=content_hash),
        waits=waits(session, digest, now=now),
        is_too_late=now > digest.late_after,
        can_undo=digest.status is DigestStatus.approved
        or (digest.status is DigestStatus.sending and planning.is_untouched(session, digest)),
        goes_in=digest.send_at - now,
        receipt=receipt(session, digest) if went else None,
        weeks=tuple(weeks(session, digest)) if digest.status in _SENT else (),
        seeds=tuple(seeds.everyone(session)),
        overtaken=(
            tuple(preflight.overtaken(session, digest))
            if digest.status is DigestStatus.approved
            else ()
        ),
        why_not=_why_not(session, digest),
    )


def _why_not(session: Session, digest: Digest) -> str:
    """Why the turn of a cancelled edition did not happen, as a sentence; empty where nobody said."""
    if digest.status is not DigestStatus.cancelled or digest.occurrence_id is None:
        return ""
    turn = session.get_one(Occurrence, digest.occurrence_id)
    said = turn.reason if turn.status in _NOT_HELD else None
    return f"{said[0].upper()}{said[1:].rstrip('.')}." if said else ""


@router.api_route("/desk/{issue}/approval", methods=LOOK)
def show(who: Editor, issue: str, session: Reading, now: Now, done: str = "") -> Response:
    """What goes to whom, and everything an editor can do about it."""
    return approval_page(who, issue, session, now, done=_DONE.get(done, ""))


@router.post("/desk/{issue}/approval")
def approve(who: Editor, issue: str, form: StaffForm, now: Now) -> Response:
    """Put one's name to exactly what the page has shown."""
    try:
        with unit_of_work() as session:
            digest = production.by_issue(session, issue)
            production.approve(
                session,
                digest,
                by=who.name,
                now=now,
                seen_hash=form.get("hash", ""),
                word=form.get("word"),
                hold=settings().approval.undo_for,
            )
            done = "approved" if digest.status is DigestStatus.approved else "signed"
    except (DigestError, BadTemplate) as refused:
        return refusal(who, issue, now, refused, word=form.get("word", ""))
    return back(issue, done)


@router.post("/desk/{issue}/approval/undo")
def undo(who: Editor, issue: str, form: StaffForm, now: Now) -> Response:  # noqa: ARG001 - the form proves that it was they who pressed
    """Think better of it, until the first batch is claimed."""
    try:
        with unit_of_work() as session:
            approval.undo(session, production.by_issue(session, issue), by=who.name, now=now)
    except DigestError as refused:
        return refusal(who, issue, now, refused)
    return back(issue, "undone")


@router.post("/desk/{issue}/refusal")
def refuse(who: Editor, issue: str, form: StaffForm, now: Now) -> Response:
    """Send it back to its author, with the reason."""
    reason = form.get("reason", "")
    try:
        with unit_of_work() as session:
            digest = production.by_issue(session, issue)
            approval.refuse(session, digest, reason=reason, by=who.name, now=now)
    except (DigestError, BadTemplate) as refused:
        return refusal(who, issue, now, refused)
    return back(issue, "refused")


def approval_page(  # noqa: PLR0913 - what the page shows
    who: SignedIn,
    issue: str,
    session: Session,
    now: datetime,
    *,
    done: str = "",
    error: str = "",
    word: str = "",
    find: str = "",
) -> Response:
    """The page of *issue*'s approval; with *error*, what was refused and why."""
    shown = approving(session, production.by_issue(session, issue), now=now)
    report = f"/reports/{shown.digest.issue}" if "/reports" in who.parts else ""
    return staff_page(
        "approval.html",
        who=who,
        status=409 if error else 200,
        policy=SCRIPTED,
        shown=shown,
        digest=shown.digest,
        report=report,
        done=done,
        error=error,
        word=word,
        find=find,
        now=now,
    )


def refusal(  # noqa: PLR0913 - as the page
    who: SignedIn, issue: str, now: datetime, error: Exception, *, word: str = "", find: str = ""
) -> Response:
    """The page as it stands, and why nothing was changed."""
    with reading() as session:
        return approval_page(who, issue, session, now, error=str(error), word=word, find=find)


def back(issue: str, done: str) -> Response:
    """To the page, which says what was done."""
    return RedirectResponse(f"/desk/{issue}/approval?done={done}", 303)
