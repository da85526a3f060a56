"""The runner's side of the nursery: start a process, hear of its death, signal it, leave nobody behind."""

import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import psutil

from tests.support.processes import Kept, surroundings, wait_until


class Nest:
    """A running nursery. Everything forked in it ends when this is closed."""

    def __init__(self, folder: Path) -> None:
        # A socket's address has room for a hundred characters, and a test's folder may have more.
        self._place = tempfile.TemporaryDirectory(prefix="newsletter-nest-")
        address = Path(self._place.name) / "talk"
        self._nursery = Kept(
            [sys.executable, "-m", "tests.chaos.nursery", str(address)],
            log=folder / "nursery.log",
            environment=surroundings(),
            folder=folder,
        )
        wait_until(address.exists, process=self._nursery, what="the nursery")
        self._talk = socket.socket(socket.AF_UNIX)
        wait_until(lambda: self._connects(address), process=self._nursery, what="the nursery")
        self._deaths: dict[int, int] = {}
        self._pending = b""

    def start(
        self, part: str, *, words: Mapping[str, Any], environment: Mapping[str, str], log: Path
    ) -> int:
        """Fork *part*; returns its process id."""
        order = {
            "part": part,
            "words": dict(words),
            "environment": dict(environment),
            "log": str(log),
        }
        self._talk.sendall(json.dumps(order).encode() + b"\n")
        while True:
            told = self._next(wait=True)
            if told is not None and "pid" in told:
                return int(told["pid"])

    def deaths(self) -> dict[int, int]:
        """Who has died since this was last asked, with the status as a shell gives it."""
        while self._next(wait=False) is not None:
            pass
        died, self._deaths = self._deaths, {}
        return died

    def close(self) -> None:
        """End the nursery, which kills every group it has forked."""
        with contextlib.suppress(OSError):
            self._talk.close()
        self._nursery.stop()
        self._place.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _next(self, *, wait: bool) -> dict[str, int] | None:
        """The next thing the nursery says; deaths are remembered."""
        while b"\n" not in self._pending:
            self._talk.settimeout(20 if wait else 0)
            try:
                some = self._talk.recv(4096)
            except BlockingIOError:
                return None
            if not some:
                raise RuntimeError(f"The nursery has died.\n{self._nursery.said()}")
            self._pending += some
        line, _, self._pending = self._pending.partition(b"\n")
        told: dict[str, int] = json.loads(line)
        if "died" in told:
            self._deaths[told["died"]] = told["status"]
        return told

    def _connects(self, address: Path) -> bool:
        try:
            self._talk.connect(str(address))
        except ConnectionRefusedError:
            return False
        return True


def send(pid: int, what: signal.Signals) -> bool:
    """Signal one process; False when it is gone."""
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        return False
    return True


def children_of(pid: int) -> list[int]:
    """The pool of a worker, by process id; empty when the worker is gone."""
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.NoSuchProcess:
        return []
