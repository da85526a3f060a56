"""What stands in the way of a backup, or of its coming back, is said in a sentence and leaves nothing."""

import errno
import os
import re
import shlex
import signal
import subprocess
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from newsletter import keeping
from newsletter.cli import app
from newsletter.database import engine
from newsletter.keeping import KeepingError, postgresql
from tests.conftest import Configure
from tests.support.processes import command, surroundings, wait_until
from tests.support.servers import Postgres
from tests.test_keeping import silent


@pytest.fixture
def kept(sqlite_database: str, configure: Configure, tmp_path: Path, now: datetime) -> Path:
    """A backup, and settings that lead to an empty place."""
    configure(database_url=sqlite_database)
    keeping.backup(tmp_path / "kept.zip", now=now, progress=silent)
    configure(database_url=f"sqlite:///{tmp_path / 'elsewhere' / 'newsletter.db'}")
    return tmp_path / "kept.zip"


def without_room(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command where no file may grow beyond some tens of kilobytes."""
    words = " ".join(map(shlex.quote, command(*arguments)))
    return subprocess.run(
        ["/bin/sh", "-c", f"ulimit -f 100; exec {words}"],
        env=surroundings({"NEWSLETTER_HOME": str(home)}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_where_there_is_no_room_for_the_store_it_does_not_come_back_and_nothing_stays(
    kept: Path, tmp_path: Path
) -> None:
    done = without_room(tmp_path / "small", "restore", str(kept))

    assert done.returncode == 1
    assert done.stderr.startswith("newsletter: no copy of the store can be made in")
    assert "as much room there as the store itself" in done.stderr
    assert [path.name for path in (tmp_path / "small").iterdir()] == ["secrets.json"]


def test_where_there_is_no_room_beside_the_store_no_backup_is_made_and_nothing_stays(
    home: Path, tmp_path: Path
) -> None:
    assert engine()
    engine().dispose()
    before = {path.name for path in home.iterdir()}

    done = without_room(home, "backup", str(tmp_path / "kept.zip"))

    assert done.returncode == 1
    assert done.stderr.startswith("newsletter: no copy of the store can be made in")
    assert not (tmp_path / "kept.zip").exists()
    assert {path.name for path in home.iterdir()} <= before


def test_it_is_not_the_backup_that_is_blamed_for_a_place_that_cannot_be_written_to(
    kept: Path, tmp_path: Path, configure: Configure, now: datetime
) -> None:
    (tmp_path / "file").write_text("no folder")
    configure(database_url=f"sqlite:///{tmp_path / 'file' / 'newsletter.db'}")

    with pytest.raises(KeepingError, match=r"no copy of the store can be made in .*file"):
        keeping.restore(kept, by="Ada", now=now, progress=silent)


def test_a_store_that_is_damaged_is_not_kept_and_every_command_says_it(home: Path) -> None:
    assert engine()
    engine().dispose()
    store = home / "newsletter.db"
    with store.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 20)

    done = subprocess.run(
        command("backup", str(home / "kept.zip")),
        env=surroundings({"NEWSLETTER_HOME": str(home)}),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "malformed" in done.stderr
    assert "Traceback" not in done.stderr


def test_who_is_told_to_end_in_the_middle_leaves_no_half_of_it(home: Path, tmp_path: Path) -> None:
    """There are addresses in it, and nobody would look for a hidden file."""
    with engine().begin() as connection:
        connection.execute(text("CREATE TABLE long (much BLOB)"))
        for _ in range(64):
            connection.execute(text("INSERT INTO long VALUES (randomblob(1048576))"))
    engine().dispose()
    before = {path.name for path in home.iterdir()}
    (tmp_path / "backups").mkdir()
    process = subprocess.Popen(
        command("backup", str(tmp_path / "backups")),
        env=surroundings({"NEWSLETTER_HOME": str(home)}),
        stderr=subprocess.DEVNULL,
    )
    wait_until(
        lambda: list((tmp_path / "backups").glob(".*.partial")) and list(home.glob(".backup-*")),
        within=60,
        what="a half of a backup",
    )

    process.terminate()

    assert process.wait(60) == 128 + signal.SIGTERM
    assert list((tmp_path / "backups").iterdir()) == []
    assert {path.name for path in home.iterdir()} == before


def test_in_a_folder_a_backup_is_called_by_its_moment(home: Path, tmp_path: Path) -> None:
    """So that a timer need not know the date."""
    assert home
    (tmp_path / "backups").mkdir()

    done = CliRunner().invoke(app, ["backup", str(tmp_path / "backups")])

    [made] = (tmp_path / "backups").iterdir()
    assert re.fullmatch(r"newsletter-\d{4}-\d\d-\d\dT\d{6}Z\.zip", made.name)
    assert str(made) in done.output.replace("\n", "")


@pytest.mark.parametrize("refusal", [errno.EPERM, errno.ENOTSUP])
def test_a_disk_without_hard_links_keeps_a_backup_and_takes_one_back(
    kept: Path, refusal: int, tmp_path: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As network shares and memory sticks are."""

    def has_none(*_: object, **__: object) -> None:
        raise OSError(refusal, os.strerror(refusal))

    monkeypatch.setattr(os, "link", has_none)

    keeping.restore(kept, by="Ada", now=now, progress=silent)
    keeping.backup(tmp_path / "again.zip", now=now, progress=silent)
    keeping.backup(tmp_path / "once.zip", now=now, progress=silent)

    with pytest.raises(KeepingError, match="is there already"):
        keeping.backup(tmp_path / "again.zip", now=now, progress=silent)
    assert [path for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_a_connection_that_ends_meanwhile_is_told_in_a_sentence(
    postgresql_database: str,
    configure: Configure,
    tmp_path: Path,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configure(database_url=postgresql_database)

    def ends(*_: object) -> None:
        raise psycopg.OperationalError("server closed the connection\n\tThis probably means")

    monkeypatch.setattr(postgresql, "_copy_out", ends)

    with pytest.raises(KeepingError, match=r"PostgreSQL refuses: server closed the connection\."):
        keeping.backup(tmp_path / "kept.zip", now=now, progress=silent)
    assert list(tmp_path.glob("*.zip")) == []


def test_a_role_that_may_make_no_tables_is_told_so(
    postgresql_database: str, postgres: Postgres, tmp_path: Path
) -> None:
    name = postgresql_database.rpartition("/")[2]
    role, fresh = f"guest_{os.getpid()}", f"fresh_{name}"[:60]
    with psycopg.connect(postgres.url.replace("+psycopg", ""), autocommit=True) as server:
        server.execute(f"CREATE ROLE {role} LOGIN")
        server.execute(f"CREATE DATABASE {fresh}")
        try:
            url = postgres.url_of(fresh).replace("newsletter@", f"{role}@")
            done = subprocess.run(
                command("migrate"),
                env=surroundings(
                    {"NEWSLETTER_DATABASE_URL": url, "NEWSLETTER_HOME": str(tmp_path)}
                ),
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            server.execute(f"DROP DATABASE {fresh} WITH (FORCE)")
            server.execute(f"DROP ROLE {role}")

    assert done.returncode == 1
    assert "newsletter: the database's role may not do this: permission denied" in done.stderr
    assert "Traceback" not in done.stderr


def test_restoring_under_another_link_secret_says_which_links_are_dead_unless_it_is_accepted(
    kept: Path, configure: Configure, tmp_path: Path
) -> None:
    configure(link_secret=" the one of then ")
    configure(database_url=f"sqlite:///{tmp_path / 'first' / 'newsletter.db'}")
    assert CliRunner().invoke(app, ["migrate"]).exit_code == 0
    assert CliRunner().invoke(app, ["backup", str(tmp_path / "then.zip")]).exit_code == 0

    said = {}
    for place, former in (("other", ""), ("accepted", "older, the one of then")):
        configure(
            link_secret="another",
            former_link_secrets=former,
            database_url=f"sqlite:///{tmp_path / place / 'newsletter.db'}",
        )
        said[place] = CliRunner().invoke(app, ["restore", str(tmp_path / "then.zip")]).output

    assert kept.exists()
    assert "links already mailed are dead" in said["other"]
    assert "NEWSLETTER_FORMER_LINK_SECRETS" in said["other"]
    assert "newsletter:" not in said["accepted"]
