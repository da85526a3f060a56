"""How long to wait: before the next attempt at a provider, and for a store that has gone away."""

import random
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy.exc import InterfaceError, OperationalError

from newsletter.settings import settings

#: Seconds: the first wait after "not now", doubled each time up to the longest.
_FIRST_WAIT: Final = 2.0
_LONGEST_WAIT: Final = 300.0

#: Seconds between two attempts to write an answer down.
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


def backoff(times: int, *, longest: float = _LONGEST_WAIT) -> float:
    """Seconds until the next try after *times*: doubled each time, jittered so that workers spread."""
    wait = _FIRST_WAIT * float(2 ** min(times - 1, 16))
    return min(longest, wait) * random.uniform(0.5, 1.0)  # noqa: S311 - spread


def surely(write: Callable[[], object], *, clock: Callable[[], datetime]) -> None:
    """Write down what only this process knows, however often the store goes away meanwhile.

    Gives up after the time of one more lease: then proof must be found, as after a death.
    """
    give_up = clock() + settings().lease_for
    pause = _FIRST_PAUSE
    while True:
        try:
            write()
        except (OperationalError, InterfaceError):
            if clock() >= give_up:
                raise
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        else:
            return
