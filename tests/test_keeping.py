"""A backup holds everything, comes back whole or not at all, and then mails nobody."""

import os
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final, LiteralString

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import inspect, literal_column, text
from sqlalchemy import table as table_
from sqlmodel import Session, select, update
from typer.testing import CliRunner

from digests.ledger import claims
from digests.ledger.partitions import PARTITIONED
from digests.models import Batch, Digest, Halt
from newsletter import keeping, pulse, service_mail
from newsletter.cli import app
from newsletter.database import engine, open_engine, reading, unit_of_work
from newsletter.editions import decisions
from newsletter.keeping import KeepingError, postgresql, sqlite
from newsletter.keeping.file import Kept
from newsletter.posting import claims as posting
from newsletter.pulse import Part
from newsletter.service_mail import Kind
from tests.conftest import Configure
from tests.support.editions import a_sending_digest, readers
from tests.support.servers import Postgres
from tests.web.scene import on_both

#: What restoring itself writes.
_ITS_OWN: Final = {"halt", "audit", "pulse"}
Elsewhere = Callable[[], str]


def silent(_what: str, _done: int, _total: int) -> None:
    pass


@pytest.fixture
def elsewhere(
    request: pytest.FixtureRequest, database: str, tmp_path: Path, configure: Configure
) -> Iterator[Elsewhere]:
    """Goes over to an empty place of the same kind, as another machine would have it."""
    made: list[str] = []

    def go() -> str:
        if database.startswith("sqlite"):
            url = f"sqlite:///{tmp_path / 'elsewhere' / 'newsletter.db'}"
        else:
            server: Postgres = request.getfixturevalue("postgres")
            made.append(f"elsewhere_{os.getpid()}")
            url = server.url_of(made[0])
            _on_server(server, "CREATE DATABASE {}", made[0])
        configure(database_url=url)
        return url

    yield go
    engine().dispose()
    for name in made:
        _on_server(request.getfixturevalue("postgres"), "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture
def story(database: str, now: datetime) -> Digest:
    """An edition on its way to three hundred readers, with nothing sent yet, and a letter to staff."""
    with unit_of_work() as session:
        readers(session, 300, now=now)
        digest = a_sending_digest(session, now=now, batch_size=100)
        service_mail.write(session, Kind.invitation, account_id=1, values={}, now=now)
        pulse.sign(session, Part.worker, "there:1", began_at=now, now=now)
        session.refresh(digest)
        session.expunge(digest)
    return digest


@on_both
def test_a_backup_restored_elsewhere_is_the_same_to_the_row_and_sends_nothing_until_told(
    database: str, story: Digest, elsewhere: Elsewhere, tmp_path: Path, now: datetime
) -> None:
    kept = tmp_path / "kept.zip"
    told: list[str] = []
    before = _everything(database)

    made = keeping.backup(
        kept, now=now, progress=lambda what, done, total: told.append(f"{what} {done}/{total}")
    )
    url = elsewhere()
    keeping.restore(kept, by="Ada", now=now, progress=silent)

    after = _everything(url)
    assert before.keys() == after.keys()
    assert len(before["delivery"]) == 300
    for table, rows in before.items():
        if table not in _ITS_OWN:
            assert rows == after[table], table
    assert sum(made.rows.values()) >= 300
    assert told
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600

    with unit_of_work() as session:
        assert _claim(session, story, now) is None
        assert posting.claim(session, worker="w", lease_until=now, now=now) is None
    with reading() as session:
        assert "restored from a backup" in session.get_one(Halt, 1).reason
        assert pulse.life(session, Part.worker, now=now).alive == (), "nobody is at work here yet"
    with unit_of_work() as session:
        decisions.go(session, by="Ada", now=now)
    with unit_of_work() as session:
        assert _claim(session, story, now) is not None
        assert posting.claim(session, worker="w", lease_until=now, now=now) is not None


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_partitions_keys_and_numbers_come_back_as_they_were(
    database: str, story: Digest, elsewhere: Elsewhere, tmp_path: Path, now: datetime
) -> None:
    before = _shape(database)
    keeping.backup(tmp_path / "kept.zip", now=now, progress=silent)
    url = elsewhere()
    keeping.restore(tmp_path / "kept.zip", by="Ada", now=now, progress=silent)

    assert _shape(url) == before
    for table in PARTITIONED:
        assert f"{table}_rest" in str(before)
    assert f"delivery_{story.id}" in str(before)
    with unit_of_work() as session:  # the numbers go on where they were
        assert readers(session, 301, now=now)[-1].id == 301


@on_both
def test_a_backup_shows_one_moment_while_others_write(
    database: str, story: Digest, tmp_path: Path, now: datetime
) -> None:
    """Somebody writes at every step of the copy; none of it is in there, and nobody waits."""
    written = 0

    def meddle(_what: str, _done: int, _total: int) -> None:
        nonlocal written
        with unit_of_work() as session:
            session.execute(update(Digest).values(subject=f"changed {written}"))
            session.execute(update(Batch).values(claimed_by=f"worker {written}"))
        written += 1

    keeping.backup(tmp_path / "kept.zip", now=now, progress=meddle)

    assert written > 1
    with zipfile.ZipFile(tmp_path / "kept.zip") as kept:
        content = b"".join(kept.read(name) for name in kept.namelist())
    subjects = {b"changed %d" % n in content for n in range(1, written)}
    assert subjects == {False}


@on_both
def test_a_damaged_backup_is_refused_before_anything_is_written(
    database: str, story: Digest, elsewhere: Elsewhere, tmp_path: Path, now: datetime
) -> None:
    whole, damaged = tmp_path / "kept.zip", tmp_path / "damaged.zip"
    keeping.backup(whole, now=now, progress=silent)
    with zipfile.ZipFile(whole) as good, zipfile.ZipFile(damaged, "w") as bad:
        for name in good.namelist():
            content = good.read(name)
            if name in {"subscriber", "newsletter.db"}:
                content = content[:-40] + bytes([content[-40] ^ 1]) + content[-39:]
            bad.writestr(name, content)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(whole.read_bytes()[:-4000])
    other = tmp_path / "other.zip"
    other.write_text("no backup")
    url = elsewhere()

    for file, why in ((damaged, "damaged"), (cut, "only a part"), (other, "no backup")):
        with pytest.raises(KeepingError, match=why):
            keeping.restore(file, by="Ada", now=now, progress=silent)
    assert _tables(url) == []


@on_both
def test_a_backup_never_comes_back_over_a_store(
    database: str, story: Digest, tmp_path: Path, now: datetime
) -> None:
    keeping.backup(tmp_path / "kept.zip", now=now, progress=silent)
    before = _everything(database)

    with pytest.raises(KeepingError, match="an empty"):
        keeping.restore(tmp_path / "kept.zip", by="Ada", now=now, progress=silent)
    with pytest.raises(KeepingError, match="is there already"):
        keeping.backup(tmp_path / "kept.zip", now=now, progress=silent)
    assert _everything(database) == before
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


@on_both
def test_what_fails_half_way_leaves_nothing(  # noqa: PLR0917 - fixtures
    database: str,
    story: Digest,
    elsewhere: Elsewhere,
    tmp_path: Path,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keeping.backup(tmp_path / "kept.zip", now=now, progress=silent)
    url = elsewhere()

    def full(*_: object, **__: object) -> None:
        raise KeepingError("the disk is full")

    for module in (sqlite, postgresql):
        monkeypatch.setattr(module, "make_passive", full)
    with pytest.raises(KeepingError, match="the disk is full"):
        keeping.restore(tmp_path / "kept.zip", by="Ada", now=now, progress=silent)

    assert _tables(url) == []


def test_a_backup_of_the_other_kind_or_of_a_newer_version_is_refused(
    sqlite_database: str, configure: Configure, tmp_path: Path, now: datetime
) -> None:
    configure(database_url=sqlite_database)
    kept = tmp_path / "kept.zip"
    made = keeping.backup(kept, now=now, progress=silent)

    for change, why in (({"kind": "postgresql"}, "of postgresql"), ({"revision": "9999"}, "9999")):
        shutil.copy(kept, tmp_path / "changed.zip")
        with zipfile.ZipFile(tmp_path / "changed.zip", "w") as file:
            Kept(file).close(made.model_copy(update=change))
        with pytest.raises(KeepingError, match=why):
            keeping.restore(tmp_path / "changed.zip", by="Ada", now=now, progress=silent)


def test_restoring_under_another_secret_says_that_the_erased_are_not_known(
    sqlite_database: str, configure: Configure, tmp_path: Path, now: datetime
) -> None:
    configure(database_url=sqlite_database)
    keeping.backup(tmp_path / "kept.zip", now=now, progress=silent)

    for place, secret in (("same", None), ("other", "another secret")):
        configure(database_url=f"sqlite:///{tmp_path / place / 'newsletter.db'}")
        if secret:
            configure(suppression_secret=secret)
        done = CliRunner().invoke(app, ["restore", str(tmp_path / "kept.zip"), "--by", "Ada"])
        assert done.exit_code == 0
        assert "are back, as they were" in done.output
        assert ("nobody who was erased is known" in done.output) == bool(secret)


def _claim(session: Session, digest: Digest, now: datetime) -> claims.Claim | None:
    return claims.claim(session, digest.id or 0, worker="w", lease_until=now, now=now)


def _tables(url: str) -> list[str]:
    there = open_engine(url)
    try:
        return inspect(there).get_table_names()
    finally:
        there.dispose()


def _everything(url: str) -> dict[str, list[str]]:
    there = open_engine(url)
    try:
        with there.connect() as connection:
            return {
                table: sorted(
                    str(dict(row))
                    for row in connection.execute(
                        select(literal_column("*")).select_from(table_(table))
                    ).mappings()
                )
                for table in inspect(connection).get_table_names()
            }
    finally:
        there.dispose()


def _shape(url: str) -> list[Any]:
    """Columns, indexes, constraints and partitions, as PostgreSQL words them."""
    there = open_engine(url)
    try:
        with there.connect() as connection:
            return [
                sorted(map(str, connection.execute(text(question)).all()))
                for question in (
                    (
                        "SELECT relname, relkind, pg_get_expr(relpartbound, oid) FROM pg_class"
                        " WHERE relnamespace = 'public'::regnamespace"
                    ),
                    "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'",
                    (
                        "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid)"
                        " FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
                    ),
                    "SELECT sequencename, last_value FROM pg_sequences WHERE sequencename <> 'audit_id_seq'",
                )
            ]
    finally:
        there.dispose()


def _on_server(server: Postgres, statement: LiteralString, name: str) -> None:
    with psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
