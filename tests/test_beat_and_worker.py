"""The real processes: beat ticks, workers send, and Ctrl-C loses nothing and leaves nothing running."""

import json
import shutil
import signal
import sqlite3
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest
from sqlmodel import Session, col, select

from digests.ledger.receipt import Receipt, receipt
from digests.models import Batch, Digest
from digests.schedules.schedule import Approval, Occurrence, Schedule, plan_turn
from newsletter.database import open_engine
from newsletter.demo import READERS, add_readers, take_in_examples
from tests.conftest import Configure
from tests.support.editions import a_sending_digest, readers
from tests.support.processes import (
    ROOT,
    Kept,
    command,
    free_port,
    newsletter,
    running,
    surroundings,
    wait_until,
)
from tests.support.servers import Redis

pytestmark = pytest.mark.processes

Environment = dict[str, str]


SQLITE, POSTGRESQL = "sqlite and a folder", "postgresql and redis"


@pytest.fixture
def environment(
    request: pytest.FixtureRequest, tmp_path: Path, configure: Configure
) -> Environment:
    """The settings of one installation: the embedded default, or the servers of production."""
    web, sandbox = free_port(), free_port()
    settings = {"home": str(tmp_path / "var"), "port": str(web), "sandbox_port": str(sandbox)}
    if request.param == SQLITE:
        settings["database_url"] = request.getfixturevalue("sqlite_database")
    else:
        redis: Redis = request.getfixturevalue("redis")
        settings["database_url"] = request.getfixturevalue("postgresql_database")
        settings["broker_url"] = settings["redis_url"] = redis.url
    settings["tick"] = "0.5"
    configure(**settings)
    return {f"NEWSLETTER_{name.upper()}": value for name, value in settings.items()}


def fill(environment: Environment, *, due_in: timedelta) -> None:
    """The example pages and readers, and one turn of a schedule that needs nobody's word."""
    now = datetime.now(UTC)  # noqa: TID251 - beat and the workers live in real time
    engine = open_engine(environment["NEWSLETTER_DATABASE_URL"])
    with Session(engine) as session, session.begin():
        take_in_examples(session, now=now)
        add_readers(session, READERS, now=now)
        schedule = Schedule(name="soon", approval=Approval.policy, draft_before=0, installed_at=now)
        session.add(schedule)
        session.flush()
        plan_turn(session, schedule, send_at=now + due_in, cutoff_at=now + due_in)
    engine.dispose()


def books(environment: Environment) -> Receipt | None:
    """The books of the one edition, once it is sent."""
    engine = open_engine(environment["NEWSLETTER_DATABASE_URL"])
    try:
        with Session(engine) as session:
            digest = session.exec(select(Digest)).one_or_none()
            sent = digest is not None and digest.status == "sent"
            return receipt(session, digest) if digest is not None and sent else None
    finally:
        engine.dispose()


@pytest.mark.parametrize("environment", [SQLITE], indirect=True)  # chaos does it on the other
def test_two_beats_and_two_workers_make_one_digest_and_send_it_once(
    environment: Environment, tmp_path: Path
) -> None:
    fill(environment, due_in=timedelta(seconds=1))
    sandbox = f"http://127.0.0.1:{environment['NEWSLETTER_SANDBOX_PORT']}"

    with ExitStack() as stack:
        start = {"folder": tmp_path, "environment": environment}
        stack.enter_context(running("sandbox", answers=f"{sandbox}/", **start))  # type: ignore[arg-type]  # names of two kinds in one
        for part in ("worker", "worker", "beat", "beat"):
            folder = tmp_path / f"{part}-{len(list(tmp_path.glob(f'{part}-*')))}"
            folder.mkdir()
            own = environment | {"NEWSLETTER_SCHEDULES": str(folder)}
            stack.enter_context(running(part, folder=folder, environment=own))
        wait_until(lambda: books(environment), within=60, what="the digest to be sent")
        listed = httpx.get(f"{sandbox}/sandbox/mailbox.json").json()

    known = books(environment)
    assert known is not None
    assert known.is_final
    assert known.accepted == len(READERS) == listed["total"]
    engine = open_engine(environment["NEWSLETTER_DATABASE_URL"])
    with Session(engine) as session:
        assert (
            len(session.exec(select(Occurrence).where(col(Occurrence.status) == "assembled")).all())
            == 1
        )
    engine.dispose()


