"""Somebody asks what is known about them, or to be erased: a mailed link proves that it is they who ask."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import structlog
from sqlmodel import Session

from newsletter import service_mail, tickets
from newsletter.readers import uploaded
from newsletter.readers.privacy.areas import AREAS, Fact
from newsletter.service_mail import Kind
from newsletter.settings import settings
from newsletter.tickets import Purpose, TicketSpent
from subscribers import privacy
from subscribers.models import Subscriber
from subscribers.privacy import Why
from subscribers.subscription import find

log = structlog.get_logger()

_LINK_FOR: Final = timedelta(days=2)
#: In a letter; the page and the file have all of them.
_MOST_IN_A_LETTER: Final = 20


class Wish(StrEnum):
    """What somebody asks for."""

    export = "export"  # to be told what is known
    erase = "erase"


_LETTERS: Final = {Wish.export: Kind.export_link, Wish.erase: Kind.erase_link}
_PURPOSES: Final = {Wish.export: Purpose.export, Wish.erase: Purpose.erase}


@dataclass(frozen=True, slots=True)
class Section:
    """One area's facts about somebody."""

    title: str
    name: str
    facts: Sequence[Fact]


def ask(session: Session, wish: Wish, address: str, *, now: datetime) -> None:
    """Mail a link to whoever has *address* here; nothing happens for anybody else. Raises BadAddress."""
    secret = settings().suppression_secret.get_secret_value()
    person = find(session, address, secret=secret)
    if person is None or person.id is None:
        return
    ticket = tickets.issue(session, _PURPOSES[wish], str(person.id), now=now, good_for=_LINK_FOR)
    until = now + _LINK_FOR
    values = {"path": f"/privacy/{wish}/{ticket}", "until": f"{until:%A, %H:%M} UTC"}
    service_mail.write(session, _LETTERS[wish], subscriber_id=person.id, values=values, now=now)
    log.info("privacy.asked", subscriber=person.id, wish=str(wish))


def look(session: Session, wish: Wish, ticket: str, *, now: datetime) -> int:
    """Whom *ticket* is about, if its button still works; changes nothing. Raises TicketError."""
    who = int(tickets.look(session, _PURPOSES[wish], ticket, now=now))
    if privacy.of_person(session, who) is None:
        raise TicketSpent
    return who


def tell(session: Session, ticket: str, *, now: datetime) -> None:
    """The button of an export: the answer goes to the address, with a page and a file for a while.

    Raises TicketError.
    """
    look(session, Wish.export, ticket, now=now)
    who = int(tickets.spend(session, Purpose.export, ticket, now=now))
    good_for = timedelta(days=settings().keep.answers)
    answer = tickets.issue(session, Purpose.known, str(who), now=now, good_for=good_for)
    until = now + good_for
    values = {
        "path": f"/privacy/known/{answer}",
        "until": f"{until.day} {until:%B %Y}",
        "sections": [_in_short(section) for section in known(session, who) if section.facts],
    }
    service_mail.write(session, Kind.known, subscriber_id=who, values=values, now=now)
    log.info("privacy.told", subscriber=who)


def answer(session: Session, ticket: str, *, now: datetime) -> Sequence[Section]:
    """What is known about whoever holds *ticket*; may be looked at as often as they like.

    Raises TicketError.
    """
    who = int(tickets.look(session, Purpose.known, ticket, now=now))
    return known(session, who)


def known(session: Session, subscriber_id: int) -> Sequence[Section]:
    """Everything that any area knows about one person."""
    return [Section(area.title, area.name, area.known(session, subscriber_id)) for area in AREAS]


def erase_by_ticket(session: Session, ticket: str, *, now: datetime) -> None:
    """The button of an erasure. Raises TicketError."""
    look(session, Wish.erase, ticket, now=now)
    who = int(tickets.spend(session, Purpose.erase, ticket, now=now))
    erase(session, who, why=Why.asked, now=now)


def erase(session: Session, subscriber_id: int, *, why: Why, now: datetime) -> bool:
    """Let every area forget them, and the person's own row last; False when it was done already."""
    if session.get(Subscriber, subscriber_id) is None:
        return False
    for area in AREAS:
        area.forget(session, subscriber_id, now)
    if not privacy.erase(session, subscriber_id, why=why, now=now):
        return False
    # A list that waits may hold the address, in a form that nobody can look for.
    uploaded.forget(session)
    log.info("subscriber.erased", subscriber=subscriber_id, why=str(why))
    return True


def as_json(sections: Sequence[Section], *, now: datetime) -> dict[str, object]:
    """The same for a program; moments as ISO 8601 in UTC."""
    return {
        "publication": settings().publication,
        "as of": now.isoformat(),
        **{section.name: [_plain(fact) for fact in section.facts] for section in sections},
    }


def shown(value: object) -> str:
    """A fact as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.day} {value:%B %Y, %H:%M} UTC"
    return str(value)


def _in_short(section: Section) -> dict[str, object]:
    """A section for a letter, whose row never holds an address: the reader knows their own."""
    lines = [
        "; ".join(
            f"{word}: {shown(value)}"
            for word, value in fact.items()
            if value not in {None, ""} and word != "address"
        )
        for fact in section.facts[:_MOST_IN_A_LETTER]
    ]
    return {
        "title": section.title,
        "lines": lines,
        "more": max(0, len(section.facts) - _MOST_IN_A_LETTER),
    }


def _plain(fact: Fact) -> dict[str, object]:
    return {
        word: value.isoformat() if isinstance(value, datetime) else value
        for word, value in fact.items()
    }
