"""The whole service at one moment: sends, processes, providers, letters, and what holds them up.

The console, ``newsletter status``, ``newsletter top``, the metrics and the alerts
all say what this says.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session, col

from digests.ledger.progress import Progress, in_flight
from digests.models import Halt
from newsletter import broker, pulse
from newsletter.database import reading
from newsletter.delivery.circuit import Circuit
from newsletter.pulse import Life, Part
from newsletter.service_mail import LetterStatus, ServiceMail

#: Letters that are not settled, in the order in which they get there.
_OPEN_LETTERS = (LetterStatus.planned, LetterStatus.claimed, LetterStatus.uncertain)


@dataclass(frozen=True, slots=True)
class Overview:
    """What is going on. *waiting* is the number of nudges in the broker, None when it is away."""

    at: datetime
    halt: Halt | None
    sends: tuple[Progress, ...]
    beats: Life
    workers: Life
    resting: tuple[Circuit, ...]  # providers that are left alone for now
    failing: tuple[Circuit, ...]  # those that failed last and are still called
    letters: dict[str, int]  # service mail that is not settled, by status
    oldest_letter_at: datetime | None  # the one that has been due for longest
    waiting: int | None

    def as_json(self) -> dict[str, Any]:
        """Plain values; moments in ISO 8601."""
        return {
            "at": self.at.isoformat(),
            "stopped": self.halt
            and {
                "by": self.halt.by,
                "reason": self.halt.reason,
                "since": self.halt.halted_at.isoformat(),
            },
            "digests": [one.as_json() for one in self.sends],
            "beats": _life_as_json(self.beats),
            "workers": _life_as_json(self.workers),
            "resting": [_circuit_as_json(one) for one in self.resting],
            "failing": [_circuit_as_json(one) for one in self.failing],
            "letters": self.letters,
            "waiting_nudges": self.waiting,
        }


def overview(session: Session, *, waiting: int | None = None, now: datetime) -> Overview:
    """Look at everything. *waiting* comes from the broker, which no transaction should wait for."""
    circuits = session.scalars(select(Circuit).order_by(col(Circuit.provider))).all()
    letters = session.execute(
        select(col(ServiceMail.status), func.count())
        .where(col(ServiceMail.status).in_(_OPEN_LETTERS))
        .group_by(col(ServiceMail.status))
    )
    return Overview(
        at=now,
        halt=session.get(Halt, 1),
        sends=tuple(in_flight(session, now=now)),
        beats=pulse.life(session, Part.beat, now=now),
        workers=pulse.life(session, Part.worker, now=now),
        resting=tuple(one for one in circuits if one.open_until and one.open_until > now),
        failing=tuple(
            one
            for one in circuits
            if one.failures and not (one.open_until and one.open_until > now)
        ),
        letters={str(status): count for status, count in letters},
        oldest_letter_at=session.scalar(
            select(func.min(col(ServiceMail.not_before))).where(
                col(ServiceMail.status) == LetterStatus.planned,
                col(ServiceMail.not_before) <= now,
            )
        ),
        waiting=waiting,
    )


def look(*, now: datetime) -> Overview:
    """The overview in a transaction of its own, with a look into the broker before it."""
    waiting = broker.waiting()
    with reading(snapshot=True) as session:
        return overview(session, waiting=waiting, now=now)


def _life_as_json(life: Life) -> dict[str, Any]:
    return {
        "alive": [
            {
                "name": one.name,
                "began_at": one.began_at.isoformat(),
                "seen_at": one.seen_at.isoformat(),
                "lag": None if one.lag is None else round(one.lag, 3),
                "doing": one.doing,
            }
            for one in life.alive
        ],
        "silent": [{"name": one.name, "seen_at": one.seen_at.isoformat()} for one in life.silent],
        "gone": life.is_gone,
        "last_seen_at": life.last_seen_at.isoformat() if life.last_seen_at else None,
    }


def _circuit_as_json(one: Circuit) -> dict[str, Any]:
    return {
        "provider": one.provider,
        "until": one.open_until.isoformat() if one.open_until else None,
        "failures": one.failures,
        "reason": one.reason,
    }
