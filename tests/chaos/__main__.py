"""``make chaos``: one run for each provider, a table or JSON, exit status 1 for any copy too many or lost."""

import argparse
import contextlib
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from newsletter.esp.registry import adapters
from newsletter.providers import provider
from tests.chaos import edition, faults, verdict
from tests.chaos.house import LEASE, House, Shape
from tests.chaos.nest import Nest
from tests.chaos.report import Report, table
from tests.chaos.sabotage import SABOTAGES
from tests.chaos.storm import PACE, Storm, stuck
from tests.support.servers import Postgres, Redis

_WIDTH: Final = 110
_PATIENCE: Final = 120.0  # seconds that even the smallest run may take on a busy machine
_LINE_EVERY: Final = 10.0  # seconds, where lines are kept


def main() -> int:
    """Run, print, and say by the exit status whether every promise held."""
    asked = _asked()
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(1, 100_000)
    folder = Path(tempfile.mkdtemp(prefix="newsletter-chaos-"))
    reports: list[Report] = []
    try:
        with Postgres(folder) as postgres, Redis(folder) as redis, Nest(folder) as nest:
            for esp in _providers(asked.provider):
                say = _teller(esp, quiet=asked.json)
                reports.append(
                    run(
                        folder / esp.replace(",", "-"),
                        asked,
                        (postgres, redis, nest),
                        say,
                        esp=esp,
                        seed=seed,
                    )
                )
                say("")
    except KeyboardInterrupt:
        print("Stopped; nothing is left running.", file=sys.stderr)
        return 130
    finally:
        if not asked.keep and all(report.is_clean for report in reports):
            shutil.rmtree(folder, ignore_errors=True)
    if asked.json:
        print(json.dumps([report.as_json() for report in reports], default=str))
    else:
        print(table(reports))
    if not all(report.is_clean for report in reports):
        print(f"Logs, mailbox and sandbox are kept in {folder}.", file=sys.stderr)
        return 1
    return 0


def run(
    folder: Path,
    asked: argparse.Namespace,
    servers: tuple[Postgres, Redis, Nest],
    say: Callable[[str], None],
    *,
    esp: str,
    seed: int,
) -> Report:
    """One edition through *esp*, from an empty store to the verdict."""
    folder.mkdir(parents=True)
    dice = random.Random(f"{seed}:{esp}")
    began = time.monotonic()
    batch_size = max(10, min(50, asked.recipients // 40))
    pace = asked.kills * PACE
    shape = Shape(
        esp=esp,
        workers=asked.workers,
        beats=asked.beats,
        batch_size=batch_size,
        # About as many calls as make the sending last for as long as the killing.
        calls_per_second=max(10.0, 3 * asked.recipients / batch_size / pace) if pace else 0,
        sabotage=asked.sabotage,
    )
    postgres, redis, nest = servers
    house = House(folder, postgres=postgres, redis=redis, nest=nest, dice=dice, shape=shape)
    with _moved_in(house):
        say("preparing")
        last_week = edition.prepare(asked.recipients, by_schedule=asked.calm)
        traits = provider(esp.partition(",")[0]).traits
        storm = Storm(
            house,
            last_week=last_week,
            kills=faults.kills(asked.kills, traits=traits, dice=dice),
            troubles=faults.troubles(asked.kills, dice=dice) if asked.kills else [],
            traits=traits,
            seed=seed,
            calm=asked.calm,
            dice=dice,
            say=say,
        )
        leavers = edition.Leavers(
            house.web_url,
            digest_id=last_week,
            count=asked.recipients // 100,
            within=max(3.0, pace),
            dice=dice,
        )
        storm.prepare()
        house.start("sandbox", "web")
        house.start("worker", "beat")
        limit = _PATIENCE + 2 * asked.kills + asked.recipients / 50
        ended = storm.rage(until=time.monotonic() + limit, once_planned=leavers.start)
        leavers.end()
        left_over = [] if ended else stuck(house.database, storm.digest_id)
        did_not_stop = house.stop()
        found = verdict.judge(
            storm.digest_id,
            mailbox=house.mailbox,
            told=leavers.told,
            grace=timedelta(seconds=LEASE),
        )
    return Report(
        provider=esp,
        seed=seed,
        recipients=asked.recipients,
        asked=asked.kills,
        kills={str(kind): count for kind, count in sorted(storm.kills.items())},
        steps=dict(storm.steps),
        troubles={str(trouble): count for trouble, count in sorted(storm.troubles.items())},
        left=len(leavers.told),
        verdict=found,
        stuck=left_over,
        fell=house.fell,
        failed_starts=house.failed_starts,
        deaf=house.deaf,
        did_not_stop=did_not_stop,
        seconds=time.monotonic() - began,
    )


@contextlib.contextmanager
def _moved_in(house: House) -> Iterator[None]:
    house.move_in()
    try:
        yield
    finally:
        if not house.stopping:
            house.stop()
        house.leave()


def _providers(wanted: list[str]) -> list[str]:
    return list(adapters) if "all" in wanted else list(dict.fromkeys(wanted))


def _teller(esp: str, *, quiet: bool) -> Callable[[str], None]:
    """One line that is written over on a screen, a line now and then in a log, none for programs."""
    is_screen = sys.stderr.isatty()
    began = time.monotonic()
    last = -_LINE_EVERY

    def say(what: str) -> None:
        nonlocal last
        now = time.monotonic() - began
        line = f"{esp}, {now:4.0f} s: {what}" if what else ""
        if quiet:
            return
        if is_screen:
            end = "" if what else "\r"
            print(f"\r{line[:_WIDTH]:<{_WIDTH}}", end=end, file=sys.stderr, flush=True)
        elif what and now - last >= _LINE_EVERY:
            last = now
            print(line, file=sys.stderr, flush=True)

    return say


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Kill everything at random and at every step of a send, then count the copies.",
    )
    parser.add_argument("--kills", type=int, default=20, help="how many SIGKILLs (20)")
    parser.add_argument("--recipients", type=int, default=2000, help="how many readers (2000)")
    parser.add_argument("--seed", type=int, help="the same seed chooses the same faults")
    parser.add_argument(
        "--provider",
        action="append",
        help="one of " + ", ".join(adapters) + "; two with a comma, for failing over; or all;"
        " several times for a run with each (sendgrid)",
    )
    parser.add_argument("--workers", type=int, default=3, help="workers of two processes each (3)")
    parser.add_argument("--beats", type=int, default=2, help="beats (2)")
    parser.add_argument(
        "--calm", action="store_true", help="nothing goes wrong at the provider (and --kills 0)"
    )
    parser.add_argument(
        "--sabotage",
        choices=list(SABOTAGES),
        default="",
        help="take a precaution out of the workers, to see that chaos finds it",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document, nothing else")
    parser.add_argument("--keep", action="store_true", help="keep the logs and the mailbox")
    asked = parser.parse_args()
    asked.provider = asked.provider or ["sendgrid"]
    named = [name for one in asked.provider for name in one.split(",")]
    unknown = [name for name in named if name != "all" and name not in adapters]
    if unknown:
        parser.error(
            f"there is no provider {unknown[0]!r}; known are {', '.join(adapters)} and all"
        )
    if asked.kills < 0 or asked.recipients < 1 or asked.workers < 1 or asked.beats < 1:
        parser.error("nobody to send to, or nobody to send")
    return asked


if __name__ == "__main__":
    sys.exit(main())
