"""A warm process that the service's processes are forked from.

Importing the service costs a second of processor time, and a run with two
hundred kills would spend most of its life on that. Each fork is a process of
its own, in a group of its own, and runs exactly what the command line runs.
The nursery ends with the one who talks to it, and takes everybody along.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import mmap
import os
import selectors
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TextIO

import typer

_PR_SET_PDEATHSIG: Final = 1
#: Ours, and what Celery, kombu and uvicorn load only when they start.
_WARM: Final = (
    "newsletter.cli.serving",
    "newsletter.sandbox.server",
    "newsletter.tasks.ticks",
    "newsletter.web.app",
    "tests.chaos.sabotage",
    "tests.chaos.steps",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.asynpool",
    "celery.concurrency.prefork",
    "celery.worker.autoscale",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.loops",
    "kombu.transport.redis",
    "limits.storage",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
)


def main(address: str) -> int:
    """Fork what is asked for through the socket at *address*, and tell who died, until it closes."""
    import_everything()
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address)
        door.listen()
        talk, _ = door.accept()
    with talk, talk.makefile("r") as heard, talk.makefile("w") as said:
        serve(talk, heard, said)
    return 0


def import_everything() -> None:
    """What the parts import when they run; nothing of it may read a setting yet."""
    for name in _WARM:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # the collector must not touch, and so copy, what all forks share


def serve(talk: socket.socket, heard: TextIO, said: TextIO) -> None:
    """Answer each order with a process id; a death is told as it happens."""
    woken, wakes = socket.socketpair()
    for end in (woken, wakes):
        end.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    groups: set[int] = set()
    with selectors.DefaultSelector() as either:
        either.register(talk, selectors.EVENT_READ)
        either.register(woken, selectors.EVENT_READ)
        try:
            while True:
                ready = {key.fileobj for key, _ in either.select()}
                if woken in ready:
                    woken.recv(4096)
                    for pid, status in _reaped():
                        _tell(said, {"died": pid, "status": status})
                if talk in ready:
                    if not (line := heard.readline()):
                        return
                    pid = _forked(json.loads(line), (talk, woken, wakes))
                    groups.add(pid)
                    _tell(said, {"pid": pid})
        finally:
            for group in groups:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(group, signal.SIGKILL)


def _forked(order: dict[str, Any], ours: tuple[socket.socket, ...]) -> int:
    pid = os.fork()
    if pid:
        with contextlib.suppress(PermissionError):  # the child has done it already
            os.setpgid(pid, pid)
        return pid
    status = 70
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        for end in ours:
            end.close()
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ.update(order["environment"])
        status = run(order["part"], order["words"])
    except typer.Exit as ended:
        status = ended.exit_code
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 - a fork must never run on into the nursery's own loop
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def run(part: str, words: Mapping[str, Any]) -> int:
    """Be one part of the service; *words* are the part's own arguments."""
    from newsletter.cli import serving
    from newsletter.settings import settings

    settings.cache_clear()
    match part:
        case "worker":
            from newsletter.tasks import draining
            from tests.chaos.sabotage import commit
            from tests.chaos.steps import Orders, install

            # Made on import, and so shared with every worker that was ever told to drain here.
            draining._leaving = mmap.mmap(-1, 1)  # noqa: SLF001 - a worker's own, as when it imports
            if words["sabotage"]:
                commit(str(words["sabotage"]))
            install(Orders(Path(words["orders"])))
            serving.worker(processes=int(words["processes"]))
        case "beat":
            serving.beat()
        case "web":
            serving.web()
        case "sandbox":
            _sandbox(words)
        case _:
            raise ValueError(f"There is no part called {part}.")
    return 0


def _sandbox(words: Mapping[str, Any]) -> None:
    """The sandbox with a pace of its own: its delays and retries fit into a run of a minute."""
    from newsletter.sandbox.config import Delays, Keys, SandboxConfig
    from newsletter.sandbox.server import serve as serve_sandbox
    from newsletter.secrets import sandbox_keys
    from newsletter.settings import settings

    known = settings()
    serve_sandbox(
        SandboxConfig(
            store=known.home / "sandbox.db",
            keys=Keys(**sandbox_keys(known.home)),
            host=known.host,
            port=known.sandbox_port,
            webhook_url=f"{known.web_url}/webhooks/{{provider}}",
            delays=Delays(**words["delays"]),
            retry_scale=float(words["retry_scale"]),
            batch_interval=float(words["batch_interval"]),
            webhook_timeout=3.0,
        )
    )


def _reaped() -> list[tuple[int, int]]:
    """Everybody who has ended since the last look, with the status as a shell gives it."""
    ended: list[tuple[int, int]] = []
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            code = os.waitstatus_to_exitcode(found[1])
            ended.append((found[0], code if code >= 0 else 128 - code))
    return ended


def _tell(said: TextIO, what: Mapping[str, int]) -> None:
    with contextlib.suppress(BrokenPipeError):
        said.write(json.dumps(what) + "\n")
        said.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
