"""The operator, for a provider that neither keeps keys nor can be asked: looks it up and decides."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select

from digests.models import Batch, BatchStatus, Delivery
from newsletter import links
from newsletter.clock import utc_now
from newsletter.database import unit_of_work
from newsletter.delivery.reconciling import settle_by_hand
from tests.chaos.verdict import mails


def decide(
    digest_id: int, *, mailbox: Path, after: timedelta, say: Callable[[str], None] = lambda _: None
) -> int:
    """Settle every batch in doubt for longer than *after* that the mailbox has whole, or not at all.

    Returns how many. A batch that the mailbox has in part waits for its events,
    which name the copies.
    """
    now = utc_now()
    decided = 0
    try:
        with unit_of_work() as session:
            doubtful = session.exec(
                select(Batch.number).where(
                    col(Batch.digest_id) == digest_id,
                    col(Batch.status) == BatchStatus.uncertain,
                    col(Batch.posted_at) < now - after,
                )
            ).all()
            if not doubtful:
                return 0
            taken = {
                copy.subscriber_id
                for mail in mails(mailbox)
                if (copy := links.copy_of_ref(mail.ref)) and copy.digest_id == digest_id
            }
            for number in doubtful:
                open_copies = set(
                    session.exec(
                        select(Delivery.subscriber_id).where(
                            col(Delivery.digest_id) == digest_id,
                            col(Delivery.batch) == number,
                            col(Delivery.outcome).is_(None),
                        )
                    )
                )
                if open_copies <= taken or not open_copies & taken:
                    whole = bool(open_copies & taken)
                    decided += settle_by_hand(
                        session, digest_id, number, accepted=whole, by="Ada", now=now
                    )
    except SQLAlchemyError:  # the store is away: the operator tries again
        return 0
    say(f"the operator decided about {decided} batches")
    return decided
