"""``make scale``: what this machine measured, and what a fleet of such machines would do.

The simulation plays a send batch by batch: each lane claims (PostgreSQL's cores are shared),
encodes (its process has one core), waits for the provider's rate, posts, and settles. Service
times are the measured ones; the provider's latency and rate are assumptions, and say so.

Example: python -m tests.benchmarks.fleet --people 200000 --json
"""

import argparse
import heapq
import json
import math
import random
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.benchmarks.footprint import MILLION, Footprint, measure

#: Assumptions about the world outside; change them to yours.
LATENCY: Final = (0.25, 0.6)  # seconds: median of one call of 1,000 copies, and sigma of its log
PER_CALL: Final = 1000
PROVIDER_PRICE: Final = 100.0  # USD for a million copies: the low end of list prices, 2026
CORE_PRICE: Final = 0.04  # USD for a core and hour
DISK_PRICE: Final = 0.12  # USD for a GB and month
EVENTS_PER_COPY: Final = 2.2  # accepted or delivered, and an open or a click now and then


@dataclass(frozen=True, slots=True)
class Fleet:
    """So many worker hosts, and one PostgreSQL."""

    hosts: int
    processes: int  # on each host, one core each
    lanes: int  # calls in flight in each process
    database_cores: int
    calls_per_second: float  # of the provider's account, or of all of them; 0 for no limit


@dataclass(frozen=True, slots=True)
class Played:
    """How one simulated send went."""

    people: int
    fleet: Fleet
    seconds: float
    rate: float
    limit: str  # what was busy all the time
    database_load: float  # of its cores, 0 to 1


SCENES: Final = (
    (1_000_000, Fleet(1, 2, 4, 2, 0)),
    (1_000_000, Fleet(1, 2, 4, 2, 10)),
    (10_000_000, Fleet(2, 4, 8, 4, 0)),
    (10_000_000, Fleet(2, 4, 8, 4, 50)),
    (100_000_000, Fleet(4, 8, 16, 16, 0)),
    (100_000_000, Fleet(8, 8, 16, 16, 0)),
    (100_000_000, Fleet(8, 8, 16, 16, 500)),
)


def play(people: int, fleet: Fleet, known: Footprint, *, seed: int = 7) -> Played:
    """Send to *people* with *fleet*; the same seed gives the same answer."""
    dice = random.Random(seed)
    batches = math.ceil(people / PER_CALL)
    encode = known.worker_cpu * PER_CALL / MILLION
    query = known.database_cpu * PER_CALL / MILLION / 2  # once to claim, once to settle
    median, sigma = LATENCY
    # A planner is one session: it has one core, however many there are.
    start = known.planning * people / MILLION
    cores = [start] * fleet.database_cores
    processes = [start] * (fleet.hosts * fleet.processes)
    # What happens next, in order of time: (moment, what, lane).
    agenda = [(start, "claim", lane) for lane in range(len(processes) * fleet.lanes)]
    next_call = start
    waited = {"the provider's rate": 0.0, "PostgreSQL": 0.0, "the workers' cores": 0.0}
    left, last = batches, start
    while agenda:
        now, what, lane = heapq.heappop(agenda)
        if what == "claim":
            if not left:
                continue
            left -= 1
        if what in {"claim", "settle"}:
            begun = max(now, heapq.heappop(cores))
            waited["PostgreSQL"] += begun - now
            done = begun + query
            heapq.heappush(cores, done)
            last = max(last, done)
            heapq.heappush(agenda, (done, "encode" if what == "claim" else "claim", lane))
        elif what == "encode":
            process = lane % len(processes)
            begun = max(now, processes[process])
            waited["the workers' cores"] += begun - now
            processes[process] = begun + encode
            heapq.heappush(agenda, (begun + encode, "post", lane))
        else:
            begun = max(now, next_call)
            waited["the provider's rate"] += begun - now
            if fleet.calls_per_second:
                next_call = begun + 1 / fleet.calls_per_second
            heapq.heappush(
                agenda, (begun + dice.lognormvariate(math.log(median), sigma), "settle", lane)
            )
    busiest = max(waited, key=lambda name: waited[name])
    calls = batches * median * math.exp(sigma**2 / 2)
    limit = busiest if waited[busiest] > calls / 4 else "the provider's latency"
    load = 2 * query * batches / ((last - start) * fleet.database_cores)
    return Played(people, fleet, last, people / last, limit, load)


def cost(played: Played, known: Footprint) -> dict[str, float]:
    """USD for a million copies: the provider, the machines while they send, a year of disk."""
    cores = played.fleet.hosts * played.fleet.processes + played.fleet.database_cores
    millions = played.people / MILLION
    disk = known.ledger_bytes + EVENTS_PER_COPY * known.event_bytes
    return {
        "provider": PROVIDER_PRICE,
        "machines": cores * played.seconds / 3600 * CORE_PRICE / millions,
        "disk_for_a_year": disk / 1e9 * DISK_PRICE * 12,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=200_000, help="readers of the measured send")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="newsletter-scale-") as folder:
        known = measure(
            Path(folder), given.people, say=lambda line: print(line, file=sys.stderr, flush=True)
        )
    scenes = [play(people, fleet, known) for people, fleet in SCENES]
    if given.json:
        print(
            json.dumps(
                {
                    "measured": asdict(known),
                    "simulated": [asdict(one) | {"cost": cost(one, known)} for one in scenes],
                }
            )
        )
        return 0
    _show(known, scenes)
    return 0


def _show(known: Footprint, scenes: list[Played]) -> None:
    console = Console(width=130)
    measured = Table("measured here, for a million", "", box=None, header_style="bold")
    measured.add_row("worker CPU", f"{known.worker_cpu:.1f} s")
    measured.add_row("PostgreSQL CPU", f"{known.database_cpu:.1f} s")
    measured.add_row("planning", f"{known.planning:.1f} s")
    measured.add_row("ledger on disk", f"{known.ledger_bytes / 1e6:.0f} MB")
    measured.add_row("people on disk", f"{known.person_bytes / 1e6:.0f} MB")
    measured.add_row("a million events on disk", f"{known.event_bytes / 1e6:.0f} MB")
    console.print(measured)
    table = Table(box=None, header_style="bold")
    heads = ("simulated: copies", "hosts", "processes", "lanes", "PG cores", "calls/s")
    for head in (*heads, "takes", "copies/s", "held by", "USD/M"):
        table.add_column(head, justify="left" if head == "held by" else "right")
    for one in scenes:
        fleet = one.fleet
        table.add_row(
            f"{one.people:,}",
            *(f"{n}" for n in (fleet.hosts, fleet.processes, fleet.lanes, fleet.database_cores)),
            f"{fleet.calls_per_second:g}" if fleet.calls_per_second else "no limit",
            f"{one.seconds / 60:,.1f} min",
            f"{one.rate:,.0f}",
            one.limit,
            f"{sum(cost(one, known).values()):.2f}",
        )
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
