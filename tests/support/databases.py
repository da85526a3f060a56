"""A migrated and empty PostgreSQL database for each test, without making one each time."""

from typing import Any, Final, LiteralString

import psycopg
from psycopg import Connection, sql

from tests.support.servers import Postgres

#: Bytes up to which a table is swept rather than made anew: no file changes, so it costs nothing.
_SMALL: Final = 1 << 20
#: All that a migration could have made otherwise: tables, columns, indexes, sequences.
_SHAPE: Final = """
    SELECT md5(string_agg(concat_ws(' ', c.relname, c.relkind, a.attname, a.atttypid, a.atttypmod,
        a.attnotnull, a.atthasdef), ',' ORDER BY c.relname, a.attnum))
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace
"""
_TABLES: Final = """
    SELECT relname, pg_relation_size(oid) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
"""


class Databases:
    """Lends the databases of one server: a clone of the template, swept when it comes back.

    Sweeping takes milliseconds where a clone writes a thousand files. A
    database whose tables are no longer what the migrations made is dropped.
    """

    def __init__(self, server: Postgres, *, template: str = "migrated") -> None:
        self._server = server
        self._template = template
        self._made = 0
        self._swept: list[str] = []
        self._run(f"CREATE DATABASE {template}")
        migrate_anew(server.url_of(template))
        with self._connection(template) as connection:
            self._shape = _one(connection, _SHAPE)
            self._tables = {name for name, _ in connection.execute(_TABLES)}

    def lend(self) -> str:
        """The name of a database that is migrated, empty, and nobody else's for now."""
        if self._swept:
            return self._swept.pop()
        self._made += 1
        name = f"{self._template}_{self._made}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY FILE_COPY")
        return name

    def take_back(self, name: str) -> None:
        """End whatever a test left open in it, and sweep it for the next."""
        if self._sweep(name):
            self._swept.append(name)
        else:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def _sweep(self, name: str) -> bool:
        """False when it cannot be made as good as new."""
        with self._connection(name) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            # Foreign keys are triggers, which a replica does not fire: any order will do.
            connection.execute("SET session_replication_role = replica")
            for table, size in connection.execute(_TABLES).fetchall():
                if table not in self._tables:
                    connection.execute(_about("DROP TABLE IF EXISTS {} CASCADE", table))
                elif size > _SMALL:
                    connection.execute(_about("TRUNCATE {} CASCADE", table))
                elif size and table != "alembic_version":
                    connection.execute(_about("DELETE FROM {}", table))
            connection.execute(
                "SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'"
            )
            return bool(_one(connection, _SHAPE) == self._shape)

    def _run(self, statement: str) -> None:
        with self._connection("postgres") as connection:
            connection.execute(statement.encode())

    def _connection(self, database: str) -> Connection[tuple[Any, ...]]:
        url = self._server.url_of(database).replace("+psycopg", "")
        return psycopg.connect(url, autocommit=True)


def _about(statement: LiteralString, table: str) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(table))


def _one(connection: Connection[tuple[Any, ...]], question: LiteralString) -> object:
    row = connection.execute(question).fetchone()
    return row[0] if row else None


def migrate_anew(url: str) -> None:
    """Bring the empty database at *url* to where the models are."""
    # Imported here: half of the tests need no store, and all of SQLAlchemy takes a second.
    from newsletter.database import migrate, open_engine  # noqa: PLC0415

    made = open_engine(url)
    migrate(made)
    made.dispose()
