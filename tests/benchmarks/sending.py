"""Sending on PostgreSQL, Redis and real workers to a bare sink, beside the bare loop, in one run.

Measured from the tick that starts the edition to the last batch accepted:
planning, consent, tokens, encoding, HTTP and settling included.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import psutil
from celery import Celery
from sqlalchemy import Engine, text
from sqlmodel import Session, col, func, select

from digests.ledger.receipt import receipt
from digests.models import Batch, BatchStatus, Digest
from newsletter.database import migrate, open_engine
from tests.benchmarks.table import Figure
from tests.support.editions import an_approved_digest
from tests.support.processes import Kept, command, free_port, surroundings, wait_until
from tests.support.servers import Postgres, Redis

WORKERS: Final = 2
PER_CALL: Final = 1000
HTML_BYTES: Final = 40_000
FLOOR: Final = 30_000
SHARE: Final = 70
CEILING_MB: Final = 200

#: A server as an operator would set it up, save for the fsync that a benchmark's disk would decide.
_SETTINGS: Final = {"shared_buffers": "512MB", "max_wal_size": "4GB", "autovacuum_naptime": "60s"}


@dataclass
class Stage:
    """The servers, the list of people, and the processes that send to it."""

    folder: Path
    database: str
    broker: str
    sink: str
    engine: Engine
    say: Callable[[str], None]
    issues: int = 0
    peaks: dict[str, float] = field(default_factory=dict)  # MB by process


@contextmanager
def stage(folder: Path, say: Callable[[str], None]) -> Iterator[Stage]:
    port = free_port()
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres(folder, settings=_SETTINGS))
        redis = stack.enter_context(Redis(folder))
        sink = [sys.executable, "-m", "tests.benchmarks.sink", str(port)]
        stack.enter_context(Kept(sink, log=folder / "sink.log", environment=surroundings()))
        engine = open_engine(postgres.url)
        migrate(engine)
        stack.callback(engine.dispose)
        yield Stage(folder, postgres.url, redis.url, f"http://127.0.0.1:{port}", engine, say)


def fill(stage: Stage, people: int) -> None:
    """Bring the list to *people* active readers, in one statement."""
    with stage.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO subscriber (address, address_key, status, zone, source, joined_at,"
                " confirmed_at, tracking) SELECT 'reader' || n || '@readers.example',"
                " decode(md5(n::text), 'hex'), 'active', 'Europe/Berlin', 'the benchmark', now(),"
                " now(), true FROM generate_series((SELECT count(*) + 1 FROM subscriber), :n) n"
            ),
            {"n": people},
        )
    with stage.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(
            text("VACUUM ANALYZE subscriber")
        )


def a_year(stage: Stage, people: int, *, editions: int = 51) -> None:
    """Put *editions* past digests to *people* readers into the ledger, each in its partition."""
    now = datetime.now(UTC) - timedelta(days=400)  # noqa: TID251 - a benchmark lives in real time
    for number in range(editions):
        with Session(stage.engine) as session, session.begin():
            digest = an_approved_digest(session, now=now, issue=f"2025-X{number}")
            session.execute(
                text("UPDATE digest SET status = 'sent' WHERE id = :id"), {"id": digest.id}
            )
            name = f"delivery_{digest.id}"
            session.execute(text(f"CREATE TABLE {name} (LIKE delivery)"))
            session.execute(
                text(
                    f"INSERT INTO {name} SELECT {digest.id}, n, n / 1000 + 1"  # noqa: S608 - numbers of our own
                    " FROM generate_series(1, :people) n"
                ),
                {"people": people},
            )
            session.execute(text(f"ALTER TABLE {name} ADD PRIMARY KEY (digest_id, subscriber_id)"))
            session.execute(
                text(f"ALTER TABLE delivery ATTACH PARTITION {name} FOR VALUES IN ({digest.id})")
            )


def ours(stage: Stage, people: int) -> tuple[float, float]:
    """Send one edition through real workers; returns (seconds, of which planning)."""
    stage.issues += 1
    now = datetime.now(UTC)  # noqa: TID251 - a benchmark lives in real time
    with Session(stage.engine) as session, session.begin():
        digest = an_approved_digest(
            session, now=now, issue=f"2026-B{stage.issues}", weight=HTML_BYTES
        )
        digest_id = digest.id or 0
    celery = Celery("benchmark", broker=stage.broker)
    with worker(stage) as process:
        family = pool_of(process)
        started = time.perf_counter()
        celery.send_task("newsletter.start", queue="newsletter")
        wait_until(lambda: status(stage, digest_id) != "approved", within=300, process=process)
        planned = time.perf_counter()
        while open_batches(stage, digest_id):
            if not process.is_running or time.perf_counter() > planned + 900:
                raise RuntimeError(f"the send got stuck:\n{process.said()}")
            time.sleep(0.1)
        ended = time.perf_counter()
        for name, one in family.items():
            stage.peaks[name] = max(stage.peaks.get(name, 0), peak_mb(one))
    celery.close()
    check(stage, digest_id, people)
    return ended - started, planned - started


@contextmanager
def worker(stage: Stage) -> Iterator[Kept]:
    """A real worker with its pool, which has answered once and so has its imports behind it."""
    environment = {
        "NEWSLETTER_HOME": str(stage.folder / "var"),
        "NEWSLETTER_SCHEDULES": str(stage.folder / "schedules"),
        "NEWSLETTER_DATABASE_URL": stage.database,
        "NEWSLETTER_BROKER_URL": stage.broker,
        "NEWSLETTER_REDIS_URL": stage.broker,
        "NEWSLETTER_SENDGRID_URL": stage.sink,
        "NEWSLETTER_SEND_THREADS": "1",
        "NEWSLETTER_LOG_LEVEL": "info",
    }
    log = stage.folder / f"worker-{stage.issues}.log"
    with Kept(
        [*command("worker"), f"--processes={WORKERS}"],
        log=log,
        environment=surroundings(environment),
        folder=stage.folder,
    ) as process:
        wait_until(lambda: "ready." in log.read_text(errors="replace"), within=60, process=process)
        yield process


def pool_of(process: Kept) -> dict[str, psutil.Process]:
    """The worker's pool processes, by a name for the table."""
    parent = psutil.Process(process.pid)
    return {f"worker process {n + 1}": one for n, one in enumerate(parent.children())}