@pytest.mark.parametrize("environment", [POSTGRESQL], indirect=True)
def test_a_worker_told_to_go_settles_what_is_in_flight(
    environment: Environment, tmp_path: Path
) -> None:
    """SIGTERM drains: nothing new is claimed, and no batch is left in anybody's hands."""
    sandbox = f"http://127.0.0.1:{environment['NEWSLETTER_SANDBOX_PORT']}"
    engine = open_engine(environment["NEWSLETTER_DATABASE_URL"])
    now = datetime.now(UTC)  # noqa: TID251 - the workers live in real time
    with Session(engine) as session, session.begin():
        readers(session, 60, now=now)
        a_sending_digest(session, now=now, batch_size=2)
    slow = {"rules": [{"kind": "slow", "rate": 1.0, "seconds": 0.3}]}

    def in_state(*states: str) -> int:
        with Session(engine) as session:
            return len(
                session.exec(select(Batch.number).where(col(Batch.status).in_(states))).all()
            )

    start = {"folder": tmp_path, "environment": environment}
    with running("sandbox", answers=f"{sandbox}/", **start):  # type: ignore[arg-type]  # names of two kinds in one
        httpx.put(f"{sandbox}/sandbox/faults", json=slow).raise_for_status()
        with running("beat", **start), running("worker", **start) as worker:  # type: ignore[arg-type]  # names of two kinds in one
            wait_until(
                lambda: in_state("accepted"), within=60, process=worker, what="a first batch"
            )
            worker.send(signal.SIGTERM)
            worker.ends(within=40)
        accepted, listed = in_state("accepted"), httpx.get(f"{sandbox}/sandbox/mailbox.json").json()

    assert in_state("claimed", "uncertain") == 0
    assert in_state("planned") == 30 - accepted > 0
    assert listed["total"] == 2 * accepted
    engine.dispose()


def test_a_first_start_sends_a_digest_and_a_second_one_keeps_it(tmp_path: Path) -> None:
    environment = {
        "NEWSLETTER_PORT": str(free_port()),
        "NEWSLETTER_SANDBOX_PORT": str(free_port()),
        "NEWSLETTER_TICK": "0.5",
    }

    shutil.copytree(
        ROOT / "celerybeat-schedule",
        tmp_path / "celerybeat-schedule",
        ignore=shutil.ignore_patterns("state*"),
    )
    store = tmp_path / "var" / "newsletter.db"
    with start(tmp_path, environment) as run:
        wait_until(
            lambda: sorted(statuses(store)) == ["draft", "sent"],
            within=90,
            process=run,
            what="the first digest, and the next one on the desk",
        )
        family = psutil.Process(run.pid).children(recursive=True)
        assert len(family) >= 4
        run.send(signal.SIGINT)
        assert run.ends(within=40) == 0
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []

    with start(tmp_path, environment) as run:
        web = f"http://127.0.0.1:{environment['NEWSLETTER_PORT']}/ready"
        wait_until(lambda: is_up(web), within=60, process=run, what="the second start")
        run.send(signal.SIGTERM)
        assert run.ends(within=40) == 0
    listed = newsletter("digests", "--json", folder=tmp_path, environment=environment)
    assert sorted(one["status"] for one in json.loads(listed.stdout)) == ["draft", "sent"]


def statuses(store: Path) -> list[str]:
    if not store.exists():
        return []
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        try:
            return [status for (status,) in connection.execute("SELECT status FROM digest")]
        except sqlite3.OperationalError:  # not migrated yet
            return []


def start(folder: Path, environment: Environment) -> Kept:
    return Kept(
        command("run"),
        log=folder / "run.log",
        environment=surroundings(environment),
        folder=folder,
    )


def is_up(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.TransportError:
        return False
