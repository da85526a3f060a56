"""The mailbox against the ledger, reader by reader."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import func, select
from sqlmodel import Session, col

from digests.ledger.receipt import receipt
from digests.models import Batch, BatchStatus, Delivery, Digest
from newsletter import links
from newsletter.database import reading
from subscribers.engagement import Engagement
from subscribers.models import Subscriber

_SHOWN: Final = 20  # things that are wrong
_EDITIONS: Final = 2  # last week's and this week's


class Mail(NamedTuple):
    """One copy in the provider's mailbox."""

    recipient: str
    ref: str
    batch: str
    accepted_at: datetime


@dataclass(slots=True)
class Verdict:
    """What the comparison found. Everything in *wrong* is a promise broken."""

    audience: int = 0
    accepted: int = 0
    rejected: int = 0
    excluded: int = 0
    reasons: dict[str, dict[str, int]] = field(default_factory=dict)
    duplicates: int = 0  # copies beyond a reader's first
    missing: int = 0  # accepted by the books, and no copy in the mailbox
    unbooked: int = 0  # in the mailbox, and rejected, excluded, open or unknown in the books
    open: int = 0  # neither accepted, rejected nor excluded
    without_reason: int = 0  # rejected or excluded, and nobody wrote down why
    after_leaving: int = 0  # mailed a lease after they were told that they had left
    misdirected: int = 0  # a reader's copy at another address
    closes: bool = False
    proofs: dict[str, int] = field(default_factory=dict)  # how uncertain copies were settled
    events: int = 0  # the provider's events that were recorded
    wrong: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every reader's copy is accounted for."""
        return not self.wrong


def judge(
    digest_id: int, *, mailbox: Path, told: Mapping[int, datetime], grace: timedelta
) -> Verdict:
    """Compare; *told* says when who left heard that it worked.

    A copy claimed before that may still go for *grace*; from when they asked would be no
    measure, since nobody has left before the answer, however slow the machine.
    """
    copies: defaultdict[int, list[Mail]] = defaultdict(list)
    verdict = Verdict()
    for mail in mails(mailbox):
        copy = links.copy_of_ref(mail.ref)
        if copy is None or copy.digest_id != digest_id:
            verdict.unbooked += 1
            _note(verdict, f"a copy with the unknown reference {mail.ref}")
        else:
            copies[copy.subscriber_id].append(mail)
    with reading() as session:
        digest = session.get_one(Digest, digest_id)
        books = receipt(session, digest)
        verdict.audience, verdict.closes = books.audience, books.closes and books.is_final
        verdict.reasons, verdict.proofs = books.reasons, _proofs(session, digest_id)
        if not verdict.closes:
            _note(verdict, f"the books do not close: {books.as_json()}")
        editions = session.scalars(select(col(Digest.issue))).all()
        if len(editions) != _EDITIONS:
            _note(verdict, f"the store has the editions {', '.join(editions)}")
        if digest.status != "sent":
            _note(verdict, f"the edition is {digest.status} and not sent")
        fates: Counter[str] = Counter()
        for row in _ledger(session, digest_id):
            fates[row.fate] += 1
            left = told.get(row.subscriber_id)
            _compare(verdict, row, copies.pop(row.subscriber_id, []), left and left + grace)
        for stranger, theirs in copies.items():
            verdict.unbooked += len(theirs)
            _note(verdict, f"subscriber {stranger} has a copy and no row in the ledger")
        for fate, count in (
            ("accepted", books.accepted),
            ("rejected", books.rejected),
            ("excluded", books.excluded),
        ):
            if fates[fate] != count:
                _note(verdict, f"the receipt counts {count} {fate}, the ledger {fates[fate]}")
        verdict.accepted, verdict.rejected = fates["accepted"], fates["rejected"]
        verdict.excluded = fates["excluded"]
        verdict.events = session.execute(
            select(func.count())
            .select_from(Engagement)
            .where(col(Engagement.digest_id) == digest_id, col(Engagement.provider) != "")
        ).scalar_one()
    return verdict


