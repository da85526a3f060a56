"""Readers whom editions passed over for their pace: what they are owed is noted, and crossed off.

An edition notes it in the transaction that plans it, out of its own ledger, and
crosses off what its renditions brought once its copies are on their way.
"""

from sqlmodel import Session

from digests import missed
from digests.models import Digest
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


def forget(session: Session, digest: Digest) -> None:
    """Nobody is owed *digest* any more: it will not have gone out."""
    if digest.owed_bit is not None:
        pace.cross_off(session, None, mask=1 << digest.owed_bit)
        digest.owed_bit = None
        session.add(digest)
        session.flush()
