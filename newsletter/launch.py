"""Starting web, worker, beat and the sandbox as one service on one machine, and stopping them cleanly."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import httpx

#: Seconds a process has to finish what it has begun.
GRACE: Final = 20.0
_PR_SET_PDEATHSIG: Final = 1


class LaunchError(Exception):
    """The service did not start; the message says which part and where its log is."""


@dataclass(slots=True)
class Part:
    """One process of the service."""

    name: str
    arguments: tuple[str, ...]
    answers: str = ""  # an address that answers once it is up
    process: subprocess.Popen[bytes] | None = None


@dataclass(slots=True)
class Service:
    """The processes of one installation; each writes its log to ``{home}/log/{name}.log``.

    Parts stop in the order in which they were given: beat first, so that
    nothing new begins, and the provider last, so that what is in flight settles.
    """

    home: Path
    parts: tuple[Part, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Start every part, last first, and return once all of them answer."""
        try:
            for part in reversed(self.parts):
                self._start(part)
            for part in reversed(self.parts):
                self._wait_for(part)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop every part; what is in flight settles first."""
        self.stop()

    def stop(self) -> None:
        """End the parts in their order by SIGTERM, and by SIGKILL only one that does not end."""
        for part in self.parts:
            process = part.process
            if process is None or process.poll() is not None:
                continue
            process.terminate()
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def failed(self) -> Part | None:
        """A part that has ended by itself, None while all are up.

        One that ended in order to be started anew, as a worker that has gone deaf does, is.
        """
        for part in self.parts:
            if part.process is None or part.process.poll() is None:
                continue
            if part.process.returncode != os.EX_TEMPFAIL:
                return part
            self._start(part)
        return None

    def log_of(self, part: Part) -> Path:
        """Where *part* writes what it says."""
        return self.home / "log" / f"{part.name}.log"

    def _start(self, part: Part) -> None:
        log = self.log_of(part)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            part.process = subprocess.Popen(
                [sys.executable, "-m", "newsletter", *part.arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                # A session of its own: Ctrl-C reaches us alone, and we stop the parts in order.
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - we start no threads before
            )

    def _wait_for(self, part: Part, *, within: float = 60.0) -> None:
        deadline = time.monotonic() + within
        while part.answers and time.monotonic() < deadline:
            if part.process is None or part.process.poll() is not None:
                break
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(part.answers, timeout=2).is_success:
                    return
            time.sleep(0.1)
        if part.answers or (part.process and part.process.poll() is not None):
            raise LaunchError(f"{part.name} did not start; {self.log_of(part)} says why.")


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def taken(port: int) -> bool:
    """Whether somebody listens on that loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def until_stopped() -> Iterator[list[int]]:
    """A list that is filled, with the signal's number, once somebody asks the process to stop."""
    asked: list[int] = []
    former = {
        number: signal.signal(number, lambda seen, _frame: asked.append(seen))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield asked
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _end_with_parent() -> None:
    """On Linux, a part gets SIGTERM when its launcher is killed outright: no orphans."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
