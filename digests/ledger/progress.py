"""How a send is going at this moment: what is out, what is left, how fast, and in whose hands it is.

Read from the batches and from the few copies with a fate of their own, so it
costs the same whether a thousand people get the edition or ten million.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select
from sqlmodel import Session, col

from digests.ledger.receipt import FATE
from digests.models import Batch, BatchStatus, Delivery, Digest, DigestStatus, Outcome

#: Over how long the speed is measured.
LATELY: Final = timedelta(minutes=1)
_AT_LEAST: Final = timedelta(seconds=5)  # a shorter look tells chance, not speed
_MOST_SHOWN: Final = 50  # uncertain batches: a page is for reading

IN_FLIGHT: Final = (
    DigestStatus.draft,
    DigestStatus.approved,
    DigestStatus.sending,
    DigestStatus.paused,
)


@dataclass(frozen=True, slots=True)
class Hand:
    """One worker that holds batches of this edition now, or got some accepted lately."""

    worker: str  # ``host:number``, as it is called among the processes
    batches: int  # in its hands
    copies: int  # the same, in copies
    speed: float  # copies accepted a second, lately


@dataclass(frozen=True, slots=True)
class Uncertain:
    """One batch of which nobody knows whether the provider took it."""

    number: int
    copies: int
    provider: str
    posted_at: datetime | None
    checked_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Progress:
    """One edition in flight. Counts are copies; *rate* is copies accepted a second, lately."""

    digest_id: int
    issue: str
    status: DigestStatus
    send_at: datetime
    started_at: datetime | None
    waits_for: str
    audience: int
    accepted: int
    rejected: int
    excluded: int
    uncertain: int
    planned: int  # in no worker's hands yet
    in_hands: int
    rate: float
    providers: dict[str, int]  # accepted copies
    speeds: dict[str, float]  # copies accepted a second, lately, by provider
    hands: tuple[Hand, ...]
    doubts: tuple[Uncertain, ...]
    put_back: tuple[tuple[str, int], ...]  # why batches were planned again: reason, batches

    @property
    def settled(self) -> int:
        """Copies whose fate is known."""
        return self.accepted + self.rejected + self.excluded

    @property
    def left(self) -> int:
        """Copies still to go, in hands or not."""
        return self.planned + self.in_hands

    @property
    def share(self) -> float:
        """How much of it is settled, from 0 to 1."""
        return self.settled / self.audience if self.audience else 0.0

    @property
    def done_in(self) -> timedelta | None:
        """How long the rest takes at this speed; None while nothing moves or nothing is left."""
        if not self.rate or not self.left or self.status is not DigestStatus.sending:
            return None
        return timedelta(seconds=round(self.left / self.rate))

    def as_json(self) -> dict[str, Any]:
        """Plain values; moments in ISO 8601, lengths in seconds."""
        return {
            "digest": self.issue,
            "status": str(self.status),
            "send_at": self.send_at.isoformat(),
            "started_at": _iso(self.started_at),
            "waits_for": self.waits_for,
            "audience": self.audience,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "excluded": self.excluded,
            "uncertain": self.uncertain,
            "planned": self.planned,
            "in_hands": self.in_hands,
            "share": round(self.share, 4),
            "rate": round(self.rate, 1),
            "done_in": self.done_in.total_seconds() if self.done_in is not None else None,
            "providers": self.providers,
            "speeds": {name: round(speed, 1) for name, speed in self.speeds.items()},
            "hands": [
                {
                    "worker": one.worker,
                    "batches": one.batches,
                    "copies": one.copies,
                    "speed": round(one.speed, 1),
                }
                for one in self.hands
            ],
            "doubts": [
                {
                    "batch": one.number,
                    "copies": one.copies,
                    "provider": one.provider,
                    "posted_at": _iso(one.posted_at),
                    "checked_at": _iso(one.checked_at),
                    "reason": one.reason,
                }
                for one in self.doubts
            ],
            "put_back": [{"reason": reason, "batches": count} for reason, count in self.put_back],
        }


def in_flight(session: Session, *, now: datetime) -> list[Progress]:
    """Every edition that waits, is being sent or is stopped, those that go soonest first."""
    found = session.scalars(
        select(Digest).where(col(Digest.status).in_(IN_FLIGHT)).order_by(col(Digest.send_at))
    )
    return [progress(session, digest, now=now) for digest in found.all()]


def progress(session: Session, digest: Digest, *, now: datetime) -> Progress:
    """How *digest* is going."""
    mine = col(Batch.digest_id) == digest.id
    fates: Counter[str] = Counter()
    providers: Counter[str] = Counter()
    for status, provider, size in session.execute(
        select(col(Batch.status), col(Batch.provider), func.sum(col(Batch.size)))
        .where(mine)
        .group_by(col(Batch.status), col(Batch.provider))
    ):
        fates["in_hands" if status is BatchStatus.claimed else FATE[status]] += size
        if status is BatchStatus.accepted:
            providers[provider or ""] += size
    _own_fates(session, digest, fates, providers)
    speeds, workers = _lately(session, digest, now=now)
    return Progress(
        digest_id=digest.id or 0,
        issue=digest.issue,
        status=digest.status,
        send_at=digest.send_at,
        started_at=digest.started_at,
        waits_for=waits_for(digest),
        audience=digest.audience or 0,
        accepted=fates["accepted"],
        rejected=fates["rejected"],
        excluded=fates["excluded"],
        uncertain=fates["uncertain"],
        planned=fates["planned"],
        in_hands=fates["in_hands"],
        rate=sum(speeds.values()),
        providers={name: count for name, count in sorted(providers.items()) if count},
        speeds=dict(sorted(speeds.items())),
        hands=_hands(session, digest, workers),
        doubts=_doubts(session, digest),
        put_back=_put_back(session, digest),
    )


def waits_for(digest: Digest) -> str:
    """Why *digest* does not go on by itself at this moment, in words; empty when it does."""
    if digest.paused_reason:
        return digest.paused_reason
    match digest.status:
        case DigestStatus.draft:
            return f"approval: `newsletter approve {digest.issue}`"
        case DigestStatus.approved:
            return f"its hour: {digest.send_at:%Y-%m-%d %H:%M} UTC"
        case DigestStatus.sending if digest.wave == 0:
            return "the canary"
    return ""


def _own_fates(
    session: Session, digest: Digest, fates: Counter[str], providers: Counter[str]
) -> None:
    """Move the copies that left their batch's fate for their own."""
    for outcome, status, provider, count in session.execute(
        select(col(Delivery.outcome), col(Batch.status), col(Batch.provider), func.count())
        .outerjoin(
            Batch,
            (col(Batch.digest_id) == col(Delivery.digest_id))
            & (col(Batch.number) == col(Delivery.batch)),
        )
        .where(col(Delivery.digest_id) == digest.id, col(Delivery.outcome).is_not(None))
        .group_by(col(Delivery.outcome), col(Batch.status), col(Batch.provider))
    ):
        if status is not None:
            fates["in_hands" if status is BatchStatus.claimed else FATE[status]] -= count
            if status is BatchStatus.accepted:
                providers[provider or ""] -= count
        fates[str(outcome)] += count
        if outcome is Outcome.accepted:
            providers[provider or ""] += count


