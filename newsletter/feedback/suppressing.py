"""Whom providers do not mail, taken over from them, and whom we do not mail, told to them.

Each list is read page by page. What a page brings and where the next one begins are committed
together, so that a run which was cut off goes on where it was.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import unquote

import structlog
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel, col, select

from newsletter.database import reading, unit_of_work
from newsletter.delivery.pacing import wait_for_a_call
from newsletter.esp import CannotTell, EspError
from newsletter.esp.lists import KeepsLists, Listed, Lists, Page, Why
from newsletter.providers import provider
from newsletter.settings import settings
from subscribers import subscription
from subscribers.addresses import BadAddress, address_key, normal_form
from subscribers.models import Subscriber, SubscriberStatus, Suppression

log = structlog.get_logger()

Clock = Callable[[], datetime]

#: The name under which it is kept how far our own have been told; no provider's list is called so.
_OURS: Final = "(ours)"
#: A list that was read to its end is read again after this.
_NIGHT: Final = timedelta(hours=22)
_STOPS: Final = {
    Why.bounced: (SubscriberStatus.bounced, "hard bounce"),
    Why.complained: (SubscriberStatus.complained, "complaint"),
}
_REASONS: Final = {
    SubscriberStatus.bounced: Why.bounced,
    SubscriberStatus.complained: Why.complained,
    SubscriberStatus.unsubscribed: Why.left,
}


class NoLists(EspError):
    """The provider has no call for it."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"{name} has no call by which {what}; docs/providers/{name}.md says more.")
        self.name = name


class ListPlace(SQLModel, table=True):
    """How far one list of one provider has been read, or our own told to it."""

    __tablename__ = "list_place"

    provider: str = Field(primary_key=True, max_length=20)
    name: str = Field(primary_key=True, max_length=40)
    after: str | None = Field(default=None, max_length=2000)  # None: from the beginning
    began_at: datetime
    finished_at: datetime | None = None  # None while a run is under way, or was cut off


@dataclass(slots=True)
class Pulled:
    """What a run brought. *came_back*: people who confirmed anew after the provider listed them."""

    seen: int = 0
    taken_over: int = 0
    came_back: int = 0
    stopped: str = ""  # why it ended before the end; the next run goes on from there

    def add(self, other: "Pulled") -> None:
        """Count *other* in."""
        self.seen += other.seen
        self.taken_over += other.taken_over
        self.came_back += other.came_back


def pull(name: str, *, clock: Clock) -> Pulled:
    """Take over every list of the provider *name*, from where the last run ended. Raises NoLists."""
    lists, total = _lists(name), Pulled()
    for listname in _to_read(name, lists, now=clock()):
        after = _resume(name, listname, now=clock())
        while True:
            if not wait_for_a_call(name, clock=clock):
                total.stopped = f"{name} may not be called so often"
                return total
            page = lists.page(listname, after)
            if isinstance(page, CannotTell):
                total.stopped = page.reason
                return total
            with unit_of_work() as session:
                total.add(_take_over(session, page, now=clock()))
                _note(session, name, listname, after=page.after, now=clock())
            after = page.after
            if after is None:
                break
    log.info("suppressions.pulled", provider=name, seen=total.seen, taken_over=total.taken_over)
    return total


def push(name: str, *, also_left: bool, clock: Clock) -> tuple[int, str]:
    """Tell the provider *name* whom we do not mail; returns how many, and why it ended early.

    Those who bounced or complained; with *also_left* those who left as well. A provider that
    keeps somebody back also keeps back the letter by which they would come in again. Raises NoLists.
    """
    lists = _lists(name)
    wanted = [
        status
        for status, why in _REASONS.items()
        if why in lists.takes and (also_left or why is not Why.left)
    ]
    if not wanted:
        raise NoLists(name, "somebody is added to its list")
    after, told = _resume(name, _OURS, now=clock()), 0
    while True:
        with reading() as session:
            people = _ours(session, wanted, after=int(after or 0), at_most=lists.at_most)
        if people:
            if not wait_for_a_call(name, clock=clock):
                return told, f"{name} may not be called so often"
            if refused := lists.put_on([one for _, one in people]):
                return told, refused.reason
        told += len(people)
        after = str(people[-1][0]) if people else None
        with unit_of_work() as session:
            _note(session, name, _OURS, after=after, now=clock())
        if after is None:
            log.info("suppressions.pushed", provider=name, told=told)
            return told, ""


