"""What a send and its events cost here: seconds of CPU and bytes of disk, for each million.

Everything is taken from real runs on this machine: a worker and PostgreSQL by
their own accounting, tables by PostgreSQL's word on their size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
from sqlalchemy import text

from tests.benchmarks import sending
from tests.benchmarks.sending import Stage

MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Footprint:
    """For each million copies, unless it says otherwise."""

    worker_cpu: float  # seconds: tokens, encoding, HTTP, the client's side of the database
    database_cpu: float  # seconds: planning, claims, consent, settling
    planning: float  # seconds on the clock
    ledger_bytes: float
    person_bytes: float  # for each million people, with all indices
    event_bytes: float  # for each million events


def measure(folder: Path, people: int, *, say: Callable[[str], None]) -> Footprint:
    """Send one edition to *people* readers through real processes and take the accounts."""
    with sending.stage(folder, say) as place:
        sending.fill(place, people)
        sending.ours(place, people)  # warms the page cache and the sink
        spent: dict[str, float] = {}
        before = _database_seconds()
        with _watched(spent):
            _, planning = sending.ours(place, people)
        database = _database_seconds() - before
        share = MILLION / people
        return Footprint(
            worker_cpu=spent["worker"] * share,
            database_cpu=database * share,
            planning=planning * share,
            ledger_bytes=_size(place, "delivery") / 2 * share,  # two editions are in it
            person_bytes=_size(place, "subscriber") * share,
            event_bytes=_events(place, people) * share,
        )


class _watched:  # noqa: N801 - reads as a verb where it is used
    """Adds the CPU of worker processes that end while it is open, by replacing the peak's reading."""

    def __init__(self, spent: dict[str, float]) -> None:
        self._spent = spent
        self._read = sending.peak_mb

    def __enter__(self) -> None:
        self._spent["worker"] = 0.0

        def peak_mb(process: psutil.Process) -> float:
            known = process.cpu_times()
            self._spent["worker"] += known.user + known.system
            return self._read(process)

        sending.peak_mb = peak_mb

    def __exit__(self, *_: object) -> None:
        sending.peak_mb = self._read


def _database_seconds() -> float:
    """The CPU of every PostgreSQL process of this run, the ended ones by their parent's account."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        if process.name().startswith("postgres"):
            known = process.cpu_times()
            total += known.user + known.system + known.children_user + known.children_system
    return total


def _size(place: Stage, table: str) -> float:
    """Bytes of *table* with its indices and all of its partitions."""
    whole = text(
        "SELECT coalesce(sum(pg_total_relation_size(relid)), 0)"
        " FROM pg_partition_tree(CAST(:name AS regclass))"
    )
    plain = text("SELECT pg_total_relation_size(CAST(:name AS regclass))")
    with place.engine.connect() as connection:
        return float(
            connection.execute(whole, {"name": table}).scalar_one()
            or connection.execute(plain, {"name": table}).scalar_one()
        )


def _events(place: Stage, people: int) -> float:
    """Bytes of one delivered event for each of *people*, as the recorder keeps it."""
    before = _size(place, "engagement")
    with place.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO engagement (digest_id, event_key, subscriber_id, kind, occurred_at,"
                " recorded_at, provider, reader, why) SELECT 0, 'delivered:' || md5(n::text), n,"
                " 'delivered', now(), now(), 'sendgrid', 'unknown', ''"
                " FROM generate_series(1, :people) n"
            ),
            {"people": people},
        )
    return _size(place, "engagement") - before
