"""The clock's own signs of life, and those of the workers that hear it."""

import os
import socket
import time
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from celery.beat import PersistentScheduler, ScheduleEntry
from celery.signals import celeryd_init, task_prerun, worker_shutdown
from sqlalchemy.exc import SQLAlchemyError

from newsletter import pulse
from newsletter.clock import utc_now
from newsletter.database import unit_of_work
from newsletter.pulse import Part
from newsletter.settings import settings
from newsletter.tasks import SELDOM, standing_in

log = structlog.get_logger()

#: The header in which a tick says when it was sent.
TICKED_AT: Final = "ticked_at"
#: A clock that is put right by less than this is let be: the next tick is as much later.
_SLEW: Final = timedelta(seconds=1)


class Sign:
    """What one process says of itself, at most once in two ticks; a store that is away stops nobody."""

    def __init__(self, part: Part, pid: int) -> None:
        self.part, self.name = part, f"{socket.gethostname()}:{pid}"
        self.began_at = utc_now()
        self._next = 0.0
        self._is_signing = self._has_left = False

    def give(self, *, lag: float | None = None, doing: str = "") -> None:
        """Write the sign when it is time for one."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + max(10.0, settings().tick * 2)
        self._is_signing = True
        try:
            with unit_of_work() as session:
                pulse.sign(
                    session,
                    self.part,
                    self.name,
                    began_at=self.began_at,
                    lag=lag,
                    doing=doing,
                    now=utc_now(),
                )
        except SQLAlchemyError as error:
            log.warning("sign.lost", part=str(self.part), why=type(error).__name__)
        finally:
            self._is_signing = False
            if self._has_left:
                self._say_goodbye()

    def leave(self) -> None:
        """Say that the process ends as it should.

        Told to end while it writes its sign, it says so once that is over: its row is its own to wait for.
        """
        self._has_left = True
        if not self._is_signing:
            self._say_goodbye()

    def _say_goodbye(self) -> None:
        try:
            with unit_of_work() as session:
                pulse.leave(session, self.part, self.name, now=utc_now())
        except SQLAlchemyError as error:
            log.warning("sign.lost", part=str(self.part), why=type(error).__name__)


class Scheduler(PersistentScheduler):
    """Celery's scheduler, which says at each tick when it was, and gives signs of life."""

    def __init__(self, *given: Any, **named: Any) -> None:  # noqa: ANN401 - Celery's own arguments
        super().__init__(*given, **named)
        self._sign = Sign(Part.beat, os.getpid())
        self._next_look = 0.0
        self._is_closed = False

    def tick(self, *given: Any, **named: Any) -> float:  # noqa: ANN401 - Celery's own arguments
        """Send what is due; seconds until the next look. Raises SystemExit once it has been closed.

        For whoever tells it to end while it sends closes it, and the connection may swallow the
        SystemExit: it would give signs of life after its goodbye, or read from a file that is closed.
        """
        self._end_if_closed()
        self._follow_the_clock()
        until_next: float = super().tick(*given, **named)
        self._end_if_closed()
        self._sign.give()
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + SELDOM["newsletter.watch"]
            standing_in.for_workers(now=utc_now())
        return until_next

    def _end_if_closed(self) -> None:
        if self._is_closed:
            raise SystemExit

    def _follow_the_clock(self) -> None:
        """Tick on when the clock has been set back, or the kept state is from one that was ahead.

        Celery waits until the clock comes to where it was, by an hour or a year, and nothing is due.
        """
        now = self.app.now()
        ahead = [one for one in self.schedule.values() if (one.last_run_at or now) > now + _SLEW]
        for entry in ahead:
            entry.last_run_at = now - timedelta(days=1)  # longer than any of them waits
        if ahead:
            self._heap = None  # it is made anew, from what is due by the clock there is
            log.warning("clock.set_back", ticks=len(ahead))

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:  # noqa: ANN401 - Celery's own
        """Send one tick, with the moment in a header."""
        headers = {TICKED_AT: utc_now().isoformat()}
        entry.options = {**(entry.options or {}), "headers": headers}
        super().apply_entry(entry, producer=producer)

    def close(self) -> None:
        """Say goodbye, and keep when each tick was sent last; Celery does so twice."""
        if self._is_closed:
            return
        self._is_closed = True
        self._sign.leave()
        super().close()


_ours: list[Sign] = []  # one in a worker and in each of its children, none elsewhere


def our_name() -> str:
    """What the worker of this process is called; empty outside of one."""
    return _ours[0].name if _ours else ""


@celeryd_init.connect
def _introduce(**_: object) -> None:
    _ours[:] = [Sign(Part.worker, os.getpid())]  # the children inherit the parent's name


@task_prerun.connect
def _hear(task: Any = None, **_: object) -> None:  # noqa: ANN401 - Celery hands its own task
    for sign in _ours:
        said = (task.request.headers or {}).get(TICKED_AT)
        lag = lag_of(datetime.fromisoformat(said), sign, now=utc_now()) if said else None
        sign.give(lag=lag, doing=task.name.removeprefix("newsletter."))


def lag_of(ticked_at: datetime, sign: Sign, *, now: datetime) -> float | None:
    """Seconds from a tick to its start here; None for one that waited for this worker to begin at all."""
    if ticked_at < sign.began_at:
        return None
    return max(0.0, (now - ticked_at).total_seconds())


@worker_shutdown.connect
def _say_goodbye(**_: object) -> None:
    for sign in _ours:
        sign.leave()
