"""One person as an operator sees them: where they stand, and everything that happened, in its order."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from sqlmodel import Session

from newsletter.accounts import audit
from newsletter.database import unit_of_work
from newsletter.readers import joining
from newsletter.readers.privacy import requests
from newsletter.readers.privacy.areas import Fact
from subscribers import barring, bulk, subscription
from subscribers.bulk import BulkAction, BulkStatus, Deed
from subscribers.looking import Wanted
from subscribers.models import Subscriber
from subscribers.privacy import Why

log = structlog.get_logger()

#: What is told of everybody who is taken along in a sheet.
COLUMNS: Final = (
    *("address", "name", "status", "joined", "confirmed", "source", "zone", "left", "left how"),
)
#: Facts of the person's own row that are shown elsewhere on the page.
_APART: Final = frozenset({"number", "address", "name", "status"})

_BY: Final = {
    "person": "by a person",
    "machine": "by a machine",
    "unknown": "by a person or a machine",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened: when, what in a few words, and what else is known of it."""

    at: datetime
    kind: str  # the area it comes from
    words: str
    more: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, what is kept of them, and their history, the latest first."""

    row: Subscriber
    facts: Sequence[tuple[str, str]]
    history: Sequence[Moment]
    is_kept_out: bool = False  # by an operator's word


class NobodyThere(Exception):
    """There is nobody of that number, or they were erased."""

    def __init__(self) -> None:
        super().__init__("There is nobody here of that number; perhaps they were erased.")


def person(session: Session, number: int) -> Person:
    """Everything about one person. Raises NobodyThere."""
    row = session.get(Subscriber, number)
    if row is None or row.address_key is None:
        raise NobodyThere
    moments: list[Moment] = []
    facts: list[tuple[str, str]] = []
    for section in requests.known(session, number):
        if section.name == "person":
            facts = [
                (name, requests.shown(value))
                for name, value in section.facts[0].items()
                if name not in _APART and value is not None
            ]
        elif section.name in _TELLING:
            for fact in section.facts:
                moments += _TELLING[section.name](section.name, fact)
    moments.sort(key=lambda one: one.at)  # of two at the same moment, the second stands above
    kept_out = ("not mailed because", subscription.BY_OPERATOR) in facts
    return Person(row, facts, moments[::-1], is_kept_out=kept_out)


def cells_of(row: Subscriber) -> tuple[str, ...]:
    """Somebody in the order of COLUMNS, as it is; moments in ISO 8601."""
    joined, confirmed, left = (
        moment.isoformat() if moment else ""
        for moment in (row.joined_at, row.confirmed_at, row.left_at)
    )
    known = (row.address or "", row.name or "", str(row.status), joined, confirmed)
    return (*known, row.source, row.zone, left, row.left_how or "")


def take_off(session: Session, number: int, *, by: str, now: datetime) -> bool:
    """Take them off the list; they may come back by themselves. False when they are off it."""
    done = barring.take_off(session, number, now=now)
    if done:
        _note(session, number, "people.taken_off", by=by, now=now)
    return done


def keep_out(session: Session, number: int, *, why: str, by: str, now: datetime) -> bool:
    """Never mail this address again, whoever asks."""
    done = barring.keep_out(session, number, detail=why, now=now)
    if done:
        _note(session, number, "people.kept_out", by=by, now=now)
    return done


def let_in(session: Session, number: int, *, by: str, now: datetime) -> bool:
    """Take that back: they may come in again by their own word."""
    done = barring.let_in(session, number)
    if done:
        _note(session, number, "people.let_in", by=by, now=now)
    return done


def remind(session: Session, number: int, *, by: str, now: datetime) -> bool:
    """Mail the link to confirm once more. False for who is not waiting for it, or got it just now."""
    done = joining.remind(session, number, now=now)
    if done:
        _note(session, number, "people.reminded", by=by, now=now)
    return done


def erase(session: Session, number: int, *, by: str, now: datetime) -> bool:
    """They asked for it in another way than by the mailed link, and an operator carries it out."""
    done = requests.erase(session, number, why=Why.operator, now=now)
    if done:
        _note(session, number, "people.erased", by=by, now=now)
    return done


def for_the_record(wanted: Wanted) -> dict[str, object]:
    """Who was asked for, for the log, which is kept for ever: words may be an address, so it has none."""
    said = {
        "searched": wanted.is_search,
        "status": wanted.status,
        "topic": wanted.topic,
        "source": wanted.source,
        "joined from": wanted.joined_from,
        "joined to": wanted.joined_to,
        "tracking": None if wanted.tracking is None else "on" if wanted.tracking else "off",
    }
    return {name: value for name, value in said.items() if value}


def begin_for_all(  # noqa: PLR0913 - what, to whom, why, by whom and when
    session: Session, wanted: Wanted, deed: Deed, *, why: str, by: str, now: datetime
) -> BulkAction:
    """Do it to everybody like that, the first of them at once. Raises NobodyToDoItTo."""
    action = bulk.begin(session, wanted, deed, why=why, by=by, now=now)
    after = {"deed": str(deed), "people": action.people, **for_the_record(wanted)}
    subject = f"bulk {action.id}"
    audit.note(session, by=by, action="people.bulk", subject=subject, after=after, now=now)
    bulk.go_on(session)
    return action


def undo_for_all(session: Session, number: int, *, by: str, now: datetime) -> BulkAction:
    """Take that back, for everybody whom nothing else has happened to since. Raises TooLate."""
    action = bulk.undo(session, number, now=now)
    audit.note(session, by=by, action="people.bulk_undone", subject=f"bulk {number}", now=now)
    bulk.go_on(session)
    return action


def go_on_for_all() -> int:
    """Do what is left of every deed, a piece in each transaction; returns how many pieces."""
    pieces = 0
    while True:
        with unit_of_work() as session:
            action = bulk.go_on(session)
            if action is None:
                return pieces
            pieces += 1
            if action.status in {BulkStatus.done, BulkStatus.undone}:
                log.info("bulk.finished", bulk=action.id, people=action.people, done=action.done)


def _note(session: Session, number: int, action: str, *, by: str, now: datetime) -> None:
    audit.note(session, by=by, action=action, subject=f"subscriber {number}", now=now)


def _consent(kind: str, fact: Fact) -> Iterator[Moment]:
    words = f"{_word(fact, 'what').capitalize()}"
    where, wording = _word(fact, "where"), _word(fact, "wording")
    more = ", ".join(part for part in (where, f"“{wording}”" if wording else "") if part)
    yield from _at(fact, "when", kind, words, more)


def _bulk(kind: str, fact: Fact) -> Iterator[Moment]:
    words = f"An operator, for many at once: {_word(fact, 'what an operator did')}"
    yield from _at(fact, "when", kind, words, _word(fact, "why"))


def _edition(kind: str, fact: Fact) -> Iterator[Moment]:
    words = f"{_word(fact, 'edition')}: {_word(fact, 'what became of it')}"
    yield from _at(fact, "due", kind, words, _word(fact, "why"))


def _event(kind: str, fact: Fact) -> Iterator[Moment]:
    edition = _word(fact, "edition")
    words = f"{_word(fact, 'what').capitalize()}{f', {edition}' if edition else ''}"
    by = _BY.get(_word(fact, "by"), "") if _word(fact, "what") in {"opened", "clicked"} else ""
    more = ", ".join(part for part in (by, _word(fact, "details")) if part)
    yield from _at(fact, "when", kind, words, more)


def _vote(kind: str, fact: Fact) -> Iterator[Moment]:
    yield from _at(fact, "when", kind, f"Said {_word(fact, 'verdict')} to {_word(fact, 'tool')}")


def _bookmark(kind: str, fact: Fact) -> Iterator[Moment]:
    yield from _at(fact, "since", kind, f"Keeps {_word(fact, 'tool')}")


def _letter(kind: str, fact: Fact) -> Iterator[Moment]:
    words = f"Letter: {_word(fact, 'letter')}, {_word(fact, 'what became of it')}"
    yield from _at(fact, "written", kind, words, _word(fact, "why"))


_TELLING: Final[dict[str, Callable[[str, Fact], Iterator[Moment]]]] = {
    "consents": _consent,
    "bulk": _bulk,
    "editions": _edition,
    "events": _event,
    "votes": _vote,
    "bookmarks": _bookmark,
    "letters": _letter,
}


def _at(fact: Fact, name: str, kind: str, words: str, more: str = "") -> Iterator[Moment]:
    moment = fact.get(name)
    if isinstance(moment, datetime):
        yield Moment(moment, kind, words, more)


def _word(fact: Fact, name: str) -> str:
    value = fact.get(name)
    return "" if value is None else str(value)
