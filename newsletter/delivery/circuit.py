"""Which provider to use: the first that answers, with the reason why another does not.

A provider that fails several times in a row is left alone for a while, then
tried with one call. The state is a row, so all workers see the same circuit.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import bindparam, or_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel, col, select

from newsletter.database import unit_of_work
from newsletter.esp import NotTaken, Unknown
from newsletter.settings import settings


class Circuit(SQLModel, table=True):
    """One provider's run of failures."""

    provider: str = Field(primary_key=True, max_length=20)
    failures: int = 0
    open_until: datetime | None = None
    reason: str | None = Field(default=None, max_length=500)
    failed_at: datetime | None = None


class Turn(NamedTuple):
    """A provider that may be called once; *probe* is what marks the one call after a rest."""

    provider: str
    probe: datetime | None = None


def choose(session: Session, names: Sequence[str], *, now: datetime) -> Turn | None:
    """The first of *names* that may be called now; None when all of them rest.

    Of those whose rest is over only one caller is let through at a time: its
    call decides for the others. Who then makes no call gives its turn back.
    """
    known = {row.provider: row for row in session.connection().execute(_KNOWN)}
    for name in names:
        state = known.get(name)
        if state is None or state.open_until is None:
            return Turn(name)
        if state.open_until <= now and (probe := _take_the_probe(session, name, now=now)):
            return Turn(name, probe)
    return None


def give_back(session: Session, turn: Turn, *, now: datetime) -> None:
    """No call was made: whoever comes next may make the one after the rest.

    Or those who look often and have nothing to post would keep out those who have.
    """
    if turn.probe is not None:
        said = {"whose": turn.provider, "until": turn.probe, "at": now}
        session.connection().execute(_GIVEN_BACK, said)


def not_called(turn: Turn, *, now: datetime) -> None:
    """The same in a step of its own, for whoever finds out after the claim that there is no call to make."""
    if turn.probe is not None:
        with unit_of_work() as session:
            give_back(session, turn, now=now)


def _take_the_probe(session: Session, name: str, *, now: datetime) -> datetime | None:
    rest = now + timedelta(seconds=settings().breaker_rest)
    taken = session.connection().execute(_PROBE, {"whose": name, "at": now, "rest": rest})
    return rest if taken.rowcount == 1 else None


def closed(session: Session, name: str) -> None:
    """A call went well: the run of failures is over. Writes nothing when there was none."""
    session.connection().execute(_CLOSE, {"whose": name})


_KNOWN: Final = select(col(Circuit.provider), col(Circuit.open_until))
_PROBE: Final = (
    update(Circuit)
    .where(col(Circuit.provider) == bindparam("whose"), col(Circuit.open_until) <= bindparam("at"))
    .values(open_until=bindparam("rest"))
)
_GIVEN_BACK: Final = (
    update(Circuit)
    .where(
        col(Circuit.provider) == bindparam("whose"), col(Circuit.open_until) == bindparam("until")
    )
    .values(open_until=bindparam("at"))
)
_CLOSE: Final = (
    update(Circuit)
    .where(
        col(Circuit.provider) == bindparam("whose"),
        or_(col(Circuit.failures) > 0, col(Circuit.open_until).is_not(None)),
    )
    .values(failures=0, open_until=None, reason=None)
)


def failed(session: Session, name: str, answer: NotTaken | Unknown, *, now: datetime) -> int:
    """Count a failure; returns how many there have been in a row, 0 when this was none.

    A refusal of these recipients or of this call is not about the provider, which
    answers and so need not rest; one that no retry can help opens the circuit at
    once; and when the provider says
    how long to wait, everybody waits that long, and it is no failure.
    """
    if isinstance(answer, NotTaken) and (answer.refused or answer.of_call):
        closed(session, name)
        return 0
    final = isinstance(answer, NotTaken) and answer.final
    asked_to_wait = answer.retry_after if isinstance(answer, NotTaken) and not final else None
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    said = {"reason": answer.reason[:500], "failed_at": now}
    if asked_to_wait:
        until = now + timedelta(seconds=asked_to_wait)
        session.execute(
            dialect.insert(Circuit)
            .values(provider=name, failures=0, open_until=until, **said)
            .on_conflict_do_update(index_elements=["provider"], set_={"open_until": until, **said})
        )
        return 0
    # One statement: of two workers that see a provider's first failure, both must be counted.
    failures: int = session.execute(
        dialect.insert(Circuit)
        .values(provider=name, failures=1, **said)
        .on_conflict_do_update(
            index_elements=["provider"], set_={"failures": col(Circuit.failures) + 1, **said}
        )
        .returning(col(Circuit.failures))
    ).scalar_one()
    if final or failures >= settings().breaker_failures:
        session.execute(
            update(Circuit)
            .where(col(Circuit.provider) == name)
            .values(open_until=now + timedelta(seconds=settings().breaker_rest))
        )
    return failures
