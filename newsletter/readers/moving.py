"""A change of address: two letters, and a button behind each; it is done once both ends have pressed.

The link in a reader's mail is not enough: mail is passed on. Nor is the new address
alone: whoever has it may not be the reader. Who cannot read the old one joins anew.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlmodel import Session

from newsletter import links, service_mail, tickets
from newsletter.links import Purpose as Link
from newsletter.service_mail import Kind
from newsletter.settings import settings
from newsletter.tickets import Purpose, TicketExpired
from subscribers import moving
from subscribers.models import Subscriber
from subscribers.moving import End, Free

log = structlog.get_logger()

GOOD_FOR: Final = timedelta(days=2)
_PURPOSES: Final = {End.old: Purpose.change_address, End.new: Purpose.new_address}
#: As in joining: whoever is on the list and is asked about again is told so once in a while.
_TELL_AGAIN_AFTER: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Move:
    """A change as its pages show it; *is_done* once both ends have said yes."""

    old: str
    new: str
    waits_for: End | None
    is_done: bool = False


def ask(session: Session, subscriber_id: int, address: str, *, now: datetime) -> None:
    """Write to both ends. Nothing here tells whether the new address is known. Raises BadAddress.

    To an address that another reader has goes a word that it is on the list; to one
    that must not be mailed, or of somebody who left, nothing: then it is never done.
    """
    secret = settings().suppression_secret.get_secret_value()
    until = now + GOOD_FOR
    asked = moving.ask(session, subscriber_id, address, secret=secret, until=until, now=now)
    if asked is None:
        return
    _withdraw(session, subscriber_id, now=now)
    _write(session, Kind.move_from, End.old, asked.change, other_id=None, now=now)
    if asked.free is Free.yes:
        _write(session, Kind.move_to, End.new, asked.change, other_id=asked.change.id, now=now)
    elif asked.other_id is not None:
        _tell(session, asked.other_id, now=now)
    log.info("address.asked", subscriber=subscriber_id)


def look(session: Session, end: End, ticket: str, *, now: datetime) -> Move:
    """What *ticket* is about, if its button still works; changes nothing. Raises TicketError."""
    return _move(session, int(tickets.look(session, _PURPOSES[end], ticket, now=now)), end, now=now)


def say(session: Session, end: End, ticket: str, *, yes: bool, now: datetime) -> Move:
    """The button: one end's yes, or its no, which stops it. Raises TicketError and CannotMove."""
    move = look(session, end, ticket, now=now)
    who = int(tickets.spend(session, _PURPOSES[end], ticket, now=now))
    if not yes:
        moving.stop(session, who, now=now)
        _withdraw(session, who, now=now)
        log.info("address.stopped", subscriber=who)
        return Move(move.old, move.new, None)
    if moving.say_yes(session, who, end, now=now):
        log.info("address.moved", subscriber=who)
        return Move(move.old, move.new, None, is_done=True)
    return Move(move.old, move.new, End.new if end is End.old else End.old)


def _move(session: Session, who: int, end: End, *, now: datetime) -> Move:
    person, change = session.get(Subscriber, who), moving.pending(session, who, now=now)
    if person is None or person.address is None or change is None:
        raise TicketExpired
    name, _, domain = person.address.rpartition("@")
    return Move(f"{name[:1]}…@{domain}", change.shown, end)


def _write(  # noqa: PLR0913 - to which end, and about what
    session: Session,
    kind: Kind,
    end: End,
    change: moving.AddressChange,
    *,
    other_id: int | None,
    now: datetime,
) -> None:
    who = change.subscriber_id
    ticket = tickets.issue(session, _PURPOSES[end], str(who), now=now, good_for=GOOD_FOR)
    values = {"path": f"/address/{end}/{ticket}", "until": f"{change.until:%A, %H:%M} UTC"}
    service_mail.write(session, kind, subscriber_id=who, other_id=other_id, values=values, now=now)


def _tell(session: Session, who: int, *, now: datetime) -> None:
    told = service_mail.last_written(session, Kind.on_the_list, subscriber_id=who)
    if told is None or now - told >= _TELL_AGAIN_AFTER:
        values = {"choices": f"/p/{links.own(who, Link.preferences)}"}
        service_mail.write(session, Kind.on_the_list, subscriber_id=who, values=values, now=now)


def _withdraw(session: Session, who: int, *, now: datetime) -> None:
    for purpose in _PURPOSES.values():
        tickets.withdraw(session, purpose, str(who), now=now)
