"""A correction: the same comparisons as they are now, only to those who got the wrong version."""

from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import Select, func, select
from sqlmodel import Session, col

from digests.lifecycle import DigestError
from digests.making.assembly import next_issue
from digests.models import Batch, BatchStatus, Delivery, Digest, DigestStatus, Outcome, Rendition

#: A correction that waits longer than this for somebody's approval corrects nothing.
_LATE: Final = timedelta(days=2)


class NothingToCorrect(DigestError):
    """Nobody has received what is to be corrected."""

    def __init__(self, issue: str, content_hash: str | None) -> None:
        what = f"content {content_hash} of {issue}" if content_hash else issue
        super().__init__(f"Nobody has received {what}, so there is nothing to correct.")
        self.issue, self.content_hash = issue, content_hash


def draft(
    session: Session, original: Digest, *, note: str, content_hash: str | None, now: datetime
) -> Digest:
    """A draft that goes as soon as it is approved. *note* (Markdown) says what was wrong.

    *content_hash* may be abbreviated; None means every rendition. Raises NothingToCorrect.
    """
    full = _full_hash(session, original, content_hash)
    got_it = session.execute(
        select(func.count()).select_from(received(original.id or 0, full).subquery())
    ).scalar_one()
    if original.status is DigestStatus.draft or not got_it:
        raise NothingToCorrect(original.issue, content_hash)
    digest = Digest(
        issue=next_issue(session, now, original.zone),
        number=original.number,
        zone=original.zone,
        window_start=original.window_start,
        window_end=original.window_end,
        send_at=now,
        late_after=now + _LATE,
        subject=f"Correction: {original.subject}"[:300],
        preheader=original.preheader,
        opening=note,
        assembled_at=now,
        corrects_id=original.id,
        corrects_hash=full,
    )
    session.add(digest)
    session.flush()
    return digest


def received(digest_id: int, content_hash: str | None) -> Select[Any]:
    """The subscribers who were sent that rendition of *digest_id*, as SQL; None means any."""
    accepted = (col(Delivery.outcome) == Outcome.accepted) | (
        col(Delivery.outcome).is_(None) & (col(Batch.status) == BatchStatus.accepted)
    )
    query = (
        select(col(Delivery.subscriber_id))
        .join(
            Batch,
            (col(Batch.digest_id) == col(Delivery.digest_id))
            & (col(Batch.number) == col(Delivery.batch)),
        )
        .join(Rendition, col(Rendition.id) == col(Batch.rendition_id))
        .where(col(Delivery.digest_id) == digest_id, accepted)
    )
    if content_hash is not None:
        query = query.where(col(Rendition.content_hash) == content_hash)
    return cast("Select[Any]", query)


def _full_hash(session: Session, original: Digest, content_hash: str | None) -> str | None:
    if content_hash is None:
        return None
    found = session.scalars(
        select(col(Rendition.content_hash)).where(
            col(Rendition.digest_id) == original.id,
            col(Rendition.content_hash).startswith(content_hash, autoescape=True),
        )
    ).all()
    if len(found) != 1:
        raise NothingToCorrect(original.issue, content_hash)
    return found[0]
