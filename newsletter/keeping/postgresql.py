"""PostgreSQL: every table copied out in one snapshot, and back in one transaction.

With the service's own connection and without ``pg_dump``, whose version must fit the server's
and which is seldom where the service runs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from digests.ledger.partitions import attach_partition, open_partition
from newsletter.database import lock_schema, open_engine, upgrade
from newsletter.keeping.file import KeepingError, Kept, Manifest, Part, Progress
from newsletter.keeping.passive import make_passive

#: Tables that hold rows themselves, each with the one of which it is a partition.
_TABLES: Final = text(
    "SELECT t.relname, p.relname FROM pg_class t"
    " LEFT JOIN pg_inherits i ON i.inhrelid = t.oid LEFT JOIN pg_class p ON p.oid = i.inhparent"
    " WHERE t.relnamespace = current_schema()::regnamespace AND t.relkind = 'r'"
    " AND t.relname <> 'alembic_version' ORDER BY t.relname"
)
_COLUMNS: Final = text(
    "SELECT attname FROM pg_attribute WHERE attrelid = CAST(:name AS regclass)"
    " AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum"
)
_SEQUENCES: Final = text(
    "SELECT sequencename, last_value FROM pg_sequences"
    " WHERE schemaname = current_schema() AND last_value IS NOT NULL"
)
_KEYS: Final = text(
    "SELECT CAST(CAST(conrelid AS regclass) AS text), conname, pg_get_constraintdef(oid)"
    " FROM pg_constraint WHERE contype = 'f' AND conparentid = 0"
    " AND connamespace = current_schema()::regnamespace"
)
_ANYTHING: Final = text(
    "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
    " AND relkind IN ('r', 'p', 'v', 'm', 'S')"
)


def take(store: Engine, kept: Kept, *, now: datetime, progress: Progress) -> Manifest:
    """Copy every table of *store* as it is at this moment into *kept*."""
    with (
        _in_words(),
        store.execution_options(isolation_level="REPEATABLE READ").connect() as connection,
    ):
        if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
            raise KeepingError("the database holds no store, so there is nothing to keep.")
        revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
        tables = connection.execute(_TABLES).all()
        parts: dict[str, Part] = {}
        for number, (name, parent) in enumerate(tables):
            progress("copying", number, len(tables))
            parts[name] = _copy_out(connection, kept, name, parent)
        progress("copying", len(tables), len(tables))
        # After the tables: a sequence knows no snapshot, and may be ahead of them but never behind.
        sequences: dict[str, int] = dict(connection.execute(_SEQUENCES).all())
    return Manifest(
        kind="postgresql",
        made_at=now.isoformat(),
        revision=str(revision),
        rows={name: part.rows for name, part in parts.items()},
        parts=parts,
        sequences=sequences,
    )


def refuse_unless_empty(url: str) -> None:
    """Refuse to restore over anything."""
    store = open_engine(url)
    try:
        with store.connect() as connection:
            _refuse_unless_empty(connection)
    finally:
        store.dispose()


def bring_back(  # noqa: PLR0913 - what comes back, where to, and on whose word
    url: str, kept: Kept, manifest: Manifest, *, by: str, now: datetime, progress: Progress
) -> None:
    """Make the schema as it was, fill it, and bring it up to date: all of it or nothing."""
    store = open_engine(url)
    try:
        with _in_words(), store.begin() as connection:
            lock_schema(connection)
            _refuse_unless_empty(connection)
            upgrade(connection, manifest.revision)
            keys = connection.execute(_KEYS).all()
            # They name each other in circles; put back at the end, where each is checked as a whole.
            for table, key, _ in keys:
                connection.execute(text(f'ALTER TABLE {table} DROP CONSTRAINT "{key}"'))
            made = connection.execute(_TABLES).all()
            connection.execute(text("TRUNCATE " + ", ".join(f'"{name}"' for name, _ in made)))
            _fill(connection, kept, manifest, {name for name, _ in made}, progress)
            for table, key, meaning in keys:
                connection.execute(text(f'ALTER TABLE {table} ADD CONSTRAINT "{key}" {meaning}'))
            for name, last in manifest.sequences.items():
                connection.execute(
                    text("SELECT setval(CAST(:name AS regclass), :last)"),
                    {"name": f'"{name}"', "last": last},
                )
            upgrade(connection)
            with Session(connection, join_transaction_mode="rollback_only") as session:
                make_passive(session, manifest, by=by, now=now)
                session.flush()
    finally:
        store.dispose()


def _fill(
    connection: Connection, kept: Kept, manifest: Manifest, made: set[str], progress: Progress
) -> None:
    total, done = sum(part.size for part in manifest.parts.values()), 0
    session = Session(connection, join_transaction_mode="rollback_only")
    for name, part in manifest.parts.items():
        edition = None
        if name not in made:
            if part.parent is None:
                raise KeepingError(
                    f"the backup holds a table {name} that migration {manifest.revision} does not "
                    "make; nothing was restored."
                )
            edition = int(name.rpartition("_")[2])
            open_partition(session, part.parent, edition)
        with _cursor(connection) as cursor:
            with cursor.copy(_statement(name, part.columns, "FROM STDIN")) as copy:
                for piece in kept.pieces(name):
                    copy.write(piece)
                    done += len(piece)
                    progress("restoring", done, total)
            if cursor.rowcount != part.rows:
                raise KeepingError(
                    f"{cursor.rowcount} rows of {name} came back and not {part.rows}; "
                    "nothing was restored."
                )
        if edition is not None and part.parent is not None:
            attach_partition(session, part.parent, edition)


def _copy_out(connection: Connection, kept: Kept, name: str, parent: str | None) -> Part:
    columns = list(connection.scalars(_COLUMNS, {"name": f'"{name}"'}))
    with _cursor(connection) as cursor:
        with cursor.copy(_statement(name, columns, "TO STDOUT")) as copy:
            part = kept.add(name, _pieces(copy))
        rows = cursor.rowcount
    return part.model_copy(update={"rows": rows, "columns": columns, "parent": parent})


def _pieces(copy: Any) -> Iterator[bytes]:  # noqa: ANN401 - psycopg's Copy
    """Its rows, gathered into pieces worth compressing."""
    gathered = bytearray()
    for row in copy:
        gathered += row
        if len(gathered) > 1 << 18:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


def _statement(name: str, columns: list[str], direction: str) -> str:
    named = ", ".join(f'"{column}"' for column in columns)
    return f"COPY \"{name}\" ({named}) {direction} WITH (ENCODING 'UTF8')"


@contextmanager
def _in_words() -> Iterator[None]:
    """What the server refuses in the middle of a copy, in a sentence: a full disk, a lost connection."""
    try:
        yield
    except psycopg.Error as error:
        raise _refused(error) from error
    except DBAPIError as error:
        raise _refused(error.orig) from error


def _refused(error: object) -> KeepingError:
    said = str(error).strip().partition("\n")[0]
    return KeepingError(f"PostgreSQL refuses: {said}. Nothing was kept or restored.")


def _cursor(connection: Connection) -> Any:  # noqa: ANN401 - psycopg's cursor
    driver: Any = connection.connection.driver_connection
    return driver.cursor()


def _refuse_unless_empty(connection: Connection) -> None:
    if connection.scalar(_ANYTHING):
        raise KeepingError(
            "the database holds tables already, and a backup comes back into an empty one only: "
            "create another (`createdb`), without `newsletter migrate`."
        )
