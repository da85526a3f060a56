"""Which provider to use: the first that answers, with the reason why another does not.

A provider that fails several times in a row is left alone for a while, then
tried with one call. The state is a row, so all workers see the same circuit.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel, col, select

from newsletter.esp import NotTaken, Unknown
from newsletter.settings import settings


class Circuit(SQLModel, table=True):
    """One provider's run of failures."""

    provider: str = Field(primary_key=True, max_length=20)
    failures: int = 0
    open_until: datetime | None = None
    reason: str | None = Field(default=None, max_length=500)
    failed_at: datetime | None = None


def choose(session: Session, names: Sequence[str], *, now: datetime) -> str | None:
    """The first of *names* that may be called now; None when all of them rest."""
    resting = {
        name
        for name, until in session.connection().execute(_KNOWN)
        if until is not None and until > now
    }
    return next((name for name in names if name not in resting), None)


def closed(session: Session, name: str) -> None:
    """A call went well: the run of failures is over. Writes nothing when there was none."""
    session.connection().execute(_CLOSE, {"whose": name})


_KNOWN: Final = select(col(Circuit.provider), col(Circuit.open_until))
_CLOSE: Final = (
    update(Circuit)
    .where(col(Circuit.provider) == bindparam("whose"), col(Circuit.failures) > 0)
    .values(failures=0, open_until=None, reason=None)
)


def failed(session: Session, name: str, answer: NotTaken | Unknown, *, now: datetime) -> bool:
    """Count a failure; True when it opened the circuit.

    A refusal that names its recipients is about them and not about the
    provider; one that no retry can help opens the circuit at once.
    """
    if isinstance(answer, NotTaken) and answer.refused:
        return False
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    said = {"reason": answer.reason[:500], "failed_at": now}
    # One statement: of two workers that see a provider's first failure, both must be counted.
    failures = session.execute(
        dialect.insert(Circuit)
        .values(provider=name, failures=1, **said)
        .on_conflict_do_update(
            index_elements=["provider"], set_={"failures": col(Circuit.failures) + 1, **said}
        )
        .returning(col(Circuit.failures))
    ).scalar_one()
    final = isinstance(answer, NotTaken) and answer.final
    opens = final or failures >= settings().breaker_failures
    if opens:
        session.execute(
            update(Circuit)
            .where(col(Circuit.provider) == name)
            .values(open_until=now + timedelta(seconds=settings().breaker_rest))
        )
    return opens
