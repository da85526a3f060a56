"""The store's doorway: one engine, one unit of work for each step, committed at its edge."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import Session

# Tables name each other by string; all must be known before the first query.
import digests.making.community_week
import digests.schedules.schedule
import digests.signatures
import digests.store.ballots
import digests.store.comparisons
import digests.store.history
import digests.store.listing  # noqa: F401 - as said
import newsletter.accounts.models  # noqa: F401 - the same
import subscribers.engagement
import subscribers.privacy  # noqa: F401 - the same
from newsletter.settings import settings

if TYPE_CHECKING:
    from sqlite3 import Connection as SqliteConnection
    from sqlite3 import Cursor as SqliteCursor

_MIGRATIONS = Path(__file__).parent / "migrations"
# Two processes of a fresh clone may start at the same moment; one migrates, the other waits.
_MIGRATION_LOCK = 0x5EED_0001
_MAKING = Lock()
_WAIT = 60.0  # seconds that one writer waits for another
_TRIES = 6
_GIVEN_WAY = 3.0  # seconds for those who waited behind a migration that gave way
#: PostgreSQL's word for a lock that could not be had in time.
LOCKED = "55P03"
_STARTING = "57P03"


@lru_cache
def engine() -> Engine:
    """The process's engine, on a database that is made and migrated when it is first needed.

    In production migrating is a step of the deployment (``newsletter migrate``) and not of a start.
    """
    with _MAKING:  # a cache is no lock: of many threads that ask first, one makes it
        return _made()


@lru_cache
def _made() -> Engine:
    made = open_engine(settings().database)
    if settings().is_embedded:
        migrate(made)
    return made


@contextmanager
def unit_of_work(*, snapshot: bool = False) -> Iterator[Session]:
    """One transaction that writes: committed at the end, rolled back when anything is raised.

    On SQLite it takes the write lock at once, so that reading and then writing cannot deadlock.
    *snapshot*: all of its statements see one moment. Never open one while talking to a provider.
    """
    options = {"sqlite_begin": "IMMEDIATE"}
    if snapshot and engine().dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"
    with Session(engine().execution_options(**options)) as session, session.begin():
        yield session


@contextmanager
def rehearsing() -> Iterator[Session]:
    """A transaction that writes and is rolled back, whatever happens in it.

    SQLite has one writer, and a rehearsal may take minutes: there it happens in a copy of the
    file, as it is at this moment, and keeps nobody waiting.
    """
    with ExitStack() as stack:
        stage = engine()
        if stage.dialect.name == "sqlite":
            folder = stack.enter_context(TemporaryDirectory(prefix="newsletter-rehearsal-"))
            with stage.connect() as connection:
                # AUTOCOMMIT: VACUUM INTO reads one moment, and refuses to run in a transaction.
                connection.connection.execute("VACUUM INTO ?", (f"{folder}/copy.db",))
            stage = open_engine(f"sqlite:///{folder}/copy.db")
            stack.callback(stage.dispose)
        with Session(stage) as session:
            yield session
            session.rollback()


@contextmanager
def reading(*, snapshot: bool = False) -> Iterator[Session]:
    """A transaction that only reads, and never waits for a writer.

    *snapshot*: all of its statements see one moment, as books need it.
    """
    options = {}
    if snapshot and engine().dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"
    with Session(engine().execution_options(**options)) as session:
        yield session


def open_engine(url: str) -> Engine:
    """An engine on *url* with the settings both databases need to keep their promises."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database and parsed.database != ":memory:":
            _only_for_its_owner(Path(parsed.database))
        made = create_engine(parsed, connect_args={"timeout": _WAIT, "check_same_thread": False})
        event.listen(made, "connect", _sqlite_connects)
        event.listen(made, "begin", _sqlite_begins)
        return made
    return create_engine(
        parsed,
        pool_size=20,
        max_overflow=20,
        pool_pre_ping=True,
        connect_args={
            "application_name": "newsletter",
            # Starting parallel workers costs more than reading a batch does.
            "options": "-c timezone=UTC -c max_parallel_workers_per_gather=0",
        },
    )


def migrate(target: Engine, revision: str = "head") -> None:
    """Bring *target* to *revision*; does nothing, quickly, when it is there already.

    Safe from many processes at once: the first takes a lock, the others find the work done. Who
    waits for somebody's long transaction keeps the whole service waiting behind; so it gives way
    after ten seconds, and tries again a few times.
    """
    with target.connect() as connection:
        if is_current(connection):
            return
    for others in reversed(range(_TRIES)):
        try:
            _migrate(target, revision)
        except OperationalError as error:
            if not others or getattr(error.orig, "sqlstate", "") != LOCKED:
                raise
            time.sleep(_GIVEN_WAY)
        else:
            return


def _migrate(target: Engine, revision: str) -> None:
    with target.execution_options(sqlite_begin="EXCLUSIVE").connect() as connection:
        lock_schema(connection)
        if not is_current(connection):
            upgrade(connection, revision)
        connection.commit()


def is_away(error: OperationalError) -> bool:
    """Whether nobody answered, or a server that is only starting; it said no word of its own otherwise."""
    return getattr(error.orig, "sqlstate", None) in {None, _STARTING}


def lock_schema(connection: Connection) -> None:
    """Be the only one to change the schema until this transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    else:
        connection.execute(text("SELECT 1"))  # SQLAlchemy begins with the first statement


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the migrations up to *revision* in the transaction of *connection*."""
    # Alembic takes a third of a second to import, and only a stale database needs it.
    from alembic import command  # noqa: PLC0415 - as said
    from alembic.config import Config  # noqa: PLC0415 - the same

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def is_current(connection: Connection) -> bool:
    """Whether the database has all that this version needs: it stands at its newest migration or past it.

    A newer version only adds to the schema, so this one serves on it: while that version is brought
    in host by host, and after a way back.
    """
    at = stands_at(connection)
    return at is not None and at.isdecimal() and int(at) >= int(newest_migration())


def is_ahead(connection: Connection) -> bool:
    """Whether a newer version than this one has migrated the database."""
    return is_current(connection) and stands_at(connection) != newest_migration()


def stands_at(connection: Connection) -> str | None:
    """The number of the last migration that the database has had; None where there is no store yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


@cache
def newest_migration() -> str:
    """The newest migration's number: they are numbered in one line, which a test makes sure of."""
    return max(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def _only_for_its_owner(path: Path) -> None:
    """Addresses are in it: nobody else on this machine reads it, nor the files that SQLite puts beside it.

    Those get the permissions of the file itself, once that has them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for part in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        with suppress(OSError):  # another's file, or one that is not there: then it is as it is
            if part == path:
                os.close(os.open(part, os.O_CREAT | os.O_RDWR, 0o600))
            if part.stat().st_mode & 0o077:
                part.chmod(0o600)


def _sqlite_connects(connection: "SqliteConnection", _record: ConnectionPoolEntry) -> None:
    # SQLAlchemy's begin event starts every transaction; the driver must not start its own.
    connection.isolation_level = None
    cursor = connection.cursor()
    _log_ahead(cursor)
    # FULL and not NORMAL: an intent to send must survive a power cut, or a copy could go twice.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA cache_size=-65536")
    cursor.close()


def _log_ahead(cursor: "SqliteCursor") -> None:
    """Switch to the write-ahead log, for which a fresh file must be free; SQLite itself does not wait."""
    until = time.monotonic() + _WAIT
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def _sqlite_begins(connection: Any) -> None:  # noqa: ANN401 - SQLAlchemy hands its own connection
    mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")
