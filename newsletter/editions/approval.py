"""Around an approval: sending an edition back with a reason, and thinking better of an approval."""

from datetime import datetime

import structlog
from sqlmodel import Session

from digests import lifecycle, signatures
from digests.ledger import planning
from digests.lifecycle import DigestError, IllegalTransition
from digests.making import versions
from digests.models import Digest, DigestStatus
from digests.signatures import Verdict
from newsletter.accounts import audit
from newsletter.copies import catching_up, galley
from newsletter.copies.readership import rule_of
from newsletter.editions import telling

log = structlog.get_logger()


class NoReason(DigestError):
    """Whoever sends an edition back says why: its author is told."""

    def __init__(self) -> None:
        super().__init__("Say what is to be different: the author gets your words.")


class NobodyHasApproved(DigestError):
    """A draft has no approval to take back."""

    def __init__(self, issue: str) -> None:
        super().__init__(f"Nobody has approved {issue}, so there is nothing to take back.")
        self.issue = issue


class TooLateToUndo(DigestError):
    """A worker has had copies in its hands; from here on it is stopped, not taken back."""

    def __init__(self, issue: str) -> None:
        super().__init__(
            f"The first copies of {issue} are on their way, so the approval stands. "
            f"`newsletter pause {issue}` or the console stops the rest."
        )
        self.issue = issue


def refuse(session: Session, digest: Digest, *, reason: str, by: str, now: datetime) -> None:
    """Send *digest* back to its author as it stands; an approval that it has is void.

    Nobody else can approve exactly this content until it changes or *by* approves
    it after all. Raises NoReason, and IllegalTransition once it has started.
    """
    reason = " ".join(reason.split())[:500]
    if not reason:
        raise NoReason
    _alone_with(session, digest)
    if digest.status is DigestStatus.approved:
        lifecycle.void(session, digest, reason=f"{by} has refused it: {reason}")
    if digest.status is not DigestStatus.draft:
        raise IllegalTransition(digest.issue, current=digest.status, wanted="refused")
    reason = reason if reason[-1] in ".!?" else f"{reason}."
    signatures.sign(
        session,
        digest,
        Verdict.refused,
        by=by,
        content_hash=galley.fresh(session, digest).content_hash,
        audience_rule=rule_of(session, digest).key,
        said=reason,
        now=now,
    )
    last = versions.newest(session, digest)
    author = last.by if last else ""
    telling.it_was_refused(session, digest, by=by, author=author, reason=reason, now=now)
    after = {"reason": reason, "author": author or "the service"}
    audit.note(session, by=by, action="digest.refused", subject=digest.issue, after=after, now=now)
    log.info("digest.refused", digest=digest.issue, digest_id=digest.id)


def undo(session: Session, digest: Digest, *, by: str, now: datetime) -> None:
    """Take the approval of *digest* back, until the first batch is claimed; no name stands under it then.

    Raises TooLateToUndo, NobodyHasApproved of a draft, and IllegalTransition once it is over.
    """
    _alone_with(session, digest)
    if digest.status is DigestStatus.draft:
        raise NobodyHasApproved(digest.issue)
    before = {"status": digest.status, "approved_by": digest.approved_by}
    reason = f"{by} took the approval back."
    if digest.status is DigestStatus.sending:
        if not planning.unplan(session, digest):
            raise TooLateToUndo(digest.issue)
        catching_up.forget(session, digest)
        lifecycle.take_back(session, digest, reason=reason)
    else:
        lifecycle.void(session, digest, reason=reason)
    signatures.forget(session, digest)
    after = {"status": digest.status}
    audit.note(
        session,
        by=by,
        action="digest.approval_undone",
        subject=digest.issue,
        before=before,
        after=after,
        now=now,
    )
    log.info("digest.approval_undone", digest=digest.issue, digest_id=digest.id)


def _alone_with(session: Session, digest: Digest) -> None:
    """Wait for whoever approves it at this moment: what they did is seen, and what is done here they see."""
    session.flush()
    session.refresh(digest, with_for_update=True)