class _Row(NamedTuple):
    subscriber_id: int
    fate: str
    reason: str | None
    address: str | None
    batch: int | None


def _compare(verdict: Verdict, row: _Row, mails: list[Mail], last: datetime | None) -> None:
    who = f"subscriber {row.subscriber_id} (batch {row.batch})"
    if len(mails) > 1:
        verdict.duplicates += len(mails) - 1
        times = ", ".join(f"{mail.accepted_at:%H:%M:%S.%f} in {mail.batch}" for mail in mails)
        _note(verdict, f"{who} has {len(mails)} copies: {times}")
    if row.fate == "accepted" and not mails:
        verdict.missing += 1
        _note(verdict, f"{who} is accepted ({row.reason}) and has no copy")
    if row.fate in {"rejected", "excluded"}:
        if mails:
            verdict.unbooked += 1
            _note(verdict, f"{who} is {row.fate} ({row.reason}) and has a copy")
        if not row.reason:
            verdict.without_reason += 1
            _note(verdict, f"{who} is {row.fate}, and nobody wrote down why")
    if row.fate in {"planned", "claimed", "uncertain"}:
        verdict.open += 1
        _note(verdict, f"{who} is still {row.fate}")
    for mail in mails:
        if mail.recipient != row.address:
            verdict.misdirected += 1
            _note(verdict, f"{who}: the copy went to another address")
        if last is not None and mail.accepted_at > last:
            verdict.after_leaving += 1
            _note(verdict, f"{who} had left: the copy went {mail.accepted_at - last} too late")


def _ledger(session: Session, digest_id: int) -> Iterator[_Row]:
    rows = session.execute(
        select(
            col(Delivery.subscriber_id),
            col(Delivery.outcome),
            col(Batch.status),
            col(Delivery.reason),
            col(Subscriber.address),
            col(Delivery.batch),
        )
        .outerjoin(Subscriber, col(Subscriber.id) == col(Delivery.subscriber_id))
        .outerjoin(
            Batch,
            (col(Batch.digest_id) == col(Delivery.digest_id))
            & (col(Batch.number) == col(Delivery.batch)),
        )
        .where(col(Delivery.digest_id) == digest_id)
    )
    for who, outcome, status, reason, address, batch in rows.tuples():
        fate = str(outcome or status or BatchStatus.planned)
        yield _Row(who, fate, reason, address, batch)


def _proofs(session: Session, digest_id: int) -> dict[str, int]:
    """Copies once uncertain, by what settled them and how."""
    found: Counter[str] = Counter()
    for evidence, size in session.execute(
        select(col(Batch.evidence), col(Batch.size)).where(
            col(Batch.digest_id) == digest_id, col(Batch.evidence).is_not(None)
        )
    ):
        for proof in evidence or []:
            how, _, _ = str(proof.get("said", "")).partition(":")
            by = str(proof["by"])
            found[f"{by}: {how}" if how in {"found", "absent"} else by] += size
    return dict(sorted(found.items()))


def mails(mailbox: Path) -> Iterator[Mail]:
    """Everything the provider took, from its own file: also what it never told anybody."""
    with sqlite3.connect(f"file:{mailbox}?mode=ro", uri=True) as store:
        for recipient, ref, batch, accepted_at in store.execute(
            "SELECT message.recipient, message.ref, call.batch, call.accepted_at"
            " FROM message JOIN call ON call.id = message.call ORDER BY message.id"
        ):
            yield Mail(
                recipient, ref or "", batch or "", datetime.fromtimestamp(accepted_at, tz=UTC)
            )
    store.close()


def _note(verdict: Verdict, what: str) -> None:
    if len(verdict.wrong) < _SHOWN:
        verdict.wrong.append(what)
    elif len(verdict.wrong) == _SHOWN:
        verdict.wrong.append("and more")


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Plain values."""
    return {name: getattr(verdict, name) for name in Verdict.__slots__}
