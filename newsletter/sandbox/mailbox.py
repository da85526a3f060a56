"""What has been accepted: kept in one transaction a call, asked by pages, searches and tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from sqlite3 import Connection, Row
from typing import Final

import orjson

from newsletter.sandbox.config import SandboxConfig
from newsletter.sandbox.dialects import Answer, Arrival, Wire
from newsletter.sandbox.events import FATES, ORDINARY, Kind, after, fate_of
from newsletter.sandbox.store import Store


@dataclass(frozen=True, slots=True)
class Stored:
    """One accepted message with the call it came in; ``letter`` merges it (see Dialect)."""

    id: int
    call: int
    dialect: str
    number: int  # of the call, counted from 1
    accepted_at: datetime
    recipient: str
    ref: str | None
    provider_id: str
    fate: str | None
    batch: str | None
    tags: tuple[str, ...]
    subject: str  # before merging
    shared: Wire
    own: Wire


@dataclass(frozen=True, slots=True)
class Taking:
    """When and by whom a call is taken, and which events its provider tells."""

    dialect: str
    number: int
    now: datetime
    tells: frozenset[Kind]


_COLUMNS: Final = """
    message.id, message.call, message.recipient, message.ref, message.provider_id, message.fate, message.own,
    call.dialect, call.number, call.accepted_at, call.batch, call.tags, call.subject
"""


class Mailbox:
    """Accepted mail in the sandbox's store."""

    def __init__(self, store: Store, config: SandboxConfig) -> None:
        self._store = store
        self._config = config

    def keep(self, db: Connection, arrival: Arrival, taking: Taking) -> int:
        """Store a call inside the caller's transaction, with the events to come; the call's id."""
        first = 1 + int(db.execute("SELECT coalesce(max(id), 0) FROM message").fetchone()[0])
        moment = taking.now.timestamp()
        call = db.execute(
            "INSERT INTO call (dialect, number, accepted_at, first, size, subject, batch, tags, shared)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                taking.dialect,
                taking.number,
                moment,
                first,
                len(arrival.copies),
                arrival.subject,
                arrival.batch,
                orjson.dumps(list(arrival.tags)).decode(),
                orjson.dumps(arrival.shared),
            ),
        ).lastrowid
        if call is None:
            raise RuntimeError("SQLite gave no id for a new row.")
        rows = [
            (
                first + i,
                call,
                copy.recipient,
                copy.ref,
                copy.provider_id,
                fate_of(copy.recipient),
                copy.own,
            )
            for i, copy in enumerate(arrival.copies)
        ]
        db.executemany("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        if self._config.webhook_url and rows:
            self._foresee(db, call, rows, taking)
        return call

    def _foresee(
        self, db: Connection, call: int, rows: Sequence[tuple[object, ...]], taking: Taking
    ) -> None:
        """Two waves carry the ordinary events of a whole call; only special fates cost a row each."""
        delays, moment = self._config.delays, taking.now.timestamp()
        if ordinary := sum(row[5] is None for row in rows):
            db.executemany(
                "INSERT INTO wave (call, kind, size, due_at) VALUES (?, ?, ?, ?)",
                [
                    (call, kind, ordinary, moment + after(kind, None, delays))
                    for kind in ORDINARY
                    if kind in taking.tells
                ],
            )
        db.executemany(
            "INSERT INTO event (message, kind, due_at) VALUES (?, ?, ?)",
            [
                (row[0], kind, moment + after(kind, str(fate), delays))
                for row in rows
                if (fate := row[5])
                for kind in FATES[str(fate)]
                if kind in taking.tells
            ],
        )

    def get(self, message: int) -> Stored | None:
        """One message, or None."""
        return self._one("message.id = ?", message)

    def by_provider_id(self, dialect: str, provider_id: str) -> Stored | None:
        """The message a provider's id names, or None."""
        return self._one("message.provider_id = ? AND call.dialect = ?", provider_id, dialect)

    def search(
        self,
        *,
        where: Mapping[str, object] | None = None,
        before: int | None = None,
        after_id: int | None = None,
        limit: int = 50,
    ) -> list[Stored]:
        """Messages newest first (oldest first with *after_id*), narrowed by *where*.

        Conditions by name: ``recipient`` and ``subject`` exactly, ``like`` (part
        of either), ``dialect``, ``batch``, ``ref``, ``tag``, ``exact_subject``
        (before merging), ``seen_by`` (accepted at or before this unix time),
        ``since`` and ``until`` (unix times).
        """
        clauses, values = conditions(where or {})
        if before is not None:
            clauses.append("message.id < ?")
            values.append(before)
        if after_id is not None:
            clauses.append("message.id > ?")
            values.append(after_id)
        condition = " AND ".join(clauses) or "1"
        order = "ASC" if after_id is not None else "DESC"
        rows = self._store.read().execute(
            f"SELECT {_COLUMNS} FROM message JOIN call ON call.id = message.call"  # noqa: S608 - only our own clauses
            f" WHERE {condition} ORDER BY message.id {order} LIMIT ?",
            (*values, limit),
        )
        return self._filled(rows.fetchall())

    def count(self, where: Mapping[str, object] | None = None) -> int:
        """How many messages the conditions of ``search`` leave."""
        clauses, values = conditions(where or {})
        if not clauses:
            # Messages are numbered from 1 and only ever thrown away together.
            query = "SELECT coalesce(max(id), 0) FROM message"
            return int(self._store.read().execute(query).fetchone()[0])
        if all(clause.startswith("call.") for clause in clauses):
            query = "SELECT coalesce(sum(size), 0) FROM call WHERE " + " AND ".join(clauses)  # noqa: S608 - only our own clauses
            return int(self._store.read().execute(query, values).fetchone()[0])
        row = self._store.read().execute(
            "SELECT count(*) FROM message JOIN call ON call.id = message.call WHERE "  # noqa: S608 - only our own clauses
            + " AND ".join(clauses),
            values,
        )
        return int(row.fetchone()[0])

    def last_number(self) -> int:
        """The number of the last call that was kept."""
        row = self._store.read().execute("SELECT coalesce(max(number), 0) FROM call").fetchone()
        return int(row[0])

    def remember_answer(
        self, db: Connection, key: str, fingerprint: bytes, arrival: Arrival, taking: Taking
    ) -> None:
        """Keep what was answered to an idempotency key, in the transaction that keeps the mail."""
        answer = arrival.answer
        db.execute(
            "INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                taking.dialect,
                key,
                fingerprint,
                answer.status,
                orjson.dumps(dict(answer.headers)).decode(),
                answer.body,
                taking.now.timestamp(),
            ),
        )

    def known_answer(
        self, dialect: str, key: str, *, since: datetime
    ) -> tuple[bytes, Answer] | None:
        """The fingerprint and the answer kept for a key at or after *since*, or None."""
        row = (
            self._store.read()
            .execute(
                "SELECT fingerprint, status, headers, body FROM answer"
                " WHERE dialect = ? AND key = ? AND made_at >= ?",
                (dialect, key, since.timestamp()),
            )
            .fetchone()
        )
        if row is None:
            return None
        return row["fingerprint"], Answer(row["status"], row["body"], orjson.loads(row["headers"]))

    def _one(self, condition: str, *values: object) -> Stored | None:
        rows = self._store.read().execute(
            f"SELECT {_COLUMNS} FROM message JOIN call ON call.id = message.call"  # noqa: S608 - only our own clauses
            f" WHERE {condition} LIMIT 1",
            values,
        )
        return next(iter(self._filled(rows.fetchall())), None)

    def _filled(self, rows: Sequence[Row]) -> list[Stored]:
        """The rows with their calls' shared parts, each of which is read once."""
        shared: dict[int, Wire] = {}
        for row in rows:
            if row["call"] not in shared:
                blob = self._store.read().execute(
                    "SELECT shared FROM call WHERE id = ?", (row["call"],)
                )
                shared[row["call"]] = orjson.loads(blob.fetchone()[0])
        return [_stored(row, shared[row["call"]]) for row in rows]


