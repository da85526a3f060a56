"""How often a reader wants an edition, whether one is due to them, and which they missed for it.

Whoever an edition passes over for their pace is owed it: a bit in ``owed``, which
``digests.making.missed`` gives to the edition. Most readers are owed nothing, and no
edition touches their rows.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Integer,
    Select,
    String,
    case,
    cast,
    extract,
    literal,
    null,
    select,
    update,
)
from sqlmodel import Session, col

from subscribers.models import Subscriber


class Pace(StrEnum):
    """How often."""

    weekly = "weekly"  # every edition
    monthly = "monthly"  # the first edition of a calendar month


#: Why an edition passes somebody over; a pause goes on with its date.
READS_MONTHLY: Final = "reads monthly"
PAUSED: Final = "paused until"
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What an edition is by the calendar: the date on it, and whether it is its month's first."""

    dated: date
    opens_month: bool


def not_due(turn: Turn) -> ColumnElement[str | None]:
    """SQL: why the edition of *turn* passes this reader over, NULL when it is due to them.

    The same question for every edition: what differs is filled in.
    """
    until = col(Subscriber.paused_until)
    month = case(*((extract("month", until) == n + 1, name) for n, name in enumerate(_MONTHS)))
    day, year = (cast(cast(extract(part, until), Integer), String) for part in ("day", "year"))
    return case(
        (until > literal(turn.dated, Date), PAUSED + " " + day + " " + month + " " + year),
        (
            (col(Subscriber.pace) == Pace.monthly) & (literal(int(turn.opens_month)) == 0),
            READS_MONTHLY,
        ),
        else_=null(),
    )


def owe(session: Session, people: Select[Any], *, mask: int) -> None:
    """Note that *people* have missed the edition of *mask*."""
    session.execute(
        update(Subscriber)
        .where(col(Subscriber.id).in_(people))
        .values(owed=col(Subscriber.owed).bitwise_or(literal(mask, BigInteger)))
        .execution_options(synchronize_session=False)
    )


def cross_off(session: Session, people: Select[Any] | None, *, mask: int) -> None:
    """*people* have had the editions of *mask*, or nobody (None) is to have them any more."""
    owed = col(Subscriber.owed)
    crossed = update(Subscriber).where(owed != 0, owed.bitwise_and(literal(mask, BigInteger)) != 0)
    if people is not None:
        crossed = crossed.where(col(Subscriber.id).in_(people))
    session.execute(
        crossed.values(owed=owed.bitwise_and(literal(~mask, BigInteger))).execution_options(
            synchronize_session=False
        )
    )


def is_anybody_owed(session: Session) -> bool:
    """Whether any edition is owed to anybody at all: most lists have nobody."""
    return (
        session.scalars(
            select(col(Subscriber.id)).where(col(Subscriber.owed) != 0).limit(1)
        ).first()
        is not None
    )
