"""Whether this worker is on its way out: then it claims nothing new."""

import mmap
import os
import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger()

# Shared with the pool's children: the signal reaches the parent, and the sending happens in them.
# A bare byte and no lock around it: a child that is killed while it holds one would stop them all.
_leaving = mmap.mmap(-1, 1)


class Draining(threading.Event):
    """Reads as set once the worker was told to stop."""

    def is_set(self) -> bool:
        """Whether to stop claiming."""
        return _leaving[0] != 0


def drain(*, within: float, leave: Callable[[], None] | None = None) -> None:
    """From now on, claim nothing; *within* seconds this process has gone, by *leave* if need be.

    Celery waits for ever for a task whose process was killed before it said that
    it had begun. By then nobody believes in a claim of ours any more.
    """
    _leaving[0] = 1
    timer = threading.Timer(within, leave or _leave)
    timer.daemon = True  # a worker that ends in time does not wait for it
    timer.start()


def _leave() -> None:
    log.error("worker.did_not_drain")
    os._exit(os.EX_SOFTWARE)