def conditions(where: Mapping[str, object]) -> tuple[list[str], list[object]]:
    """The SQL clauses and values for the conditions named in ``Mailbox.search``."""
    clauses: list[str] = []
    values: list[object] = []
    for name, value in where.items():
        if value is None or value == "":
            continue
        clauses.append(_CLAUSES[name])
        if name == "like":
            escaped = str(value).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            values.extend([f"%{escaped}%"] * 2)
        else:
            values.append(value)
    return clauses, values


_CLAUSES: Final[Mapping[str, str]] = {
    "recipient": "message.recipient = ? COLLATE NOCASE",
    "like": r"(message.recipient LIKE ? ESCAPE '\' OR call.subject LIKE ? ESCAPE '\')",
    "subject": "call.subject = ?",
    "dialect": "call.dialect = ?",
    "batch": "call.batch = ?",
    "ref": "message.ref = ?",
    "provider_id": "message.provider_id = ?",
    "tag": "EXISTS (SELECT 1 FROM json_each(call.tags) WHERE value = ?)",
    "seen_by": "call.accepted_at <= ?",
    "since": "call.accepted_at >= ?",
    "until": "call.accepted_at <= ?",
}


def _stored(row: Row, shared: Wire) -> Stored:
    return Stored(
        id=row["id"],
        call=row["call"],
        dialect=row["dialect"],
        number=row["number"],
        accepted_at=datetime.fromtimestamp(row["accepted_at"], UTC),
        recipient=row["recipient"],
        ref=row["ref"],
        provider_id=row["provider_id"],
        fate=row["fate"],
        batch=row["batch"],
        tags=tuple(orjson.loads(row["tags"])),
        subject=row["subject"],
        shared=shared,
        own=orjson.loads(row["own"]),
    )
