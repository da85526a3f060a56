"""Figures about the mailbox as a whole: totals, digests, doubles, and everybody who got something."""

from collections.abc import Iterator
from sqlite3 import Row
from typing import Final

from newsletter.sandbox.store import Store

_PAGE: Final = 5000  # rows


class Census:
    """Counts what the store holds, at the moment it is asked."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def counts(self) -> dict[str, object]:
        """Totals: messages, calls, recipients, duplicates, by dialect and by batch."""
        db = self._store.read()
        one = db.execute(
            "SELECT count(*) AS messages, count(DISTINCT recipient) AS recipients,"
            " count(ref) AS with_ref, count(DISTINCT ref) AS refs FROM message"
        ).fetchone()
        by_dialect = db.execute("SELECT dialect, sum(size) FROM call GROUP BY dialect").fetchall()
        by_batch = db.execute(
            "SELECT batch, sum(size) FROM call WHERE batch IS NOT NULL GROUP BY batch"
            " ORDER BY max(id) DESC LIMIT 1000"
        ).fetchall()
        return {
            "messages": one["messages"],
            "calls": db.execute("SELECT count(*) FROM call").fetchone()[0],
            "recipients": one["recipients"],
            "refs": one["refs"],
            "duplicates": one["with_ref"] - one["refs"],
            "by_dialect": {row[0]: row[1] for row in by_dialect},
            "by_batch": {row[0]: row[1] for row in by_batch},
        }

    def groups(self, limit: int = 12) -> list[Row]:
        """Digests by subject, the latest first: subject, messages, recipients' calls, last moment."""
        return (
            self._store.read()
            .execute(
                "SELECT subject, sum(size) AS messages, count(*) AS calls, max(accepted_at) AS latest"
                " FROM call GROUP BY subject ORDER BY max(id) DESC LIMIT ?",
                (limit,),
            )
            .fetchall()
        )

    def duplicates(self, limit: int = 1000) -> list[dict[str, object]]:
        """Delivery references accepted more than once, with the messages that carry them."""
        rows = self._store.read().execute(
            "SELECT ref, recipient, count(*) AS times, group_concat(id) AS ids FROM message"
            " WHERE ref IS NOT NULL GROUP BY ref HAVING count(*) > 1 ORDER BY min(id) LIMIT ?",
            (limit,),
        )
        return [
            {
                "ref": row["ref"],
                "recipient": row["recipient"],
                "times": row["times"],
                "messages": [int(part) for part in row["ids"].split(",")],
            }
            for row in rows
        ]

    def recipients(
        self, *, after_id: int = 0, limit: int | None = None
    ) -> Iterator[dict[str, object]]:
        """Every accepted copy in short, oldest first: id, recipient, ref, batch, dialect, call."""
        left = limit
        while left is None or left > 0:
            # Page by page: a cursor left open would hold the log of the store.
            rows = (
                self._store.read()
                .execute(
                    "SELECT message.id, recipient, ref, provider_id, batch, dialect, number"
                    " FROM message JOIN call ON call.id = message.call"
                    " WHERE message.id > ? ORDER BY message.id LIMIT ?",
                    (after_id, _PAGE if left is None else min(left, _PAGE)),
                )
                .fetchall()
            )
            if not rows:
                return
            for row in rows:
                yield dict(row)
            after_id = rows[-1]["id"]
            left = None if left is None else left - len(rows)
