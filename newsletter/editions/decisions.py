"""What people decide about an edition outside its content, each with its line in the log of changes."""

from collections.abc import Mapping
from datetime import datetime

import structlog
from sqlmodel import Session

from digests import lifecycle
from digests.ledger import halting
from digests.ledger.receipt import Receipt
from digests.ledger.receipt import archive as keep_books
from digests.models import Digest
from newsletter import instance
from newsletter.accounts import audit
from newsletter.delivery import guarding
from newsletter.delivery.reconciling import settle_by_hand
from newsletter.editions import production

log = structlog.get_logger()


def move(session: Session, digest: Digest, *, to: datetime, by: str, now: datetime) -> bool:
    """Let *digest* go at *to*; True when that took its approval back.

    Raises IllegalTransition once it has started.
    """
    before = {"send_at": digest.send_at} | _status(digest)
    taken_back = production.move(session, digest, to=to)
    after = {"send_at": digest.send_at} | _status(digest)
    _note(session, "moved", digest, by=by, before=before, after=after, now=now)
    return taken_back


def cancel(session: Session, digest: Digest, *, by: str, now: datetime) -> None:
    """Never send *digest*, or the rest of it. Raises IllegalTransition when it is over."""
    before = {"status": digest.status}
    production.cancel(session, digest, now=now)
    _note(session, "cancelled", digest, by=by, before=before, after=_status(digest), now=now)


def correct(  # noqa: PLR0913 - what was wrong, for whom, on whose word
    session: Session,
    original: Digest,
    *,
    note: str,
    content_hash: str | None = None,
    by: str,
    now: datetime,
) -> Digest:
    """Draft a correction of *original*, as ``production.correct`` does."""
    draft = production.correct(session, original, note=note, content_hash=content_hash, now=now)
    _note(session, "corrected", original, by=by, after={"by": draft.issue, "note": note}, now=now)
    return draft


def pause(session: Session, digest: Digest, *, reason: str, by: str, now: datetime) -> None:
    """Stop a send within one batch. Raises IllegalTransition when it is not being sent."""
    before = _status(digest)
    lifecycle.pause(session, digest, reason=reason)
    after = _status(digest) | {"reason": reason}
    _note(session, "paused", digest, by=by, before=before, after=after, now=now)


def resume(session: Session, digest: Digest, *, by: str, now: datetime) -> None:
    """Let a stopped send go on; what has happened so far is tolerated."""
    before = _status(digest) | {"reason": digest.paused_reason}
    guarding.resume(session, digest)
    after = _status(digest) | {"tolerated": digest.tolerated}
    _note(session, "resumed", digest, by=by, before=before, after=after, now=now)


def stop(session: Session, *, reason: str, by: str, now: datetime) -> None:
    """Stop everything: the kill switch. Whoever was first stays the one who did it."""
    halting.halt(session, by=by, reason=reason, now=now)
    audit.note(session, by=by, action="sending.stopped", after={"reason": reason}, now=now)


def go(session: Session, *, by: str, now: datetime) -> None:
    """Release the kill switch; a store that was copied belongs here from now on."""
    instance.claim(session, now=now)
    halting.release(session)
    audit.note(session, by=by, action="sending.released", now=now)


def settle(  # noqa: PLR0913 - which batch, how, on whose word
    session: Session, digest: Digest, batch: int, *, accepted: bool, by: str, now: datetime
) -> bool:
    """Decide about an uncertain batch; False when it is not uncertain."""
    if not settle_by_hand(session, digest.id or 0, batch, accepted=accepted, by=by, now=now):
        return False
    after = {"batch": batch, "status": "accepted" if accepted else "planned"}
    before = {"batch": batch, "status": "uncertain"}
    _note(session, "settled", digest, by=by, before=before, after=after, now=now)
    return True


def archive(session: Session, digest: Digest, *, by: str, now: datetime) -> Receipt:
    """Keep the books of *digest* and drop its ledger and events."""
    books = keep_books(session, digest, now=now)
    _note(session, "archived", digest, by=by, after={"rows_dropped": books.audience}, now=now)
    return books


def _status(digest: Digest) -> dict[str, object]:
    return {"status": digest.status}


def _note(  # noqa: PLR0913 - as audit.note
    session: Session,
    what: str,
    digest: Digest,
    *,
    by: str,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    now: datetime,
) -> None:
    audit.note(
        session,
        by=by,
        action=f"digest.{what}",
        subject=digest.issue,
        before=before,
        after=after,
        now=now,
    )
    log.info("decision.made", what=what, digest=digest.issue, digest_id=digest.id)
