"""An edition's copies beside those of the ones before it: from batches, and from copies that stand apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func
from sqlmodel import Session, col, select

from digests.models import Batch, BatchStatus, Delivery, Digest, DigestStatus, Outcome


@dataclass(frozen=True, slots=True)
class Week:
    """What became of one edition's copies; *share* is accepted of audience, in percent."""

    issue: str
    subject: str
    sent_at: datetime
    audience: int
    accepted: int
    refused: int
    excluded: int

    @property
    def share(self) -> float:
        """Accepted of the audience, in percent."""
        return 100 * self.accepted / self.audience if self.audience else 0.0


def weeks(session: Session, digest: Digest, *, count: int = 5) -> list[Week]:
    """*digest* and up to *count* that were sent before it, the latest first. Counts no row by itself."""
    shown = session.exec(
        select(Digest)
        .where(
            col(Digest.status).in_((DigestStatus.sent, DigestStatus.sending, DigestStatus.paused)),
            col(Digest.send_at) <= digest.send_at,
        )
        .order_by(col(Digest.send_at).desc(), col(Digest.id).desc())
        .limit(count + 1)
    ).all()
    ids = [one.id or 0 for one in shown if one.books is None]
    accepted = _accepted(session, ids)
    refused: dict[int, int] = {}
    excluded: dict[int, int] = {}
    for digest_id, outcome, in_accepted, number in _apart(session, ids):
        if outcome is Outcome.accepted:
            accepted[digest_id] = accepted.get(digest_id, 0) + (0 if in_accepted else number)
            continue
        fates = refused if outcome is Outcome.rejected else excluded
        fates[digest_id] = fates.get(digest_id, 0) + number
        if in_accepted:
            accepted[digest_id] = accepted.get(digest_id, 0) - number
    return [
        Week(
            issue=one.issue,
            subject=one.subject,
            sent_at=one.started_at or one.send_at,
            audience=one.audience or 0,
            accepted=_of(one, "accepted", accepted),
            refused=_of(one, "rejected", refused),
            excluded=_of(one, "excluded", excluded),
        )
        for one in shown
    ]


def _of(digest: Digest, name: str, counted: dict[int, int]) -> int:
    """From the books that were kept of an archived edition, else as counted."""
    if digest.books is not None:
        return int(digest.books.get(name, 0))
    return counted.get(digest.id or 0, 0)


def _accepted(session: Session, ids: Sequence[int]) -> dict[int, int]:
    rows = session.exec(
        select(Batch.digest_id, func.sum(col(Batch.size)))
        .where(col(Batch.digest_id).in_(ids), col(Batch.status) == BatchStatus.accepted)
        .group_by(col(Batch.digest_id))
    )
    return {digest_id: int(size or 0) for digest_id, size in rows}


def _apart(session: Session, ids: Sequence[int]) -> list[tuple[int, Outcome | None, bool, int]]:
    """Copies with a fate of their own: of which edition, which fate, in an accepted batch, how many."""
    in_accepted = case((col(Batch.status) == BatchStatus.accepted, 1), else_=0)
    rows = session.exec(
        select(col(Delivery.digest_id), col(Delivery.outcome), in_accepted, func.count())
        .outerjoin(
            Batch,
            (col(Batch.digest_id) == col(Delivery.digest_id))
            & (col(Batch.number) == col(Delivery.batch)),
        )
        .where(col(Delivery.digest_id).in_(ids), col(Delivery.outcome).is_not(None))
        .group_by(col(Delivery.digest_id), col(Delivery.outcome), in_accepted)
    )
    return [(digest_id, outcome, bool(inside), count) for digest_id, outcome, inside, count in rows]
