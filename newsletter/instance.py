"""Which installation a store belongs to: a copy of it, somewhere else, mails nobody.

A store remembers the place at which it was first used. A worker or a beat that finds it at
another one stops everything in it, until an operator says that this is the one (``newsletter go``).
"""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel

from digests.ledger import halting
from newsletter.settings import settings

log = structlog.get_logger()

_ONE: Final = 1
_MACHINE: Final = Path("/etc/machine-id")
_REASON: Final = (
    "This store was in use at another place and looks like a copy. If this is the one that is to "
    "mail its readers, and the other has stopped, say `newsletter go`."
)


class Instance(SQLModel, table=True):
    """The one row that says where this store belongs."""

    id: int = Field(default=_ONE, primary_key=True)
    mark: str = Field(max_length=64)
    since: datetime


def recognise(session: Session, *, now: datetime) -> bool:
    """Whether the store is where it belongs; a new one belongs here from now on.

    Elsewhere, everything in it stops, letters to staff too. Before anything is claimed.
    """
    here = _mark(session)
    known = _first(session, here, now=now)
    if known.mark == here:
        return True
    halting.halt(session, by="the guard against copies", reason=_REASON, now=now, restored=True)
    log.warning("store.elsewhere", since=known.since.isoformat())
    return False


def claim(session: Session, *, now: datetime) -> None:
    """From now on the store belongs here."""
    here = _mark(session)
    known = _first(session, here, now=now)
    if known.mark != here:
        known.mark, known.since = here, now


def _first(session: Session, here: str, *, now: datetime) -> Instance:
    """The row, made by whoever comes first: on a fresh store everybody starts at the same moment."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    session.connection().execute(
        dialect.insert(SQLModel.metadata.tables["instance"])
        .values(id=_ONE, mark=here, since=now)
        .on_conflict_do_nothing()
    )
    return session.get_one(Instance, _ONE, populate_existing=True)


def _mark(session: Session) -> str:
    """A name that an operator gave; else the database's own identity, or the file's place."""
    name = settings().instance
    if not name:
        on_postgresql = session.get_bind().dialect.name == "postgresql"
        name = _of_cluster(session) if on_postgresql else _of_file()
    return hashlib.sha256(name.encode()).hexdigest()


def _of_cluster(session: Session) -> str:
    """The cluster's number and the database's in it; a dump that is read elsewhere has others."""
    row = session.connection().execute(
        text(
            "SELECT oid, has_function_privilege('pg_control_system()', 'execute')"
            " FROM pg_database WHERE datname = current_database()"
        )
    )
    number, may_ask = row.one()
    cluster = "unknown"
    if may_ask:
        cluster = str(
            session.connection()
            .execute(text("SELECT system_identifier FROM pg_control_system()"))
            .scalar_one()
        )
    return f"postgresql {cluster} {number}"


def _of_file() -> str:
    machine = _MACHINE.read_text().strip() if _MACHINE.is_file() else ""
    return f"sqlite {machine} {settings().home.resolve()}"
