"""The closed books of an edition: audience = accepted + rejected + excluded + uncertain + planned."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self

from sqlalchemy import func, select
from sqlmodel import Session, col

from digests.ledger.partitions import PARTITIONED, drop_partition
from digests.lifecycle import DigestError
from digests.models import Batch, BatchStatus, Delivery, Digest, Outcome, Rendition

#: A batch in a worker's hands is still planned, as far as the books go.
FATE = {
    BatchStatus.planned: "planned",
    BatchStatus.claimed: "planned",
    BatchStatus.accepted: "accepted",
    BatchStatus.rejected: "rejected",
    BatchStatus.uncertain: "uncertain",
}


class NotFinal(DigestError):
    """Its books are still open."""

    def __init__(self, issue: str) -> None:
        super().__init__(f"The books of {issue} are not closed yet; `newsletter receipt {issue}`.")
        self.issue = issue


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of everybody. *rate* is copies accepted a second, first acceptance to last."""

    digest: str
    status: str
    audience: int
    counted: int  # rows of the ledger, counted one by one
    accepted: int
    rejected: int
    excluded: int
    uncertain: int
    planned: int
    reasons: dict[str, dict[str, int]] = field(default_factory=dict)  # fate -> reason -> copies
    providers: dict[str, int] = field(default_factory=dict)  # accepted copies by provider
    renditions: dict[str, int] = field(default_factory=dict)  # accepted copies by topics
    content_hash: str | None = None
    approved_by: str | None = None
    proofs: dict[str, int] = field(
        default_factory=dict
    )  # copies once uncertain, by what settled them
    first_accepted_at: datetime | None = None
    last_accepted_at: datetime | None = None
    rate: float | None = None

    @property
    def closes(self) -> bool:
        """Whether the books add up, against both the plan and the rows."""
        total = self.accepted + self.rejected + self.excluded + self.uncertain + self.planned
        return total == self.audience == self.counted

    @property
    def is_final(self) -> bool:
        """Whether nobody's copy is still open."""
        return self.closes and not self.uncertain and not self.planned

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """The receipt that ``as_json`` gave."""
        values = {name: value for name, value in plain.items() if name != "closes"}
        for name in ("first_accepted_at", "last_accepted_at"):
            values[name] = datetime.fromisoformat(values[name]) if values[name] else None
        return cls(**values)

    def as_json(self) -> dict[str, Any]:
        """Plain values, with ``closes``; moments in ISO 8601."""
        plain = asdict(self) | {"closes": self.closes}
        for name in ("first_accepted_at", "last_accepted_at"):
            moment = getattr(self, name)
            plain[name] = moment.isoformat() if moment else None
        return plain


def receipt(session: Session, digest: Digest) -> Receipt:
    """The books of *digest* as they stand; costs the same at any size but for the one count."""
    if digest.books is not None:
        return Receipt.from_json(digest.books)
    fates: dict[str, int] = defaultdict(int)
    reasons: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    providers: dict[str, int] = defaultdict(int)
    renditions: dict[str, int] = defaultdict(int)
    for status, provider, topics, size in session.execute(
        select(
            col(Batch.status),
            col(Batch.provider),
            col(Rendition.topics),
            func.sum(col(Batch.size)),
        )
        .join(Rendition, col(Rendition.id) == col(Batch.rendition_id))
        .where(col(Batch.digest_id) == digest.id)
        .group_by(col(Batch.status), col(Batch.provider), col(Rendition.topics))
    ):
        fates[FATE[status]] += size
        if status is BatchStatus.accepted:
            providers[provider or ""] += size
            renditions[topics] += size
    for outcome, reason, status, provider, topics, count in session.execute(
        select(
            col(Delivery.outcome),
            col(Delivery.reason),
            col(Batch.status),
            col(Batch.provider),
            col(Rendition.topics),
            func.count(),
        )
        .outerjoin(
            Batch,
            (col(Batch.digest_id) == col(Delivery.digest_id))
            & (col(Batch.number) == col(Delivery.batch)),
        )
        .outerjoin(Rendition, col(Rendition.id) == col(Batch.rendition_id))
        .where(col(Delivery.digest_id) == digest.id, col(Delivery.outcome).is_not(None))
        .group_by(
            col(Delivery.outcome),
            col(Delivery.reason),
            col(Batch.status),
            col(Batch.provider),
            col(Rendition.topics),
        )
    ):
        if status is not None:  # the copy left its batch's fate for its own
            fates[FATE[status]] -= count
            if status is BatchStatus.accepted:
                providers[provider or ""] -= count
                renditions[topics] -= count
        fates[str(outcome)] += count
        if outcome is Outcome.accepted:
            providers[provider or ""] += count
            renditions[topics or ""] += count
        reasons[str(outcome)][reason or "no reason stored"] += count
    first, last = session.execute(
        select(func.min(col(Batch.settled_at)), func.max(col(Batch.settled_at))).where(
            col(Batch.digest_id) == digest.id, col(Batch.status) == BatchStatus.accepted
        )
    ).one()
    took = (last - first).total_seconds() if first and last else 0.0
    return Receipt(
        digest=digest.issue,
        status=str(digest.status),
        audience=digest.audience or 0,
        counted=session.execute(
            select(func.count()).select_from(Delivery).where(col(Delivery.digest_id) == digest.id)
        ).scalar_one(),
        accepted=fates["accepted"],
        rejected=fates["rejected"],
        excluded=fates["excluded"],
        uncertain=fates["uncertain"],
        planned=fates["planned"],
        reasons={fate: dict(known) for fate, known in sorted(reasons.items())},
        providers={name: count for name, count in sorted(providers.items()) if count},
        renditions={name: count for name, count in sorted(renditions.items()) if count},
        content_hash=digest.content_hash,
        approved_by=digest.approved_by,
        proofs=_proofs(session, digest),
        first_accepted_at=first,
        last_accepted_at=last,
        rate=fates["accepted"] / took if took else None,
    )


def archive(session: Session, digest: Digest, *, now: datetime) -> Receipt:
    """Keep the closed books of *digest* and drop its ledger and its events, each in one statement.

    Safe to repeat. Raises NotFinal while anybody's copy is open.
    """
    known = receipt(session, digest)
    if digest.archived_at is not None:
        return known
    if digest.finished_at is None or not known.is_final:
        raise NotFinal(digest.issue)
    digest.books, digest.archived_at = known.as_json(), now
    session.add(digest)
    session.flush()
    for table in PARTITIONED:
        drop_partition(session, table, digest.id or 0)
    return known


def _proofs(session: Session, digest: Digest) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for evidence, size in session.execute(
        select(col(Batch.evidence), col(Batch.size)).where(
            col(Batch.digest_id) == digest.id, col(Batch.evidence).is_not(None)
        )
    ):
        for proof in evidence or []:
            found[str(proof.get("by", "unknown"))] += size
    return dict(sorted(found.items()))
