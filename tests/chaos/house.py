"""The installation under attack: real servers, real processes, and somebody who restarts what died."""

import contextlib
import os
import random
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from newsletter.database import engine
from tests.chaos.nest import Nest, children_of, send
from tests.support.processes import free_port
from tests.support.servers import Postgres, Redis

#: Seconds. The provider's index is quicker than the lag after which its "no" is believed, and a
#: frozen process thaws within lease and lag: that much the service promises to survive.
LEASE: Final = 3.0
SEARCH_LAG: Final = 4.0
INDEX: Final = 0.8
TIMEOUT: Final = 1.0
#: A process that has been there for less was starting: without its store it may give up.
_COMING_UP: Final = 30.0

_DELAYS: Final = {
    "processed": 0.3,
    "delivered": 1.0,
    "deferred": 0.5,
    "failed": 0.8,
    "reaction": 1.0,
    "index": INDEX,
}
#: The providers that can be asked what they took, by a setting of ours.
_SEARCHED: Final = ("sendgrid", "mailgun", "postmark", "brevo")


@dataclass(slots=True)
class Part:
    """One process that is to run for as long as the house stands."""

    name: str
    kind: str
    words: dict[str, Any]
    environment: dict[str, str]
    pid: int | None = None
    back_at: float = 0.0  # monotonic: when it is restarted
    since: float = 0.0  # monotonic: when it was started
    killed: bool = False  # by us, so its death is no surprise


