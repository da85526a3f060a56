"""Whom the providers do not mail any more: those whose fate it was, and those who were put there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from newsletter.sandbox.store import Store

Reason = Literal["bounce", "complain", "unsubscribe", "by hand"]


@dataclass(frozen=True, slots=True)
class One:
    """An address on a provider's list."""

    address: str
    reason: str
    since: datetime


class Shunned:
    """Each provider's list, by address."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def listed(
        self, dialect: str, *, reasons: Sequence[Reason], offset: int = 0, limit: int = 100_000
    ) -> list[One]:
        """Those who stand there for one of *reasons*, by address."""
        marks = ", ".join("?" * len(reasons))
        rows = self._store.read().execute(
            "SELECT address, reason, max(since) AS since FROM ("  # noqa: S608 - only question marks
            " SELECT lower(message.recipient) AS address, message.fate AS reason,"
            " call.accepted_at AS since FROM message JOIN call ON call.id = message.call"
            " WHERE call.dialect = ? AND message.fate IS NOT NULL"
            " UNION ALL SELECT address, reason, since FROM shunned WHERE dialect = ?"
            f") WHERE reason IN ({marks}) GROUP BY address ORDER BY address LIMIT ? OFFSET ?",
            (dialect, dialect, *reasons, limit, offset),
        )
        return [
            One(row["address"], row["reason"], datetime.fromtimestamp(row["since"], UTC))
            for row in rows
        ]

    def add(self, dialect: str, addresses: Sequence[str], reason: Reason, *, at: datetime) -> None:
        """Put *addresses* on the list."""
        with self._store.write() as db:
            db.executemany(
                "INSERT OR IGNORE INTO shunned VALUES (?, ?, ?, ?)",
                [(dialect, one.lower(), reason, at.timestamp()) for one in addresses],
            )