def _lately(
    session: Session, digest: Digest, *, now: datetime
) -> tuple[dict[str, float], dict[str, float]]:
    """Copies accepted a second, by provider and by worker; of a send that is younger, since it began."""
    speeds: dict[str, float] = defaultdict(float)
    workers: dict[str, float] = defaultdict(float)
    since = max(now - LATELY, min(digest.started_at or now - LATELY, now - _AT_LEAST))
    for provider, claimed_by, size in session.execute(
        select(col(Batch.provider), col(Batch.claimed_by), func.sum(col(Batch.size)))
        .where(
            col(Batch.digest_id) == digest.id,
            col(Batch.status) == BatchStatus.accepted,
            col(Batch.settled_at) > since,
        )
        .group_by(col(Batch.provider), col(Batch.claimed_by))
    ):
        speed = size / (now - since).total_seconds()
        speeds[provider or ""] += speed
        workers[_worker(claimed_by)] += speed
    return speeds, workers


def _hands(session: Session, digest: Digest, speeds: Mapping[str, float]) -> tuple[Hand, ...]:
    batches: Counter[str] = Counter()
    copies: Counter[str] = Counter()
    for claimed_by, size in session.execute(
        select(col(Batch.claimed_by), col(Batch.size)).where(
            col(Batch.digest_id) == digest.id, col(Batch.status) == BatchStatus.claimed
        )
    ):
        batches[_worker(claimed_by)] += 1
        copies[_worker(claimed_by)] += size
    return tuple(
        Hand(worker, batches[worker], copies[worker], speeds.get(worker, 0.0))
        for worker in sorted({*batches, *speeds})
    )


def _worker(claimed_by: str | None) -> str:
    """The process, of ``process/thread/lane``."""
    return (claimed_by or "").partition("/")[0]


def _doubts(session: Session, digest: Digest) -> tuple[Uncertain, ...]:
    rows = session.execute(
        select(
            col(Batch.number),
            col(Batch.size),
            col(Batch.provider),
            col(Batch.posted_at),
            col(Batch.checked_at),
            col(Batch.reason),
        )
        .where(col(Batch.digest_id) == digest.id, col(Batch.status) == BatchStatus.uncertain)
        .order_by(col(Batch.number))
        .limit(_MOST_SHOWN)
    )
    return tuple(
        Uncertain(number, size, provider or "", posted, checked, reason or "")
        for number, size, provider, posted, checked, reason in rows
    )


def _put_back(session: Session, digest: Digest) -> tuple[tuple[str, int], ...]:
    """The last answers of those batches that a provider did not take and that go again."""
    rows = session.execute(
        select(col(Batch.reason), func.count())
        .where(
            col(Batch.digest_id) == digest.id,
            col(Batch.status) == BatchStatus.planned,
            col(Batch.reason).is_not(None),
        )
        .group_by(col(Batch.reason))
        .order_by(func.count().desc())
        .limit(5)
    )
    return tuple((reason, count) for reason, count in rows)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
