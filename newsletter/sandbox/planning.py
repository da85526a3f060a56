"""Due events become posts: one for each, or as many as the provider puts into one."""

import random
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from sqlite3 import Connection, Row
from typing import Final

import orjson

from newsletter.sandbox.dialects import Dialect, Happening, Wire
from newsletter.sandbox.events import Kind
from newsletter.sandbox.faults import Faults
from newsletter.sandbox.letters import first_link
from newsletter.sandbox.store import Store

_EVENTS_A_TURN: Final = 5000
_WAVES_A_TURN: Final = 5


@dataclass(frozen=True, slots=True)
class _Event:
    message: int
    kind: Kind
    due_at: float
    link: str | None
    row: int | None  # its row in ``event``; None when a wave brought it
    dialect: str
    body: bytes


class Planning:
    """Reads what is due and queues it, in one transaction; only one thread may plan."""

    def __init__(
        self,
        store: Store,
        faults: Faults,
        dialects: Mapping[str, Dialect],
        *,
        batch_interval: float,
    ) -> None:
        self._store, self._faults, self._dialects = store, faults, dialects
        self._batch_interval = batch_interval
        self._next_batch: dict[str, float] = {}

    def hurry(self) -> None:
        """Let the next batch go without waiting for its interval."""
        self._next_batch.clear()

    def next_batch_at(self) -> float | None:
        """When a provider that batches may post again (unix time), or None when none has yet."""
        return min(self._next_batch.values(), default=None)

    def plan(self, now: datetime) -> bool:
        """Turn due events into posts, in one transaction."""
        moment = now.timestamp()
        ready = [
            name
            for name, dialect in self._dialects.items()
            if not dialect.webhooks.batch_bytes or self._next_batch.get(name, 0) <= moment
        ]
        db = self._store.read()
        marks = ",".join("?" * len(ready))
        waves = db.execute(
            "SELECT wave.id, wave.call, wave.kind, wave.due_at, call.dialect, call.shared,"  # noqa: S608 - only marks
            " call.accepted_at, call.first, call.size FROM wave JOIN call ON call.id = wave.call"
            f" WHERE due_at <= ? AND call.dialect IN ({marks}) ORDER BY due_at LIMIT ?",
            (moment, *ready, _WAVES_A_TURN),
        ).fetchall()
        singles = db.execute(
            "SELECT event.id AS row, message.id, event.kind, event.due_at, event.link,"  # noqa: S608 - only marks
            " message.call, message.recipient, message.provider_id, message.own, call.dialect,"
            " call.accepted_at, call.shared FROM event JOIN message ON message.id = event.message"
            " JOIN call ON call.id = message.call"
            f" WHERE event.post IS NULL AND due_at <= ? AND call.dialect IN ({marks})"
            " ORDER BY due_at LIMIT ?",
            (moment, *ready, _EVENTS_A_TURN),
        ).fetchall()
        if not waves and not singles:
            return False
        events = [event for wave in waves for event in self._of_wave(wave)]
        events += self._of_singles(singles)
        for name in {event.dialect for event in events}:
            if self._dialects[name].webhooks.batch_bytes:
                self._next_batch[name] = moment + self._batch_interval
        with self._store.write() as writing:
            writing.executemany("DELETE FROM wave WHERE id = ?", [(wave["id"],) for wave in waves])
            self._queue(writing, events, moment)
        return True

    def _of_wave(self, wave: Row) -> Iterator[_Event]:
        """The same event for every ordinary message of a call."""
        shared = orjson.loads(wave["shared"])
        rows = self._store.read().execute(
            "SELECT id, recipient, provider_id, own FROM message"
            " WHERE id >= ? AND id < ? AND fate IS NULL",
            (wave["first"], wave["first"] + wave["size"]),
        )
        for row in rows:
            yield self._event(row, wave, shared)

    def _of_singles(self, singles: Sequence[Row]) -> Iterator[_Event]:
        shared: dict[int, Wire] = {}
        for row in singles:
            if row["call"] not in shared:
                shared[row["call"]] = orjson.loads(row["shared"])
            yield self._event(row, row, shared[row["call"]], link=row["link"], row=row["row"])

    def _event(
        self,
        message: Row,
        call: Row,
        shared: Wire,
        *,
        link: str | None = None,
        row: int | None = None,
    ) -> _Event:
        """One event. *call* says what happened when, for the whole call or for this message alone."""
        kind = Kind(call["kind"])
        dialect, own = self._dialects[call["dialect"]], orjson.loads(message["own"])
        if kind is Kind.clicked and link is None:
            link = first_link(dialect.letter(shared, own, message["recipient"]))
        happening = Happening(
            kind=kind,
            token=secrets.token_urlsafe(16),
            at=datetime.fromtimestamp(call["due_at"], UTC),
            provider_id=message["provider_id"],
            recipient=message["recipient"],
            accepted_at=datetime.fromtimestamp(call["accepted_at"], UTC),
            shared=shared,
            own=own,
            link=link,
        )
        body = dialect.webhooks.event(happening)
        return _Event(message["id"], kind, call["due_at"], link, row, call["dialect"], body)

    def _queue(self, db: Connection, events: Sequence[_Event], moment: float) -> None:
        """Posts for *events*, misbehaving as ordered, and the events' own rows."""
        unruly = self._faults.plan.webhooks
        next_id = 1 + int(db.execute("SELECT coalesce(max(id), 0) FROM post").fetchone()[0])
        for parcel in self._parcels(events):
            dice = random.Random(f"{self._faults.plan.seed}:post:{next_id}")  # noqa: S311 - reproducible on purpose
            if unruly.shuffle_seconds:
                dice.shuffle(parcel)
            batched = bool(self._dialects[parcel[0].dialect].webhooks.batch_bytes)
            bodies = [event.body for event in parcel]
            body = b"[" + b",".join(bodies) + b"]" if batched else bodies[0]
            lost = dice.random() < unruly.lost
            due_at = moment + dice.random() * unruly.shuffle_seconds
            if dice.random() < unruly.late:
                due_at += unruly.late_seconds
            token = secrets.token_urlsafe(16)
            times = 1 if lost or dice.random() >= unruly.twice else 2
            kind = "batch" if batched else parcel[0].kind
            for copy in range(times):
                db.execute(
                    "INSERT INTO post (id, dialect, kind, token, size, body, due_at, made_at, state)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        next_id + copy,
                        parcel[0].dialect,
                        kind,
                        token,
                        len(parcel),
                        body,
                        due_at + copy * unruly.shuffle_seconds,
                        moment,
                        "lost" if lost else "waiting",
                    ),
                )
            db.executemany(
                "INSERT OR REPLACE INTO event (id, message, kind, due_at, link, post)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [(e.row, e.message, e.kind, e.due_at, e.link, next_id) for e in parcel],
            )
            next_id += times

    def _parcels(self, events: Sequence[_Event]) -> Iterator[list[_Event]]:
        """Events as they go out together: alone, or up to the dialect's bytes a post."""
        for name, dialect in self._dialects.items():
            parcel: list[_Event] = []
            weight = 0
            for event in (event for event in events if event.dialect == name):
                if parcel and (weight + len(event.body) + 1 > dialect.webhooks.batch_bytes - 4):
                    yield parcel
                    parcel, weight = [], 0
                parcel.append(event)
                weight += len(event.body) + 1
            if parcel:
                yield parcel
