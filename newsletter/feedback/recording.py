"""What providers and readers tell us, written down before they are answered; each thing once."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from sqlmodel import Field, Session, SQLModel, col, select

from digests.models import Batch, Delivery
from newsletter import links
from newsletter.esp import Event, EventKind
from newsletter.esp.refusals import quoted
from newsletter.posting import events as letters
from newsletter.settings import settings
from subscribers import engagement, moving, subscription
from subscribers.classing import AT_ONCE, AT_ONCE_WHY, FLAG, PROXY
from subscribers.engagement import TRACKING, Observation, Reader
from subscribers.models import Subscriber, SubscriberStatus
from subscribers.programs import follows_links, loads_pictures

log = structlog.get_logger()

#: What an event does to the person, beyond being kept.
_STOPS: Final = {
    EventKind.hard_bounced: (SubscriberStatus.bounced, subscription.HARD_BOUNCE),
    EventKind.complained: (SubscriberStatus.complained, subscription.COMPLAINT),
}


#: The paths of a reader's own links: to leave, to choose, to view, to vote, the pixel, a counted one.
_OWN: Final = re.compile(r"(/[upvbor])/\S")
_EFFECTIVE: Final = frozenset({*_STOPS, EventKind.unsubscribed})


class WebhookToken(SQLModel, table=True):
    """A nonce of a provider whose signature does not cover the event (Mailgun): good for one event."""

    __tablename__ = "webhook_token"

    provider: str = Field(primary_key=True, max_length=20)
    token: str = Field(primary_key=True, max_length=100)
    event_key: str = Field(max_length=240)
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of the events of one webhook call."""

    new: int
    repeated: int
    foreign: int  # not about our mail (another application on the account), or replayed


def record_events(
    session: Session, provider: str, events: Sequence[Event], *, now: datetime
) -> Recorded:
    """Keep *events* and let them take effect; in any order and any number of times, to the same end."""
    seen: list[Observation] = []
    effects: list[tuple[Observation, Event]] = []
    copies = [links.copy_of_ref(event.delivery) if event.delivery else None for event in events]
    foreign = 0
    watched = settings().track_by != "nobody"
    for event, copy in zip(events, copies, strict=True):
        if event.kind in TRACKING and not watched:
            continue
        of_ours = copy is not None or not event.delivery
        letter_id = None if of_ours else links.letter_of_tag(event.delivery or "")
        # Without a reference of ours it is about other mail on the same account.
        if (copy is None and letter_id is None) or _is_replayed(session, provider, event, now=now):
            foreign += 1
            continue
        if copy is None:
            about = letters.observe(session, letter_id or 0, event, provider=provider, now=now)
            if about is not None:
                seen.append(about)
                if event.kind in _EFFECTIVE and about.subscriber_id is not None:
                    effects.append((about, event))
            continue
        reader, why = _who(event)
        seen.append(
            Observation(
                digest_id=copy.digest_id,
                key=event.key,
                subscriber_id=copy.subscriber_id,
                kind=event.kind if event.kind is not EventKind.unknown else "unknown",
                occurred_at=event.occurred_at,
                provider=provider,
                reader=reader,
                why=why,
                reason=event.reason or _led_to(event.link) or event.raw_kind or None,
            )
        )
        if event.kind in _EFFECTIVE:
            effects.append((seen[-1], event))
    # A repeat has no effect: who has come back since must not leave again by an old event.
    known = engagement.known(session, [observation for observation, _ in effects])
    new = engagement.record(session, seen, now=now)
    _note(provider, seen)
    for observation, event in effects:
        if (observation.digest_id, observation.key) not in known:
            _take_effect(session, observation, event, now=now)
    return Recorded(new=new, repeated=len(seen) - new, foreign=foreign)


def _note(provider: str, seen: Sequence[Observation]) -> None:
    for digest_id, count in Counter(one.digest_id for one in seen).items():
        log.info("events.recorded", digest_id=digest_id, provider=provider, events=count)


def record_open(session: Session, link: str, *, machine: bool, now: datetime) -> bool:
    """Our own pixel was loaded. True when it counts: a genuine link, a reader who may be tracked, new."""
    copy = links.copy_of(link, links.Purpose.open)
    return copy is not None and record_opens(session, [(copy, machine)], now=now) == 1


def record_opens(
    session: Session, opens: Sequence[tuple[links.CopyRef, bool]], *, now: datetime
) -> int:
    """Our own pixel was loaded many times: in which copy, and whether a machine did it.

    Returns how many count; one statement stores them, however many there are. None where nobody counts them:
    the mails of before still hold the pixel.
    """
    if not settings().track_opens or settings().track_by == "nobody":
        return 0
    seen: dict[str, Observation] = {}
    hasty = _taken_seconds_ago(session, {copy for copy, machine in opens if not machine}, now=now)
    for copy, is_proxy in opens:
        machine = is_proxy or copy in hasty
        reader = Reader.machine if machine else Reader.unknown
        key = f"open:{copy.subscriber_id}:{reader}"
        seen[f"{copy.digest_id}:{key}"] = Observation(
            digest_id=copy.digest_id,
            key=key,
            subscriber_id=copy.subscriber_id,
            kind=EventKind.opened,
            occurred_at=now,
            reader=reader,
            why=PROXY if is_proxy else AT_ONCE_WHY if machine else "",
        )
    return engagement.record(session, list(seen.values()), now=now)


