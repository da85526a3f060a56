"""Signs of life: when each beat and each worker was last seen, and how late ticks reach the workers.

A row for each process, written by itself. Nothing waits for a sign and nothing is
decided by one: the ledger's leases do that. They are for whoever watches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import Column, case, func, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel, col, select

from digests.models import words
from newsletter.settings import settings

#: Signs older than this are of processes that were replaced long ago.
_FORGOTTEN_AFTER: Final = timedelta(days=2)


class Part(StrEnum):
    """What gives signs of life."""

    beat = "beat"
    worker = "worker"


class Pulse(SQLModel, table=True):
    """The last sign of one process. *name* is its host's and its number there."""

    part: Part = Field(sa_column=Column(words(Part), primary_key=True))
    name: str = Field(primary_key=True, max_length=120)
    began_at: datetime
    seen_at: datetime
    ended: bool = False  # it went as it should, and nobody looks for it
    lag: float | None = None  # seconds from beat's tick to its start here; None for a beat
    doing: str = Field(default="", max_length=120)  # the last it was asked to do


@dataclass(frozen=True, slots=True)
class Life:
    """How one part of the service is: who was seen lately, and who fell silent without a word.

    Who was started anew on the same host since, after a crash, is not missed.

    *last_seen_at* is None when there never was one. *lag* is the worst of those
    seen lately, in seconds.
    """

    part: Part
    alive: tuple[Pulse, ...]
    silent: tuple[Pulse, ...]
    last_seen_at: datetime | None
    lag: float | None

    @property
    def is_gone(self) -> bool:
        """Whether there was one, and none is left."""
        return not self.alive and self.last_seen_at is not None


def sign(  # noqa: PLR0913 - who, and what is known of them
    session: Session,
    part: Part,
    name: str,
    *,
    began_at: datetime,
    lag: float | None = None,
    doing: str = "",
    now: datetime,
) -> None:
    """Note that *name* is alive at this moment.

    A sign that knows of no *lag*, such as that of a long turn at sending, leaves the last one.
    """
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    said = {"began_at": began_at, "seen_at": now, "ended": False, "lag": lag, "doing": doing[:120]}
    fresh = dialect.insert(Pulse).values(part=part, name=name[:120], **said)
    is_the_same = col(Pulse.began_at) == fresh.excluded.began_at
    last = func.coalesce(fresh.excluded.lag, case((is_the_same, col(Pulse.lag))))
    session.execute(
        fresh.on_conflict_do_update(index_elements=["part", "name"], set_=said | {"lag": last})
    )


def life(session: Session, part: Part, *, now: datetime) -> Life:
    """Who of *part* is alive, and who is not: silent for longer than it takes to call it that.

    A sign from the future is of no use either: the clock that gave it was set back, and whoever
    is alive gives another.
    """
    known = session.exec(
        select(Pulse).where(col(Pulse.part) == part).order_by(col(Pulse.name))
    ).all()
    running = [pulse for pulse in known if not pulse.ended]
    alive = tuple(pulse for pulse in running if abs(now - pulse.seen_at) <= silence())
    return Life(
        part=part,
        alive=alive,
        silent=_missed([pulse for pulse in running if pulse not in alive], known),
        last_seen_at=max((min(pulse.seen_at, now) for pulse in known), default=None),
        lag=max((pulse.lag for pulse in alive if pulse.lag is not None), default=None),
    )


def _missed(silent: Sequence[Pulse], known: Sequence[Pulse]) -> tuple[Pulse, ...]:
    """Those of *silent* in whose place nobody was started: on the same host, one for one, and since.

    Who took a place may have fallen silent too: then it is the one that is missed, or was replaced;
    or it went as it should, and nobody looks for either.
    """
    fresh = list(known)
    missed: list[Pulse] = []
    for lost in sorted(silent, key=lambda one: one.seen_at, reverse=True):
        for one in fresh:
            if _host(one) == _host(lost) and one.began_at > lost.seen_at:
                fresh.remove(one)
                break
        else:
            missed.append(lost)
    return tuple(sorted(missed, key=lambda one: one.name))


def _host(one: Pulse) -> str:
    return one.name.rpartition(":")[0]


def silence() -> timedelta:
    """How long a process may say nothing before it counts as gone: many ticks, and a slow minute."""
    return timedelta(seconds=max(60.0, settings().tick * 6))


def leave(session: Session, part: Part, name: str, *, now: datetime) -> None:
    """Note that *name* ends as it should."""
    session.execute(
        update(Pulse)
        .where(col(Pulse.part) == part, col(Pulse.name) == name)
        .values(ended=True, seen_at=now, doing="")
    )


def forget_the_long_gone(session: Session, *, now: datetime) -> None:
    """Drop the signs of processes that were replaced long ago, save the last of each part."""
    for part in Part:
        known: Sequence[Pulse] = session.exec(
            select(Pulse).where(col(Pulse.part) == part).order_by(col(Pulse.seen_at).desc())
        ).all()
        for pulse in known[1:]:
            if pulse.seen_at < now - _FORGOTTEN_AFTER:
                session.delete(pulse)