def due(*, now: datetime) -> list[str]:
    """The providers in use whose lists have not been read to the end since last night."""
    with reading() as session:
        fresh = _fresh(session, now=now)
    return [
        name
        for name in dict.fromkeys(settings().esp_names)
        if isinstance(esp := provider(name), KeepsLists)
        and any((name, listed) not in fresh for listed in esp.lists.names)
    ]


def _to_read(name: str, lists: Lists, *, now: datetime) -> list[str]:
    """All of the lists; after a run that was cut off, those that it did not get through."""
    with reading() as session:
        fresh = _fresh(session, now=now)
        cut_off = session.exec(
            select(ListPlace.name).where(
                col(ListPlace.provider) == name,
                col(ListPlace.name) != _OURS,
                col(ListPlace.finished_at).is_(None),
            )
        ).all()
    return [one for one in lists.names if not cut_off or (name, one) not in fresh]


def _fresh(session: Session, *, now: datetime) -> set[tuple[str, str]]:
    """The lists, with their providers, that were read to the end lately."""
    rows = session.exec(
        select(ListPlace.provider, ListPlace.name).where(
            col(ListPlace.finished_at).is_not(None), col(ListPlace.finished_at) > now - _NIGHT
        )
    )
    return {(name, listed) for name, listed in rows}


def _lists(name: str) -> Lists:
    esp = provider(name)
    if not isinstance(esp, KeepsLists):
        raise NoLists(name, "its lists are read")
    return esp.lists


def _take_over(session: Session, page: Page, *, now: datetime) -> Pulled:
    """Let what a page says take effect on the people we know; one question for the page."""
    secret = settings().suppression_secret.get_secret_value()
    by_key: dict[bytes, Listed] = {}
    for entry in page.entries:
        try:
            by_key[address_key(normal_form(entry.address), secret=secret)] = entry
        except BadAddress:  # theirs may hold what we would never have taken
            continue
    known = session.exec(
        select(Subscriber.id, Subscriber.address_key, Subscriber.confirmed_at).where(
            col(Subscriber.address_key).in_(by_key),
            col(Subscriber.status) == SubscriberStatus.active,
        )
    ).all()
    pulled = Pulled(seen=len(page.entries))
    for person, key, confirmed_at in known:
        entry = by_key[key or b""]
        if entry.since and confirmed_at and confirmed_at > entry.since:
            pulled.came_back += 1
            continue
        pulled.taken_over += _stop(session, person or 0, entry, now=now)
    return pulled


def _stop(session: Session, person: int, entry: Listed, *, now: datetime) -> bool:
    if stop := _STOPS.get(entry.why):
        status, reason = stop
        return subscription.stop_mailing(
            session, person, status=status, reason=reason, detail="on the provider's list", now=now
        )
    return subscription.leave(session, person, how="the provider's list", digest_id=None, now=now)


def _ours(
    session: Session, wanted: Sequence[SubscriberStatus], *, after: int, at_most: int
) -> list[tuple[int, Listed]]:
    """The next of our own whom the provider is to know of, by id."""
    rows = session.exec(
        select(Subscriber.id, Subscriber.address, Subscriber.status, Subscriber.left_at)
        .where(
            col(Subscriber.id) > after,
            col(Subscriber.status).in_(wanted),
            col(Subscriber.address).is_not(None),
            # A soft bounce is forgiven by the next success, which theirs would prevent.
            ~select(Suppression.address_key)
            .where(
                col(Suppression.address_key) == col(Subscriber.address_key),
                col(Suppression.reason) == subscription.SOFT_BOUNCES,
            )
            .exists(),
        )
        .order_by(col(Subscriber.id))
        .limit(at_most)
    ).all()
    return [
        (person or 0, Listed(address or "", _REASONS[SubscriberStatus(status)], left_at))
        for person, address, status, left_at in rows
    ]


def _resume(name: str, listname: str, *, now: datetime) -> str | None:
    """Where to go on: where a run was cut off, else at the beginning."""
    with unit_of_work() as session:
        place = session.get(ListPlace, (name, listname))
        if place is not None and place.finished_at is None:
            return place.after
        dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
        said = {"after": None, "began_at": now, "finished_at": None}
        session.execute(
            dialect.insert(ListPlace)
            .values(provider=name, name=listname, **said)
            .on_conflict_do_update(index_elements=["provider", "name"], set_=said)
        )
    return None


def _note(session: Session, name: str, listname: str, *, after: str | None, now: datetime) -> None:
    place = session.get_one(ListPlace, (name, listname))
    # Mailgun's pages are named by an address, and those stand in one table only: such a list is
    # begun anew after a cut, which does no harm.
    place.after = None if after and "@" in unquote(after) else after
    place.finished_at = now if after is None else None
