"""How long to wait: before the next attempt at a provider, and for a store that has gone away."""

import random
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy.exc import InterfaceError, OperationalError

from newsletter.settings import settings

#: Seconds: the first wait after "not now", doubled with each attempt up to the last.
BACKOFF: Final = (2.0, 300.0)

#: Seconds between two attempts to write an answer down.
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


def backoff(attempts: int) -> float:
    """Seconds until the next attempt: doubled each time, and jittered so that workers spread out."""
    first, longest = BACKOFF
    return min(longest, first * float(2 ** min(attempts - 1, 16))) * random.uniform(0.5, 1.0)  # noqa: S311 - spread


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