def _taken_seconds_ago(
    session: Session, copies: set[links.CopyRef], *, now: datetime
) -> set[links.CopyRef]:
    """Those of *copies* that the provider has only just taken: scanners open so quickly, and nobody reads.

    Most of the time no batch of the edition is so young, and then no copy is looked up.
    """
    found: set[links.CopyRef] = set()
    for digest_id in {copy.digest_id for copy in copies}:
        young = (col(Batch.digest_id) == digest_id, col(Batch.settled_at) > now - AT_ONCE)
        numbers = session.scalars(select(col(Batch.number)).where(*young)).all()
        if not numbers:
            continue
        theirs = {copy.subscriber_id: copy for copy in copies if copy.digest_id == digest_id}
        people = session.scalars(
            select(col(Delivery.subscriber_id)).where(
                col(Delivery.digest_id) == digest_id,
                col(Delivery.subscriber_id).in_(theirs),
                col(Delivery.batch).in_(numbers),
            )
        )
        found |= {theirs[one] for one in people}
    return found


def unsubscribe(session: Session, link: str, *, how: str, why: str = "", now: datetime) -> bool:
    """The reader of *link* leaves: against the person and the digest, once. False for a forged link.

    *why* is kept in their words, without addresses.

    True on repeats too, and for a person who has meanwhile been erased: there is nothing to tell them.
    """
    copy = links.copy_of(link, links.Purpose.unsubscribe)
    if copy is None:
        return False
    left = subscription.leave(
        session,
        copy.subscriber_id,
        how=how,
        why=quoted(why),
        digest_id=copy.digest_id or None,
        now=now,
    )
    if left:
        _observe_leaving(session, copy, how=how, now=now)
    return True


def _is_replayed(session: Session, provider: str, event: Event, *, now: datetime) -> bool:
    """Whether the event carries a token that stood for another event before; keeps a fresh one."""
    if event.token is None:
        return False
    known = session.get(WebhookToken, (provider, event.token[:100]))
    if known is not None:
        return known.event_key != event.key
    session.add(
        WebhookToken(provider=provider, token=event.token[:100], event_key=event.key, seen_at=now)
    )
    session.flush()
    return False


def _take_effect(
    session: Session, observation: Observation, event: Event, *, now: datetime
) -> None:
    person, digest_id = observation.subscriber_id or 0, observation.digest_id
    if stop := _STOPS.get(event.kind):
        status, reason = stop
        if status is SubscriberStatus.bounced and _was_to_the_former(session, person, digest_id):
            moving.bounced_at_the_former(
                session, person, reason=reason, detail=event.reason or "", now=now
            )
            return
        subscription.stop_mailing(
            session, person, status=status, reason=reason, detail=event.reason or "", now=now
        )
    elif event.kind is EventKind.unsubscribed and subscription.leave(
        session, person, how="the provider's unsubscribe", digest_id=digest_id or None, now=now
    ):
        log.info("subscriber.left", digest_id=digest_id, subscriber=person)


def _was_to_the_former(session: Session, person: int, digest_id: int) -> bool:
    """Whether that copy was posted before this reader's address took the place of another."""
    known = session.get(Subscriber, person)
    if known is None or known.address_since is None:
        return False
    posted = session.scalars(
        select(col(Batch.first_posted_at))
        .join(
            Delivery,
            (col(Delivery.digest_id) == col(Batch.digest_id))
            & (col(Delivery.batch) == col(Batch.number)),
        )
        .where(col(Delivery.digest_id) == digest_id, col(Delivery.subscriber_id) == person)
    ).first()
    return posted is not None and posted < known.address_since


def _observe_leaving(session: Session, copy: links.CopyRef, *, how: str, now: datetime) -> None:
    seen = Observation(
        digest_id=copy.digest_id,
        key=f"unsubscribe:{copy.subscriber_id}:{now:%Y%m%d%H%M%S%f}",
        subscriber_id=copy.subscriber_id,
        kind=EventKind.unsubscribed,
        occurred_at=now,
        reader=Reader.person,
        why="a POST",
        reason=how,
    )
    engagement.record(session, [seen], now=now)
    log.info("subscriber.left", digest_id=copy.digest_id, subscriber=copy.subscriber_id, how=how)


def _led_to(link: str | None) -> str | None:
    """Where a link led; of a reader's own only which it was, since whoever holds it may act for them."""
    if link is None:
        return None
    own = _OWN.match(link.removeprefix(settings().web_url)) if "/" in link else None
    return f"their own: {own[1]}" if own else link


def _who(event: Event) -> tuple[Reader, str]:
    """Who was behind a provider's open or click, as far as the event alone can say, and by what.

    What a provider does not call a machine's may be one all the same.
    """
    if event.machine:
        return Reader.machine, FLAG
    if event.user_agent is not None:
        if event.kind is EventKind.opened and loads_pictures(event.user_agent):
            return Reader.machine, PROXY
        if event.kind is EventKind.clicked and (trait := follows_links(event.user_agent)):
            return Reader.machine, trait
    return Reader.unknown, FLAG if event.machine is not None else ""