class House:
    """Servers, and the parts of the service; ``tend`` restarts who has died."""

    def __init__(
        self,
        folder: Path,
        *,
        postgres: Postgres,
        redis: Redis,
        nest: Nest,
        dice: random.Random,
        shape: "Shape",
    ) -> None:
        self.folder, self.postgres, self.redis, self.nest = folder, postgres, redis, nest
        self.shape, self._dice = shape, dice
        self.orders = folder / "orders"
        self.fell: list[str] = []  # parts that ended by themselves, with their status
        self.deaf = 0  # workers that noticed that they heard nothing, and ended to be started anew
        self.failed_starts = 0  # they were still coming up: whoever restarts them tries again
        self._broker_back_at = 0.0
        self._groups: set[int] = set()
        self.environment = self._settings()
        self.parts = self._parts()
        self.stopping = False

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.environment['NEWSLETTER_SANDBOX_PORT']}"

    @property
    def web_url(self) -> str:
        return f"http://127.0.0.1:{self.environment['NEWSLETTER_PORT']}"

    @property
    def mailbox(self) -> Path:
        """The sandbox's own file."""
        return self.folder / "var" / "sandbox.db"

    @property
    def database(self) -> str:
        """For psycopg."""
        return self.environment["NEWSLETTER_DATABASE_URL"].replace("+psycopg", "")

    def move_in(self) -> None:
        """Make our own process see the same installation, with an empty and migrated database."""
        name = self.environment["NEWSLETTER_DATABASE_URL"].rpartition("/")[2]
        plain = self.postgres.url.replace("+psycopg", "")
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        forget_settings()
        os.environ.update(self.environment)
        engine()

    def start(self, *kinds: str) -> None:
        """Start the parts of these *kinds*; web and sandbox answer when this returns."""
        for part in self.parts:
            if part.kind in kinds and part.pid is None:
                self._start(part)

    def tend(self) -> None:
        """Notice who died, and start again whose pause is over. Call it often."""
        now = time.monotonic()
        died = self.nest.deaths()
        for part in self.parts:
            if part.pid is not None and part.pid in died:
                if not part.killed and now - part.since < _COMING_UP:
                    self.failed_starts += 1
                elif not part.killed and died[part.pid] == os.EX_TEMPFAIL:
                    self.deaf += 1
                elif not part.killed:
                    self.fell.append(f"{part.name} ended with {died[part.pid]}")
                part.pid, part.killed = None, False
                part.back_at = now + self._dice.uniform(0.05, 0.6)
            if part.pid is None and part.back_at and now >= part.back_at and not self.stopping:
                self._start(part)
        if self._broker_back_at and now >= self._broker_back_at:
            self.redis.start()
            self._broker_back_at = 0.0

    def kill(self, kind: str) -> bool:
        """SIGKILL one part of *kind*, now; False when none is up."""
        up = [part for part in self.parts if part.kind == kind and part.pid is not None]
        if not up:
            return False
        part = self._dice.choice(up)
        part.killed = True
        return send(part.pid or 0, signal.SIGKILL)

    def kill_broker(self) -> bool:
        """SIGKILL of Redis, which forgets all it had; it comes back after a moment."""
        if self._broker_back_at:
            return False
        self.redis.kill()
        self._broker_back_at = time.monotonic() + self._dice.uniform(0.05, 1.0)
        return True

    def kill_database(self) -> bool:
        """SIGKILL of PostgreSQL, which recovers what was committed."""
        self.postgres.kill()
        self.postgres.start()
        return True

    def pool(self) -> list[int]:
        """The processes that send: children of all workers that are up."""
        workers = [part.pid for part in self.parts if part.kind == "worker" and part.pid]
        return [child for pid in workers for child in children_of(pid)]

    def stop(self) -> list[str]:
        """Ask every part to end and wait; returns those that did not. Nothing is left behind."""
        self.stopping = True
        if self._broker_back_at:  # a worker that drains wants to tell its broker so
            self.redis.start()
            self._broker_back_at = 0.0
        stuck: list[str] = []
        for kind in ("beat", "worker", "web", "sandbox"):
            asked = [part for part in self.parts if part.kind == kind and part.pid is not None]
            for part in asked:
                part.killed = True
                send(part.pid or 0, signal.SIGTERM)
            until = time.monotonic() + 15
            while any(part.pid for part in asked) and time.monotonic() < until:
                self.tend()
                time.sleep(0.02)
            stuck += [part.name for part in asked if part.pid]
        for group in self._groups:
            kill_group(group)
        return stuck

    def leave(self) -> None:
        """Forget the installation in our own process."""
        forget_settings()

    def _start(self, part: Part) -> None:
        part.back_at, part.since = 0.0, time.monotonic()
        part.pid = self.nest.start(
            part.kind,
            words=part.words,
            environment=part.environment,
            log=self.folder / f"{part.name}.log",
        )
        self._groups.add(part.pid)

    def _settings(self) -> dict[str, str]:
        shape = self.shape
        values: dict[str, object] = {
            "home": self.folder / "var",
            "database_url": self.postgres.url_of(f"chaos_{self.folder.name.replace('-', '_')}"),
            "broker_url": self.redis.url,
            "redis_url": self.redis.url,
            "port": free_port(),
            "sandbox_port": free_port(),
            "esp": shape.esp,
            "lease": LEASE,
            "esp_timeout": TIMEOUT,
            "tick": 0.5,
            "send_threads": shape.threads,
            "batch_size": shape.batch_size,
            "breaker_failures": 6,
            "breaker_rest": 0.7,
            "stop_bounces": 1,
            "stop_complaints": 1,
            "stop_refusals": 1,
            "log_level": "info",
        }
        for name in shape.esp.split(","):
            if name in _SEARCHED:
                values[f"{name}_search_lag"] = SEARCH_LAG
            if shape.calls_per_second:
                values[f"{name}_calls_per_second"] = shape.calls_per_second
        return {f"NEWSLETTER_{name.upper()}": str(value) for name, value in values.items()}

    def _parts(self) -> list[Part]:
        def part(kind: str, number: int = 0, **words: Any) -> Part:
            name = f"{kind}-{number}" if number else kind
            schedules = self.folder / f"schedules-{name}"
            schedules.mkdir(parents=True, exist_ok=True)
            own = self.environment | {"NEWSLETTER_SCHEDULES": str(schedules)}
            return Part(name, kind, words, own)

        sandbox = part("sandbox", delays=_DELAYS, retry_scale=0.02, batch_interval=0.5)
        workers = [
            part(
                "worker",
                n,
                processes=self.shape.processes,
                orders=str(self.orders),
                sabotage=self.shape.sabotage,
            )
            for n in range(1, self.shape.workers + 1)
        ]
        beats = [part("beat", n) for n in range(1, self.shape.beats + 1)]
        return [sandbox, part("web"), *workers, *beats]


@dataclass(frozen=True, slots=True)
class Shape:
    """How large the installation is, and whom it sends through."""

    esp: str
    workers: int = 3
    processes: int = 2
    threads: int = 2
    beats: int = 2
    batch_size: int = 50
    calls_per_second: float = 0
    sabotage: str = ""


def forget_settings() -> None:
    """Let our own process forget whose installation it has been looking at."""
    if engine.cache_info().currsize:
        engine().dispose()
    for name in [name for name in os.environ if name.startswith("NEWSLETTER_")]:
        del os.environ[name]
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in {"newsletter", "digests", "subscribers"}:
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear") and value.__module__ == name:
                    value.cache_clear()


def kill_group(group: int) -> None:
    """End whoever is left of a process group of ours: a dead worker's pool, say."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
