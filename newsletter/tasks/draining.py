"""Whether this worker is on its way out: then it claims nothing new."""

import multiprocessing
import threading

# Shared with the pool's children: the signal reaches the parent, and the sending happens in them.
_leaving = multiprocessing.get_context("fork").Event()


class Draining(threading.Event):
    """Reads as set once the worker was told to stop."""

    def is_set(self) -> bool:
        """Whether to stop claiming."""
        return _leaving.is_set()


def drain() -> None:
    """From now on, claim nothing."""
    _leaving.set()
