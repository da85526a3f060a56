"""A worker that hears nothing while beat ticks has gone deaf, and ends so that it is started anew.

It happens to Celery's: a broker that is killed and back within a second, while processes of the pool
die too, can leave a worker that takes no task any more and sits there as if all was well. `make chaos`
met three of three like that.
"""

import mmap
import os
import threading
import time
from collections.abc import Callable, Collection
from typing import Any, Final

import structlog
from celery.signals import (
    task_postrun,
    task_prerun,
    task_received,
    worker_process_init,
    worker_ready,
)
from sqlalchemy.exc import SQLAlchemyError

from newsletter import broker, pulse
from newsletter.clock import utc_now
from newsletter.database import engine, reading
from newsletter.pulse import Part
from newsletter.settings import settings
from newsletter.tasks import standing_in

log = structlog.get_logger()

_LOOKS: Final = 2  # that must find it deaf, so that a broker that is just back gets its turn
_SIGN: Final = 15.0  # seconds: a beat gives a sign every ten, or every two ticks
_SLOTS: Final = 1 << 16

# Which child is at work: a byte for each, shared with the parent, and no lock that could be held.
_at_work = mmap.mmap(-1, _SLOTS)


class Listener:
    """Whether a worker hears. *children* are those of its pool; *leave* ends the process."""

    def __init__(
        self, children: Callable[[], Collection[int]], *, leave: Callable[[], None]
    ) -> None:
        self._children, self._leave = children, leave
        self._heard = time.monotonic()
        self._silent = 0

    def hear(self) -> None:
        """A task has come."""
        self._heard = time.monotonic()

    def silence(self, *, now: float) -> float:
        """Seconds since a task came."""
        return now - self._heard

    def look(self, *, now: float) -> None:
        """End the process when it has been deaf at some looks in a row."""
        self._silent = self._silent + 1 if self._is_deaf(now) else 0
        if self._silent >= _LOOKS:
            log.error("worker.deaf", seconds=round(self.silence(now=now)))
            self._leave()

    def _is_deaf(self, now: float) -> bool:
        """Nothing has come for many ticks, nobody is at work, the broker answers and beat ticks.

        A beat that was killed looks alive for a while: it must have given a sign since.
        """
        silence = self.silence(now=now)
        if silence < deaf_after():
            return False
        if any(_at_work[pid % _SLOTS] for pid in self._children()):
            return False
        return broker.waiting() is not None and _is_ticking(within=silence / 2)


def mind(listener: Listener, *, now: float) -> None:
    """End a worker that has gone deaf; stand in for beat when that is why nothing comes."""
    listener.look(now=now)
    silence = listener.silence(now=now)
    if silence >= standing_in.silent_for() and not _is_ticking(within=max(_SIGN, silence / 2)):
        standing_in.for_beat()


def deaf_after() -> float:
    """Seconds of silence in which a worker of a large fleet, too, would have heard a tick."""
    return max(10.0, settings().tick * 12)


def _is_ticking(*, within: float) -> bool:
    """Whether a beat has given a sign in the last so many seconds."""
    now = utc_now()
    try:
        with reading() as session:
            seen = [one.seen_at for one in pulse.life(session, Part.beat, now=now).alive]
            return any((now - at).total_seconds() <= within for at in seen)
    except SQLAlchemyError:
        return False
    finally:
        engine().dispose()  # a child that is forked later must not share the connection


_listeners: list[Listener] = []  # one in a worker, none elsewhere


@worker_ready.connect
def _listen(sender: Any = None, **_: object) -> None:  # noqa: ANN401 - Celery's own consumer
    listener = Listener(lambda: sender.pool.info["processes"], leave=_end)
    _listeners[:] = [listener]

    def watch() -> None:
        while True:
            time.sleep(deaf_after() / 6)
            try:
                mind(listener, now=time.monotonic())
            except Exception as error:  # noqa: BLE001 - whatever it was, the next look may go well
                log.warning("listening.failed", why=type(error).__name__)

    threading.Thread(target=watch, name="listening", daemon=True).start()


@task_received.connect
def _hear(**_: object) -> None:
    for listener in _listeners:
        listener.hear()


@task_prerun.connect
def _begin(**_: object) -> None:
    _at_work[os.getpid() % _SLOTS] = 1


@worker_process_init.connect
@task_postrun.connect
def _rest(**_: object) -> None:
    _at_work[os.getpid() % _SLOTS] = 0


def _end() -> None:
    os._exit(os.EX_TEMPFAIL)
