"""The thread that calls back: due events become signed posts, and posts are tried until taken."""

import logging
import random
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from sqlite3 import Connection, Row
from typing import Final

import httpx
import orjson

from newsletter.sandbox.config import SandboxConfig
from newsletter.sandbox.dialects import Dialect, Happening, Wire
from newsletter.sandbox.events import Kind
from newsletter.sandbox.faults import Faults
from newsletter.sandbox.store import Store

log = logging.getLogger(__name__)

_EVENTS_A_TURN: Final = 5000
_WAVES_A_TURN: Final = 5
_POSTS_A_TURN: Final = 64
_AT_ONCE: Final = 8
_IDLE: Final = 1.0  # seconds; a nudge ends it earlier
_KEPT_BODY: Final = 16 * 1024  # bytes; what was sent stays readable up to this size


@dataclass(frozen=True, slots=True)
class _Event:
    message: int
    kind: Kind
    due_at: float
    link: str | None
    row: int | None  # its row in ``event``; None when a wave brought it
    dialect: str
    body: bytes


@dataclass(frozen=True, slots=True)
class _Attempt:
    post: Row
    status: int | None
    error: str | None


class Courier:
    """Owns the webhooks. Everything it has to do stands in the store, so a kill loses nothing."""

    def __init__(
        self,
        config: SandboxConfig,
        store: Store,
        faults: Faults,
        dialects: Mapping[str, Dialect],
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._config, self._store, self._faults = config, store, faults
        self._dialects, self._clock = dialects, clock
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._turning = threading.Lock()
        self._next_batch: dict[str, float] = {}
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin calling back, in the background."""
        if self._config.webhook_url is None:
            return
        self._thread = threading.Thread(target=self._run, name="sandbox-courier", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the posts under way and end; the rest waits in the store."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(self._config.webhook_timeout + 1)

    def nudge(self) -> None:
        """Something may be due sooner than the courier thought."""
        self._wake.set()

    def report(self, message: int, kind: Kind, *, link: str | None = None) -> None:
        """Let *kind* happen to *message* now."""
        with self._store.write() as db:
            db.execute(
                "INSERT INTO event (message, kind, due_at, link) VALUES (?, ?, ?, ?)",
                (message, kind, self._clock().timestamp(), link),
            )
        self.nudge()

    def hurry(self) -> None:
        """Make everything that is waiting due now, retries included."""
        now = self._clock().timestamp()
        with self._store.write() as db:
            db.execute("UPDATE wave SET due_at = min(due_at, ?)", (now,))
            db.execute("UPDATE event SET due_at = min(due_at, ?) WHERE post IS NULL", (now,))
            db.execute("UPDATE post SET due_at = min(due_at, ?) WHERE state = 'waiting'", (now,))
        self._next_batch.clear()
        self.nudge()

    def empty(self) -> None:
        """Empty the store between two turns, so that nothing of the old mail is still posted."""
        with self._turning:
            self._store.empty()

    def standing(self) -> dict[str, int]:
        """How many posts are waiting, done, given up or lost, and how many events are to come."""
        db = self._store.read()
        states = dict(db.execute("SELECT state, count(*) FROM post GROUP BY state").fetchall())
        coming = db.execute("SELECT count(*) FROM event WHERE post IS NULL").fetchone()[0]
        waves = db.execute(
            "SELECT coalesce(sum(call.size), 0) FROM wave JOIN call ON call.id = wave.call"
        ).fetchone()[0]
        named = {
            state: int(states.get(state, 0)) for state in ("waiting", "done", "given_up", "lost")
        }
        return {**named, "to_come": int(coming) + int(waves)}

    def turn(self) -> bool:
        """Do what is due now; False when there was nothing."""
        with self._turning:
            planned = self._plan(self._clock())
            return self._send(self._clock()) or planned

    def _run(self) -> None:
        with (
            httpx.Client(timeout=self._config.webhook_timeout, follow_redirects=False) as http,
            ThreadPoolExecutor(_AT_ONCE, "sandbox-post") as pool,
        ):
            self._http, self._pool = http, pool
            while not self._stopping.is_set():
                self._wake.clear()
                try:
                    worked = self.turn()
                except Exception:
                    log.exception("sandbox.courier_stumbled")
                    worked = False
                if not worked:
                    self._wake.wait(self._rest())

    def _rest(self) -> float:
        """Seconds until the next thing falls due, at most ``_IDLE``."""
        db = self._store.read()
        due: list[float] = [
            row[0]
            for query in (
                "SELECT min(due_at) FROM wave",
                "SELECT min(due_at) FROM event WHERE post IS NULL",
                "SELECT min(due_at) FROM post WHERE state = 'waiting'",
            )
            if (row := db.execute(query).fetchone())[0] is not None
        ]
        soonest = min([*due, *self._next_batch.values()], default=None) if due else None
        if soonest is None:
            return _IDLE
        return min(max(soonest - self._clock().timestamp(), 0.02), _IDLE)

    def _plan(self, now: datetime) -> bool:
        """Turn due events into posts, in one transaction."""
        moment = now.timestamp()
        ready = [
            name
            for name, dialect in self._dialects.items()
            if not dialect.batch_bytes or self._next_batch.get(name, 0) <= moment
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
            "SELECT event.id AS row, event.message, event.kind, event.due_at, event.link,"  # noqa: S608 - only marks
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
            if self._dialects[name].batch_bytes:
                self._next_batch[name] = moment + self._config.batch_interval
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
        kind = Kind(wave["kind"])
        for row in rows:
            yield self._event(row, row["id"], kind, wave, shared, None, None)

    def _of_singles(self, singles: Sequence[Row]) -> Iterator[_Event]:
        shared: dict[int, Wire] = {}
        for row in singles:
            if row["call"] not in shared:
                shared[row["call"]] = orjson.loads(row["shared"])
            kind = Kind(row["kind"])
            yield self._event(
                row, row["message"], kind, row, shared[row["call"]], row["link"], row["row"]
            )

    def _event(  # noqa: PLR0913 - the parts come from two rows
        self,
        message: Row,
        message_id: int,
        kind: Kind,
        call: Row,
        shared: Wire,
        link: str | None,
        row: int | None,
    ) -> _Event:
        happening = Happening(
            kind=kind,
            token=secrets.token_urlsafe(16),
            at=datetime.fromtimestamp(call["due_at"], UTC),
            provider_id=message["provider_id"],
            recipient=message["recipient"],
            accepted_at=datetime.fromtimestamp(call["accepted_at"], UTC),
            shared=shared,
            own=orjson.loads(message["own"]),
            link=link,
        )
        body = self._dialects[call["dialect"]].event(happening)
        return _Event(message_id, kind, call["due_at"], link, row, call["dialect"], body)

    def _queue(self, db: Connection, events: Sequence[_Event], moment: float) -> None:
        """Posts for *events*, misbehaving as ordered, and the events' own rows."""
        unruly = self._faults.plan.webhooks
        next_id = 1 + int(db.execute("SELECT coalesce(max(id), 0) FROM post").fetchone()[0])
        for parcel in self._parcels(events):
            dice = random.Random(f"{self._faults.plan.seed}:post:{next_id}")  # noqa: S311 - reproducible on purpose
            if unruly.shuffle_seconds:
                dice.shuffle(parcel)
            batched = bool(self._dialects[parcel[0].dialect].batch_bytes)
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
                if parcel and (weight + len(event.body) + 1 > dialect.batch_bytes - 4):
                    yield parcel
                    parcel, weight = [], 0
                parcel.append(event)
                weight += len(event.body) + 1
            if parcel:
                yield parcel

    def _send(self, now: datetime) -> bool:
        """Try the posts that are due, several at once, and note how each went."""
        posts = (
            self._store.read()
            .execute(
                "SELECT * FROM post WHERE state = 'waiting' AND due_at <= ? ORDER BY due_at LIMIT ?",
                (now.timestamp(), _POSTS_A_TURN),
            )
            .fetchall()
        )
        if not posts:
            return False
        attempts = list(self._pool.map(self._attempt, posts))
        with self._store.write() as db:
            db.executemany(
                "UPDATE post SET attempts = attempts + 1, state = ?, status = ?, error = ?, due_at = ?,"
                " ended_at = ?, body = CASE WHEN ? AND length(body) > ? THEN NULL ELSE body END"
                " WHERE id = ?",
                [self._settled(attempt) for attempt in attempts],
            )
        return True

    def _attempt(self, post: Row) -> _Attempt:
        dialect = self._dialects[post["dialect"]]
        url = self._config.webhook_for(dialect.name)
        body, headers = dialect.dress(
            post["body"], token=post["token"], attempt=post["attempts"] + 1, now=self._clock()
        )
        try:
            response = self._http.post(url or "", content=body, headers=dict(headers))
        except httpx.HTTPError as error:
            return _Attempt(post, None, type(error).__name__)
        return _Attempt(post, response.status_code, None)

    def _settled(self, attempt: _Attempt) -> tuple[object, ...]:
        post, now = attempt.post, self._clock().timestamp()
        taken = attempt.status is not None and 200 <= attempt.status < 300  # noqa: PLR2004 - HTTP
        again = (
            None
            if taken
            else self._dialects[post["dialect"]].retry_in(
                post["kind"], post["attempts"] + 1, attempt.status
            )
        )
        state = "done" if taken else "given_up" if again is None else "waiting"
        due_at = post["due_at"] if again is None else now + again * self._config.retry_scale
        ended_at = None if state == "waiting" else now
        return (
            state,
            attempt.status,
            attempt.error,
            due_at,
            ended_at,
            taken,
            _KEPT_BODY,
            post["id"],
        )
