"""The migrations make the tables of the models, on both databases, whoever comes first."""

import pkgutil
import re
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Final

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    Table,
    func,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import OperationalError
from sqlmodel import SQLModel
from typer.testing import CliRunner

from digests.store.ballots import Standing
from digests.store.intake import take_in
from newsletter import database
from newsletter.cli import app, serving
from newsletter.cli.refusals import in_a_sentence
from newsletter.clock import utc_now
from newsletter.database import (
    engine,
    is_ahead,
    is_current,
    migrate,
    open_engine,
    unit_of_work,
)
from newsletter.doctor.machine import examine_machine
from newsletter.web.health import checked_parts
from tests.conftest import Configure
from tests.support.mails import the_pages
from tests.support.processes import ROOT
from tests.test_deployment import filled

#: The indexes by which people are found.
BY_EXPRESSION: Final = {"ix_subscriber_address", "ix_subscriber_name", "ix_subscriber_domain"}


def test_the_migrations_have_one_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "newsletter" / "migrations"))

    assert len(ScriptDirectory.from_config(config).get_heads()) == 1


def test_the_migrations_make_exactly_the_tables_of_the_models(database: str) -> None:
    _import_everything()

    with engine().connect() as connection, warnings.catch_warnings():
        # Models name no index on an expression, which each database writes differently.
        warnings.filterwarnings("ignore", "Skipped unsupported reflection of expression")
        apart = _partitions(connection) | BY_EXPRESSION
        options = {"compare_type": True, "include_name": lambda name, *_: name not in apart}
        context = MigrationContext.configure(connection, opts=options)
        differences = compare_metadata(context, SQLModel.metadata)

    assert differences == [], database


def test_on_the_embedded_default_a_database_is_made_when_it_is_first_needed(
    empty: str, configure: Configure
) -> None:
    configure(database_url=empty)

    tables = inspect(engine()).get_table_names()

    assert {"subscriber", "digest", "delivery", "revision"} <= set(tables)


def test_of_many_who_come_first_one_migrates_and_the_others_find_it_done(empty: str) -> None:
    engines = [open_engine(empty) for _ in range(4)]

    with ThreadPoolExecutor(len(engines)) as pool:
        list(pool.map(migrate, engines))

    for one in engines:
        assert inspect(one).has_table("delivery")
        one.dispose()


@pytest.mark.parametrize("settings_of", ["embedded", "production"])
def test_on_a_newer_versions_tables_this_one_serves_on_and_changes_nothing(
    empty: str, settings_of: str, configure: Configure, tmp_path: Path
) -> None:
    """It only adds to them: so that it may migrate while we serve, and so that there is a way back."""
    made = open_engine(empty)
    migrate(made)
    with made.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    made.dispose()
    own = filled() if settings_of == "production" else {}
    configure(**{name.removeprefix("NEWSLETTER_").lower(): said for name, said in own.items()})
    configure(database_url=empty, home=tmp_path)

    told = CliRunner().invoke(app, ["migrate"])

    assert told.exit_code == 0, told.output
    assert "newer version" in told.output
    assert checked_parts()["migrations"] == "ok"
    found = {one.what: one for one in examine_machine(clock=utc_now)}
    assert found["migrations"].good is True
    assert "newer version" in found["migrations"].says


