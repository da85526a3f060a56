"""Readers whom editions passed over for their pace: what they are owed is noted, and crossed off.

An edition notes it in the transaction that plans it, out of its own ledger, and
crosses off what its renditions brought once its copies are on their way.
"""

from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from digests.making import missed, stock
from digests.models import Digest, DigestStatus, Rendition
from subscribers import pace
from subscribers.pace import PAUSED, READS_MONTHLY


def note(session: Session, digest: Digest) -> None:
    """Whoever *digest*, which is planned, passes over for their pace is owed it. A correction never is."""
    if digest.corrects_id is not None:
        return
    mask, is_reused = missed.take_bit(session, digest)
    if is_reused:  # what it stood for is too long ago to be caught up on
        pace.cross_off(session, None, mask=mask)
    people = missed.passed_over(digest, reasons=READS_MONTHLY, reasons_like=f"{PAUSED} ")
    pace.owe(session, people, mask=mask)


def settle_open(session: Session, *, now: datetime) -> None:
    """Before another is planned: what those on their way bring counts as had, or it would come twice."""
    for digest in session.scalars(
        select(Digest).where(
            col(Digest.started_at).is_not(None),
            col(Digest.catches_up).is_not(None),
            col(Digest.crossed_off_at).is_(None),
        )
    ).all():
        settle(session, digest, now=now)


def settle(session: Session, digest: Digest, *, now: datetime) -> None:
    """Cross off what the renditions of *digest* brought to whoever has it, or may have it.

    Whoever was refused or left out is still owed it. Once nothing of it is open, for good.
    """
    if digest.catches_up is None or digest.crossed_off_at is not None:
        return
    for rendition in session.scalars(
        select(Rendition).where(col(Rendition.digest_id) == digest.id)
    ).all():
        if mask := stock.brought(rendition.topics):
            people = missed.may_have(digest, rendition.id or 0)
            pace.cross_off(session, people, mask=mask)
    if digest.status is DigestStatus.sent:
        digest.crossed_off_at = now
        session.add(digest)
        session.flush()


def forget(session: Session, digest: Digest) -> None:
    """Nobody is owed *digest* any more: it will not have gone out."""
    if digest.owed_bit is not None:
        pace.cross_off(session, None, mask=1 << digest.owed_bit)
        digest.owed_bit = None
        session.add(digest)
        session.flush()
