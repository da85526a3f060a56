"""Asking providers for events that their webhooks did not tell, and keeping each once.

Mailgun's log holds what its webhook posts, under the same keys. SendGrid and Brevo tell by other
interfaces what they tell by webhooks, under other names: of those, what is known of a copy already
is left out, whichever way it came.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlmodel import Session, col, select

from digests.models import Batch, BatchStatus, Delivery
from newsletter import links
from newsletter.database import reading, unit_of_work
from newsletter.delivery.pacing import wait_for_a_call
from newsletter.esp import CannotTell, Event
from newsletter.esp.history import Chapter, Remembers
from newsletter.feedback.recording import record_events
from newsletter.providers import provider
from newsletter.settings import settings
from subscribers.addresses import BadAddress, address_key, normal_form
from subscribers.engagement import Engagement
from subscribers.models import Subscriber

log = structlog.get_logger()

Clock = Callable[[], datetime]
_EARLIER: Final = timedelta(minutes=5)  # for two clocks


@dataclass(slots=True)
class Heard:
    """What a round brought. *stopped*: why some of it could not be asked about."""

    batches: int = 0
    new: int = 0
    stopped: str = ""


def catch_up(digest_id: int, *, clock: Clock) -> Heard:
    """Ask about every accepted batch of an edition; safe to repeat, and beside the webhook."""
    heard = Heard()
    with reading() as session:
        batches = session.exec(
            select(Batch.number, Batch.provider, Batch.first_posted_at, Batch.settled_at)
            .where(col(Batch.digest_id) == digest_id, col(Batch.status) == BatchStatus.accepted)
            .order_by(col(Batch.number))
        ).all()
    for number, name, posted_at, settled_at in batches:
        if name is None:
            continue
        since = (posted_at or settled_at or clock()) - _EARLIER
        for tag in links.batch_tags(digest_id, number):
            told = False
            for chapter in _chapters(name, tag, since=since, clock=clock):
                if isinstance(chapter, CannotTell):
                    heard.stopped = chapter.reason
                    return heard
                told = told or bool(chapter.events)
                with unit_of_work() as session:
                    events = _of_copies(session, digest_id, number, chapter.events)
                    fresh = _not_known(session, digest_id, events)
                    heard.new += record_events(session, name, fresh, now=clock()).new
            if (
                told
            ):  # an accepted batch went out under one name; a former secret's is asked in vain
                break
        heard.batches += 1
    log.info("events.caught_up", digest_id=digest_id, batches=heard.batches, new=heard.new)
    return heard


def _chapters(
    name: str, batch: str, *, since: datetime, clock: Clock
) -> Iterator[Chapter | CannotTell]:
    esp = provider(name)
    if not isinstance(esp, Remembers):
        yield CannotTell(f"{name} cannot be asked for the events of a batch")
        return
    after: str | None = None
    while True:
        if not wait_for_a_call(name, clock=clock):
            yield CannotTell(f"{name} may not be called so often")
            return
        chapter = esp.history(batch, since=since, now=clock(), after=after)
        yield chapter
        if isinstance(chapter, CannotTell) or chapter.after is None:
            return
        after = chapter.after


def _of_copies(
    session: Session, digest_id: int, number: int, events: Sequence[Event]
) -> list[Event]:
    """*events* with the reference of the copy that each is about; those about none of ours left out."""
    secret = settings().suppression_secret.get_secret_value()
    keys: dict[str, bytes] = {}
    for event in events:
        if event.delivery is None and event.address is not None:
            try:
                keys[event.address] = address_key(normal_form(event.address), secret=secret)
            except BadAddress:
                continue
    people: dict[bytes, int] = {}
    if keys:
        rows = session.exec(
            select(Subscriber.address_key, Subscriber.id)
            .join(Delivery, col(Delivery.subscriber_id) == col(Subscriber.id))
            .where(
                col(Delivery.digest_id) == digest_id,
                col(Delivery.batch) == number,
                col(Subscriber.address_key).in_(set(keys.values())),
            )
        )
        people = {key: person for key, person in rows if key is not None and person is not None}
    found = []
    for event in events:
        if event.delivery is not None:
            found.append(event)
        elif person := people.get(keys.get(event.address or "", b"")):
            reference = links.ref(links.signer().all_for(digest_id, person))
            found.append(event._replace(delivery=reference))
    return found


def _not_known(session: Session, digest_id: int, events: Sequence[Event]) -> list[Event]:
    """Those that say of their copy what nothing has said before."""
    copies = [links.copy_of_ref(event.delivery or "") for event in events]
    known = {
        (person, kind)
        for person, kind in session.exec(
            select(Engagement.subscriber_id, Engagement.kind).where(
                col(Engagement.digest_id) == digest_id,
                col(Engagement.kind).in_({str(event.kind) for event in events}),
                col(Engagement.subscriber_id).in_({copy.subscriber_id for copy in copies if copy}),
            )
        )
    }
    return [
        event
        for event, copy in zip(events, copies, strict=True)
        if copy is not None and (copy.subscriber_id, str(event.kind)) not in known
    ]
