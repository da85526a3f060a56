"""Real processes for tests, chaos and benchmarks: started, waited for, and never left behind."""

import contextlib
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final, Self

import httpx

ROOT: Final = Path(__file__).resolve().parent.parent.parent
#: Below 32768, from where on Linux takes the ports of outgoing connections.
_PORTS: Final = range(18_000, 32_000)
_OURS: Final[list[IO[str]]] = []  # held open: closing one gives its port back
_KEEPER: Final = Path(__file__).with_name("keeper.py")


class ProcessError(Exception):
    """A process did not do what was expected of it; the message ends with its log."""


class Kept:
    """One running program, which ends when it is told to and at the latest when we do.

    Its output goes to *log*. *uid* and *gid* are whom it runs as, which only
    root may choose; *asks_to_end* is the signal that means "finish and go", and
    *patience* how many seconds that may take before it is killed.
    """

    def __init__(
        self,
        program: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        uid: int | None = None,
        gid: int | None = None,
        asks_to_end: signal.Signals = signal.SIGTERM,
        patience: float = 15,
    ) -> None:
        self.log = log
        self.patience = patience
        self.name = " ".join([Path(program[0]).name, *map(str, program[1:3])])
        self._asks_to_end = asks_to_end
        told: list[str | Path] = [f"--signal={asks_to_end:d}", f"--patience={patience}"]
        if uid is not None:
            told += [f"--uid={uid}", f"--gid={uid if gid is None else gid}"]
        with log.open("ab") as output:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", _KEEPER, *told, "--", *program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=None if environment is None else dict(environment),
                cwd=folder,
                start_new_session=True,  # Ctrl-C is for the test run, which then ends this one
            )
        assert self._keeper.stdout is not None
        pid = self._keeper.stdout.readline()
        self._keeper.stdout.close()
        if not pid:
            self._forget()
            raise ProcessError(f"{self.name} could not be started.\n{self.said()}")
        self.pid = int(pid)

    @property
    def is_running(self) -> bool:
        return self._keeper.poll() is None

    @property
    def status(self) -> int | None:
        """The exit status as a shell gives it (128 + n for signal n), None while it runs."""
        return self._keeper.poll()

    def send(self, what: signal.Signals) -> None:
        """Signal the program itself; nothing happens when it has ended already."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, what)

    def kill(self) -> None:
        """SIGKILL, now, for this program alone; returns when it is gone."""
        self.send(signal.SIGKILL)
        self._forget()

    def stop(self) -> int:
        """Ask it to end; if it does not within its patience, kill its whole process group.

        Returns the exit status as a shell gives it, the same when asked again.
        """
        self.send(self._asks_to_end)
        try:
            return self._keeper.wait(self.patience)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            return self._keeper.wait()
        finally:
            self._forget()

    def ends(self, *, within: float) -> int:
        """Wait for it to end by itself; raises ProcessError with its log when it does not."""
        try:
            return self._keeper.wait(within)
        except subprocess.TimeoutExpired:
            raise ProcessError(f"{self.name} still runs after {within} s.\n{self.said()}") from None

    def said(self, *, lines: int = 60) -> str:
        """The last *lines* of its log."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _forget(self) -> None:
        self._keeper.wait()
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()


@contextlib.contextmanager
def running(
    *arguments: str,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    answers: str | None = None,
    within: float = 60,
) -> Iterator[Kept]:
    """``newsletter`` with *arguments*, as a process of its own that works in *folder*.

    Waits until the URL *answers* gives any answer below 500. The log is shown
    when the body raises, as a note on the error; the process is asked to end
    afterwards, and killed when it does not.
    """
    furnish(folder)
    log = folder / f"newsletter-{'-'.join(arguments[:2]).replace('/', '_') or 'run'}.log"
    with Kept(
        command(*arguments),
        log=log,
        environment=surroundings(environment),
        folder=folder,
        patience=90,  # `newsletter run` itself gives each of its parts twenty seconds
    ) as process:
        try:
            if answers is not None:
                wait_until(lambda: _answers(answers), process=process, within=within)
            yield process
        except BaseException as error:
            error.add_note(f"--- {process.name} said:\n{process.said()}")
            raise


def newsletter(
    *arguments: str,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    stdin: str = "",
    within: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run one ``newsletter`` command in *folder* to its end; the test judges its status.

    *folder* is furnished as a fresh clone is; without settings its ``var/`` is the home.
    """
    furnish(folder)
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=surroundings(environment),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
    )


def furnish(folder: Path) -> None:
    """Give *folder* what a fresh clone has beside the code: the schedules as first installed."""
    schedules = folder / "celerybeat-schedule"
    if not schedules.exists():
        kept = shutil.ignore_patterns("state*")  # a beat that runs from the clone keeps its own
        shutil.copytree(ROOT / schedules.name, schedules, ignore=kept)


def command(*arguments: str) -> list[str]:
    """The argument list that runs the ``newsletter`` of the environment the tests run in."""
    return [str(Path(sys.executable).with_name("newsletter")), *arguments]


def surroundings(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment without any setting of the service, and with the given ones.

    The packages are found wherever the command runs.
    """
    kept = {n: v for n, v in os.environ.items() if not n.startswith("NEWSLETTER_")}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | dict(environment or {})


def wait_until(
    holds: Callable[[], object],
    *,
    within: float = 30,
    process: Kept | None = None,
    what: str = "it",
) -> None:
    """Return as soon as *holds* says so; raise ProcessError after *within* seconds.

    With *process*, also at once when that process has ended.
    """
    until = time.monotonic() + within
    while not holds():
        if process is not None and not process.is_running:
            raise ProcessError(f"{process.name} ended with {process.status}.\n{process.said()}")
        if time.monotonic() > until:
            said = f"\n{process.said()}" if process is not None else ""
            raise ProcessError(f"Waited {within} s for {what} in vain.{said}")
        time.sleep(0.02)


def free_port(among: Sequence[int] = _PORTS) -> int:
    """A TCP port on the loopback address that is this process's own for as long as it lives.

    A server of chaos is down for a while and wants its port back. So each port handed out is
    a locked file, which every other run on this machine respects and which the kernel unlocks
    when we die; and *among* lies below the ports from which connections go out.
    """
    folder = Path(tempfile.gettempdir()) / f"newsletter-ports-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for port in random.sample(among, len(among)):
        lock = (folder / str(port)).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:  # another run's, or a stranger's
            lock.close()
            continue
        _OURS.append(lock)
        return port
    raise ProcessError("No port is free.")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code < httpx.codes.INTERNAL_SERVER_ERROR
    except httpx.TransportError:
        return False
