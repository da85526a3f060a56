"""Names under an edition: how many it takes, and what happens when one more is there."""

from datetime import datetime

import structlog
from sqlmodel import Session

from digests import lifecycle, signatures
from digests.models import Digest
from digests.schedules.schedule import Occurrence, Schedule
from digests.signatures import Verdict
from digests.words.english import listed
from newsletter.accounts import audit
from newsletter.copies.galley import Preview
from newsletter.copies.readership import rule_of
from newsletter.editions import telling
from newsletter.settings import settings

log = structlog.get_logger()


def people_needed(session: Session, digest: Digest) -> int:
    """How many people it takes: as its schedule says, and never fewer than the settings ask for."""
    original = digest
    if digest.corrects_id is not None:
        original = session.get_one(Digest, digest.corrects_id)
    turn = session.get(Occurrence, original.occurrence_id) if original.occurrence_id else None
    said = session.get_one(Schedule, turn.schedule_id).approvals if turn else 1
    return max(said, settings().approval.people)


def keep(  # noqa: PLR0913 - who, on what
    session: Session,
    digest: Digest,
    shown: Preview,
    *,
    by: str,
    said: str | None,
    alone: bool,
    now: datetime,
) -> bool:
    """Keep the name, and approve once there are enough of them; False while another one is missing."""
    rule = rule_of(session, digest).key
    what = {"content_hash": shown.content_hash, "audience_rule": rule}
    signatures.refuse_what_is_refused(session, digest, by=by, content_hash=shown.content_hash)
    signatures.sign(session, digest, Verdict.approved, by=by, said=said, now=now, **what)
    names = signatures.approvals(session, digest, **what)
    is_enough = alone or len(names) >= people_needed(session, digest)
    audit.note(
        session,
        by=by,
        action="digest.approved" if is_enough else "digest.signed",
        subject=digest.issue,
        after={"content": shown.content_hash, "audience": rule, "word": said},
        now=now,
    )
    if not is_enough:
        telling.second_name_is_wanted(
            session, digest, by=by, content_hash=shown.content_hash, now=now
        )
        log.info("digest.signed", digest=digest.issue, digest_id=digest.id, names=len(names))
        return False
    lifecycle.approve(
        session,
        digest,
        by=listed([one.by for one in names])[:200],
        word="; ".join(one.said for one in names if one.said)[:500] or None,
        now=now,
        **what,
    )
    return True
