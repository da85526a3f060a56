"""The only place where an edition's status changes."""

from datetime import datetime
from typing import Final

from sqlalchemy import CursorResult, update
from sqlmodel import Session, col

from digests.models import Digest, DigestStatus

NEXT: Final[dict[DigestStatus, frozenset[DigestStatus]]] = {
    DigestStatus.draft: frozenset({DigestStatus.approved, DigestStatus.cancelled}),
    DigestStatus.approved: frozenset(
        {DigestStatus.draft, DigestStatus.sending, DigestStatus.cancelled}
    ),
    DigestStatus.sending: frozenset(
        # A draft again only by ``take_back``: before any worker has had a copy in hands.
        {DigestStatus.draft, DigestStatus.paused, DigestStatus.sent, DigestStatus.cancelled}
    ),
    DigestStatus.paused: frozenset({DigestStatus.sending, DigestStatus.cancelled}),
    DigestStatus.sent: frozenset(),
    DigestStatus.cancelled: frozenset(),
}


#: What an edition loses with its approval.
_UNAPPROVED: Final[dict[str, None]] = dict.fromkeys(
    ("content_hash", "audience_rule", "approved_by", "approved_at", "approval_word")
)


class DigestError(Exception):
    """Base of every refusal about an edition; carries no HTTP and no Celery."""


class NoSuchDigest(DigestError):
    """Nothing has that name."""

    def __init__(self, issue: str) -> None:
        super().__init__(f"There is no digest {issue}; `newsletter digests` lists them.")
        self.issue = issue


class IllegalTransition(DigestError):
    """The edition is not in a state from which this step makes sense."""

    def __init__(self, issue: str, *, current: str, wanted: str) -> None:
        super().__init__(f"Digest {issue} is {current}; it cannot become {wanted}.")
        self.issue, self.current, self.wanted = issue, current, wanted


class NotWhatWasSeen(DigestError):
    """The content is no longer what the editor looked at."""

    def __init__(self, issue: str) -> None:
        super().__init__(
            f"Digest {issue} has changed since you looked at it; preview it again and approve that."
        )
        self.issue = issue


class TooLate(DigestError):
    """Its hour has passed by more than its schedule allows."""

    def __init__(self, issue: str, late_after: datetime) -> None:
        super().__init__(
            f"Digest {issue} could go until {late_after:%Y-%m-%d %H:%M} UTC; "
            f"`newsletter move {issue} --to ...` gives it another hour."
        )
        self.issue, self.late_after = issue, late_after


class NothingInIt(DigestError):
    """An edition without comparisons is no edition."""

    def __init__(self, issue: str) -> None:
        super().__init__(f"Digest {issue} holds no comparison, so there is nothing to send.")
        self.issue = issue


def approve(  # noqa: PLR0913 - whose word it is, on what and when
    session: Session,
    digest: Digest,
    *,
    content_hash: str,
    audience_rule: str | None = None,
    by: str,
    word: str | None = None,
    now: datetime,
) -> None:
    """Put *by*'s name to exactly the content with *content_hash*, for those whom *audience_rule* names.

    *word* says why despite warnings.
    """
    _move(
        session,
        digest,
        DigestStatus.approved,
        content_hash=content_hash,
        audience_rule=audience_rule,
        approved_by=by,
        approved_at=now,
        approval_word=word,
        paused_reason=None,
    )


def void(session: Session, digest: Digest, *, reason: str) -> None:
    """Take an approval back; *reason* is a sentence for the editor."""
    _move(
        session,
        digest,
        DigestStatus.draft,
        only_from=DigestStatus.approved,
        **_UNAPPROVED,
        paused_reason=reason[:500],
    )


def take_back(session: Session, digest: Digest, *, reason: str) -> None:
    """Make a started edition a draft again; the caller has seen to it that no copy was in anybody's hands."""
    _move(
        session,
        digest,
        DigestStatus.draft,
        only_from=DigestStatus.sending,
        **_UNAPPROVED,
        paused_reason=reason[:500],
        audience=None,
        wave=0,
        wave_at=None,
        started_at=None,
    )


def start(session: Session, digest: Digest, *, audience: int, wave: int, now: datetime) -> None:
    """Let the first wave go to an *audience* of that many people."""
    _move(
        session,
        digest,
        DigestStatus.sending,
        audience=audience,
        wave=wave,
        wave_at=now,
        started_at=now,
    )


def pause(session: Session, digest: Digest, *, reason: str) -> None:
    """Stop after the batches that are in flight; *reason* is a sentence for the operator."""
    _move(session, digest, DigestStatus.paused, paused_reason=reason[:500])


def resume(session: Session, digest: Digest) -> None:
    """Go on where it stopped."""
    _move(session, digest, DigestStatus.sending, paused_reason=None)


def finish(session: Session, digest: Digest, *, now: datetime) -> None:
    """Close the books; the caller has made sure that nothing is planned or uncertain."""
    _move(session, digest, DigestStatus.sent, finished_at=now)


def cancel(session: Session, digest: Digest, *, now: datetime) -> None:
    """Never send the rest."""
    _move(session, digest, DigestStatus.cancelled, finished_at=now)


def _move(
    session: Session,
    digest: Digest,
    wanted: DigestStatus,
    *,
    only_from: DigestStatus | None = None,
    **values: object,
) -> None:
    """Move *digest*, or refuse. The row count is the lock: of two callers one sees it change."""
    sources = [
        status
        for status, targets in NEXT.items()
        if wanted in targets and only_from in {None, status}
    ]
    moved: CursorResult[object] = session.execute(  # type: ignore[assignment]  # an UPDATE's result
        update(Digest)
        .where(col(Digest.id) == digest.id, col(Digest.status).in_(sources))
        .values(status=wanted, **values)
        .execution_options(synchronize_session=False)
    )
    session.refresh(digest)
    if moved.rowcount != 1:
        raise IllegalTransition(digest.issue, current=digest.status, wanted=wanted)