@pytest.mark.parametrize("empty", ["postgresql"], indirect=True)
def test_a_migration_gives_way_to_a_long_transaction_and_tries_again(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for a table's lock keeps everybody waiting who comes after, for reading too."""
    monkeypatch.setattr(database, "_GIVEN_WAY", 0.1)
    older = open_engine(empty)
    _migrate(older, to=_before_the_listing())
    upgrade, tries = database.upgrade, []

    def impatient(connection: Connection, revision: str = "head") -> None:
        tries.append(revision)
        if len(tries) == 2:
            holder.rollback()  # the long transaction is over
        connection.execute(text("SET LOCAL lock_timeout = '100ms'"))
        connection.execute(text("LOCK TABLE comparison IN ACCESS EXCLUSIVE MODE"))
        upgrade(connection, revision)

    monkeypatch.setattr(database, "upgrade", impatient)
    with older.connect() as holder:
        holder.execute(text("SELECT count(*) FROM comparison"))
        migrate(older)

    assert len(tries) == 2
    with older.connect() as connection:
        assert is_current(connection)
    older.dispose()


@pytest.mark.parametrize("empty", ["postgresql"], indirect=True)
def test_one_that_never_gets_its_turn_says_who_is_in_its_way(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_GIVEN_WAY", 0.0)
    monkeypatch.setattr(database, "_TRIES", 2)
    older = open_engine(empty)
    _migrate(older, to=_before_the_listing())

    def impatient(connection: Connection, revision: str = "head") -> None:
        assert revision
        connection.execute(text("SET LOCAL lock_timeout = '50ms'"))
        connection.execute(text("LOCK TABLE comparison IN ACCESS EXCLUSIVE MODE"))

    monkeypatch.setattr(database, "upgrade", impatient)
    with older.connect() as holder:
        holder.execute(text("SELECT count(*) FROM comparison"))
        with pytest.raises(OperationalError) as refused:
            migrate(older)

    said = in_a_sentence(refused.value)
    assert said is not None
    assert "pg_stat_activity" in said
    older.dispose()


@pytest.mark.parametrize(("sqlstate", "tries"), [(None, 3), ("57P03", 3), ("28P01", 1)])
def test_it_waits_for_a_database_that_is_not_up_yet_and_for_no_other(
    sqlite_database: str,
    sqlstate: str | None,
    tries: int,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a restart of the machine: a unit that has failed takes with it all that require it."""
    configure(database_url=sqlite_database)
    seen: list[Engine] = []

    def away(target: Engine) -> None:
        seen.append(target)
        if len(seen) < 3:
            refused = psycopg.OperationalError("connection refused")
            monkeypatch.setattr(type(refused), "sqlstate", sqlstate, raising=False)
            raise OperationalError("SELECT 1", None, refused)

    monkeypatch.setattr(serving, "migrate", away)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)

    told = CliRunner().invoke(app, ["migrate", "--wait", "60"])

    assert len(seen) == tries
    assert (told.exit_code == 0) == (tries == 3)
    assert told.output.count("waiting for it") == (tries == 3)


def test_tables_of_another_program_are_never_taken_for_ours(empty: str) -> None:
    foreign = open_engine(empty)
    with foreign.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('ae1027a6acf')"))

    with foreign.connect() as connection:
        assert not is_current(connection)
        assert not is_ahead(connection)
    foreign.dispose()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_was_in_the_store_before_the_listing_is_listed_by_its_migration(
    database: str, empty: str, now: datetime
) -> None:
    assert database
    with unit_of_work() as session:
        for page in the_pages():
            take_in(session, page, source="a test", now=now)
    older = open_engine(empty)
    _migrate(older, to=_before_the_listing())
    _copy_what_it_knows(engine(), older)

    _migrate(older, to="head")

    assert _listed(older) == _listed(engine()) != []
    with older.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Standing)) == 0
    older.dispose()


def test_every_table_that_is_named_is_known_once_the_store_is_open() -> None:
    """Tables name each other by string: one missing import would fail the first query."""
    resolves = (
        "from newsletter import database; from sqlmodel import SQLModel;"
        "print([key.column for table in SQLModel.metadata.tables.values()"
        " for key in table.foreign_keys])"
    )

    opened = subprocess.run(
        [sys.executable, "-c", resolves], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert opened.stderr == ""


def _partitions(connection: Connection) -> set[str]:
    """The tables that are parts of another: the models know the whole, `digests.ledger.partitions` these."""
    if connection.dialect.name != "postgresql":
        return set()
    parts = connection.exec_driver_sql("SELECT relname FROM pg_class WHERE relispartition")
    return set(parts.scalars())


def _import_everything() -> None:
    for package in ("digests", "newsletter", "subscribers"):
        for found in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
            if not found.name.endswith("__main__") and ".migrations" not in found.name:
                import_module(found.name)


def _before_the_listing() -> str:
    """The migration before the one that makes the listing."""
    [path] = (ROOT / "newsletter/migrations/versions").glob("*_what_readers_say.py")
    found = re.search(r'^down_revision = "(\d+)"', path.read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def _migrate(store: Engine, *, to: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "newsletter" / "migrations"))
    with store.execution_options(sqlite_begin="EXCLUSIVE").connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, to)
        connection.commit()


def _copy_what_it_knows(store: Engine, older: Engine) -> None:
    """Every row into a store of an older shape, as far as it has the columns."""
    known = MetaData()
    known.reflect(older)
    with store.connect() as source, older.begin() as target:
        for table in SQLModel.metadata.sorted_tables:
            if table.name not in known.tables:
                continue
            names = [
                column.name for column in table.columns if column.name in known.tables[table.name].c
            ]
            typed = Table(
                table.name, MetaData(), *(Column(name, table.c[name].type) for name in names)
            )
            if rows := source.execute(select(*(table.c[name] for name in names))).mappings().all():
                target.execute(insert(typed), [dict(row) for row in rows])


def _listed(store: Engine) -> list[tuple[object, ...]]:
    listing = SQLModel.metadata.tables["listing"]
    shown = (
        "slug",
        "title",
        "category",
        "searched",
        "sides",
        "left_panel",
        "right_panel",
        "listed_at",
    )
    with store.connect() as connection:
        rows = connection.execute(
            select(*(listing.c[name] for name in shown)).order_by(listing.c.comparison_id)
        )
        return [tuple(row) for row in rows]