def peak_mb(process: psutil.Process) -> float:
    """The most memory it ever held, in MB (VmHWM)."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def status(stage: Stage, digest_id: int) -> str:
    with Session(stage.engine) as session:
        return str(session.exec(select(Digest.status).where(col(Digest.id) == digest_id)).one())


def open_batches(stage: Stage, digest_id: int) -> int:
    with Session(stage.engine) as session:
        found = select(func.count()).where(
            col(Batch.digest_id) == digest_id, col(Batch.status) != BatchStatus.accepted
        )
        return session.exec(found).one()


def check(stage: Stage, digest_id: int, people: int) -> None:
    """A figure counts only when the books close."""
    with Session(stage.engine) as session:
        books = receipt(session, session.get_one(Digest, digest_id))
    if not books.closes or books.accepted != people:
        raise RuntimeError(f"the books do not close: {books.as_json()}")


def bare(stage: Stage, people: int, *, manner: str = "plain") -> float:
    """The bare loop over the same people, by as many processes; returns seconds."""
    share = people // WORKERS
    loops = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.benchmarks.bare", stage.database, stage.sink),
                *(str(1 + lane * share), str(1 + (lane + 1) * share), str(PER_CALL)),
                *(str(HTML_BYTES), manner),
            ],
            env=surroundings(),
            stdout=subprocess.PIPE,
            text=True,
        )
        for lane in range(WORKERS)
    ]
    said = [loop.communicate()[0].split() for loop in loops]
    if any(loop.returncode for loop in loops):
        raise RuntimeError("the bare loop failed")
    return max(float(end) for _, end in said) - min(float(start) for start, _ in said)


def measure(folder: Path, sizes: list[int], *, say: Callable[[str], None]) -> list[Figure]:
    """Send to each of *sizes* people, and to the largest but one again behind a year of editions."""
    figures: list[Figure] = []
    with stage(folder, say) as place:
        fill(place, 2_000)
        ours(place, 2_000)  # warms the page cache and the sink
        for people in sizes:
            say(f"sending to {people:,} people ...")
            fill(place, people)
            figures += _pair(place, people, "")
        again = sizes[-2] if len(sizes) > 1 else sizes[0]
        say(f"a year of editions to {again:,} people goes into the ledger ...")
        with place.engine.begin() as connection:
            connection.execute(text("DELETE FROM subscriber WHERE id > :n"), {"n": again})
        a_year(place, again)
        figures += _pair(place, again, ", behind a year of editions")
        for name, peak in sorted(place.peaks.items()):
            figures.append(Figure(f"peak memory of {name}", peak, "MB", CEILING_MB, at_most=True))
    return figures


def _pair(place: Stage, people: int, when: str) -> list[Figure]:
    """Ours and the bare loop in turn, three times, so that both see the same machine; the median share."""
    pairs = []
    for _ in range(3):
        loop = bare(place, people)
        tuned = bare(place, people, manner="tuned")
        whole, planning = ours(place, people)
        pairs.append((people / whole, people / loop, people / tuned, planning))
        place.say(
            f"  ours {people / whole:,.0f}/s (planned in {planning:.1f} s), bare {people / loop:,.0f}/s"
        )
    rate, loop_rate, tuned_rate, planning = sorted(pairs, key=lambda one: one[0] / one[1])[1]
    longest = people >= 1_000_000  # below, the fixed half second of a start decides the share
    large = people >= 100_000
    return [
        Figure(f"send to {people:,}{when}", rate, "recipients/s", FLOOR if large else None),
        Figure("  of which planning", planning, "s"),
        Figure("  the bare loop", loop_rate, "recipients/s"),
        Figure("  share of the bare loop", 100 * rate / loop_rate, "%", SHARE if longest else None),
        Figure("  share of a loop tuned with orjson", 100 * rate / tuned_rate, "%"),
    ]
