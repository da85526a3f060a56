"""Whether this worker is on its way out: then it claims nothing new."""

import mmap
import threading

# Shared with the pool's children: the signal reaches the parent, and the sending happens in them.
# A bare byte and no lock around it: a child that is killed while it holds one would stop them all.
_leaving = mmap.mmap(-1, 1)


class Draining(threading.Event):
    """Reads as set once the worker was told to stop."""

    def is_set(self) -> bool:
        """Whether to stop claiming."""
        return _leaving[0] != 0


def drain() -> None:
    """From now on, claim nothing."""
    _leaving[0] = 1
