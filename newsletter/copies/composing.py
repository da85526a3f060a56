"""A claimed batch -> the copies in it: who still may be mailed, and what is filled in for each.

A rendition that shows what a reader keeps costs one more question for each
batch, and one that does not costs none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import repeat
from typing import Final

from sqlalchemy import DateTime, bindparam, or_, select, type_coerce
from sqlmodel import Session, col

from digests.ledger.claims import Claim
from digests.models import Delivery, Outcome, Rendition
from newsletter import links
from newsletter.copies import kept
from newsletter.database import reading
from newsletter.esp import Content, Copy, Mailing
from newsletter.settings import settings
from subscribers.audience import not_wanted
from subscribers.models import Subscriber


@dataclass(frozen=True, slots=True)
class Composed:
    """The copies of a batch; whose they are, in the same order; who must not get theirs, by reason."""

    copies: list[Copy]
    people: list[int]
    unwanted: dict[str, list[int]]


# Built once: these run for every batch, and building one costs more than running it.
_COPIES: Final = (
    select(
        col(Delivery.subscriber_id),
        col(Subscriber.address),
        type_coerce(col(Subscriber.joined_at), DateTime()),  # the plain type is twice as quick
        not_wanted(),
    )
    .outerjoin(Subscriber, col(Subscriber.id) == col(Delivery.subscriber_id))
    .where(
        col(Delivery.digest_id) == bindparam("its_digest"),
        col(Delivery.batch) == bindparam("its_batch"),
    )
    .order_by(col(Delivery.subscriber_id))
)
_FIELDS: Final = select(col(Rendition.fields)).where(
    col(Rendition.id) == bindparam("its_rendition")
)
_STILL_OPEN: Final = _COPIES.where(col(Delivery.outcome).is_(None))
#: A copy that an event has proven was posted too.
_AS_POSTED: Final = _COPIES.where(
    or_(col(Delivery.outcome).is_(None), col(Delivery.outcome) == Outcome.accepted)
)


def compose(session: Session, claim: Claim, *, as_posted: bool = False) -> Composed:
    """The copies of a claimed batch; asks once more who may be mailed.

    The same claim gives the same copies, as long as nobody in it has changed.
    *as_posted* gives those of its first attempt, whoever has left since: only
    for a key that is to be asked about, and never for mail that could be new.
    """
    statement = _AS_POSTED if as_posted else _STILL_OPEN
    # On the bare connection: an ORM row costs more than its copy.
    rows = (
        session.connection()
        .execute(statement, {"its_digest": claim.digest_id, "its_batch": claim.number})
        .all()
    )
    people: list[int] = []
    copies: list[Copy] = []
    unwanted: dict[str, list[int]] = {}
    ids = [row[0] for row in rows]
    sealed = links.signer().seal(claim.digest_id, ids)
    more = _asked_since(session, claim, ids)
    for (subscriber_id, address, joined_at, reason), tags, added in zip(
        rows, sealed, more, strict=True
    ):
        if address is None or (reason is not None and not as_posted):
            unwanted.setdefault(reason or "erased", []).append(subscriber_id)
            continue
        people.append(subscriber_id)
        values: tuple[str, ...] = (*tags[1:], _day(joined_at.date()))
        if added:
            values += (tags[0][:12] + added[0], added[1])
        copies.append(Copy(tags[0], address, values))
    return Composed(copies, people, unwanted)


def _asked_since(
    session: Session, claim: Claim, ids: Sequence[int]
) -> Iterable[tuple[str, str] | None]:
    """The values that renditions have had since votes came: a tag and a line; None for older ones."""
    its_fields = {"its_rendition": claim.rendition_id}
    fields = session.connection().execute(_FIELDS, its_fields).scalar_one()
    if "verdict" not in fields or not ids:
        return repeat(None, len(ids))
    tags = links.signer().verdicts(claim.digest_id, ids)
    lines = kept.lines(session, claim.digest_id, first=ids[0], last=ids[-1])
    return [(tag, lines.get(one, "")) for one, tag in zip(ids, tags, strict=True)]


def mailing_of(claim: Claim, copies: Sequence[Copy]) -> Mailing:
    """What goes to the provider for *claim*; read its frozen content outside of any transaction."""
    opens, clicks = settings().tracked_by("provider")
    return Mailing(
        batch=links.batch_tag(claim.digest_id, claim.number),
        key=claim.key,
        sender_name=settings().sender_name,
        sender_address=settings().sender_address,
        reply_to=settings().reply_to or None,
        content=content_of(claim.rendition_id),
        copies=copies,
        track_opens=opens,
        track_clicks=clicks,
    )


@lru_cache(maxsize=64)
def content_of(rendition_id: int) -> Content:
    """A frozen rendition, read once by each worker: what was approved cannot change."""
    with reading() as session:
        return content_from(session.get_one(Rendition, rendition_id))


def content_from(frozen: Rendition) -> Content:
    """The bytes that were approved, as the adapters take them."""
    return Content(
        subject=frozen.subject,
        html=frozen.html,
        text=frozen.text,
        fields=tuple(frozen.fields),
        headers=tuple((name, value) for name, value in frozen.headers),
    )


@lru_cache(maxsize=4096)
def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
