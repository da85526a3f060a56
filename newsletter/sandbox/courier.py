"""The thread that calls back: due events become signed posts, and posts are tried until taken."""

import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Row
from typing import Final

import httpx

from newsletter.sandbox.config import SandboxConfig
from newsletter.sandbox.dialects import Dialect
from newsletter.sandbox.events import Kind
from newsletter.sandbox.faults import Faults
from newsletter.sandbox.planning import Planning
from newsletter.sandbox.store import Store

log = logging.getLogger(__name__)

_POSTS_A_TURN: Final = 64
_AT_ONCE: Final = 8
_IDLE: Final = 1.0  # seconds; a nudge ends it earlier
_KEPT_BODY: Final = 16 * 1024  # bytes; what was sent stays readable up to this size


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
        self._config, self._store = config, store
        self._dialects, self._clock = dialects, clock
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._turning = threading.Lock()
        self._planning = Planning(store, faults, dialects, batch_interval=config.batch_interval)
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

    def post(self, dialect: str, kind: str, body: bytes) -> None:
        """Queue a post that belongs to no message."""
        now = self._clock().timestamp()
        with self._store.write() as db:
            db.execute(
                "INSERT INTO post (dialect, kind, token, size, body, due_at, made_at)"
                " VALUES (?, ?, ?, 0, ?, ?, ?)",
                (dialect, kind, secrets.token_urlsafe(16), body, now, now),
            )
        self.nudge()

    def hurry(self) -> None:
        """Make everything that is waiting due now, retries included."""
        now = self._clock().timestamp()
        with self._store.write() as db:
            db.execute("UPDATE wave SET due_at = min(due_at, ?)", (now,))
            db.execute("UPDATE event SET due_at = min(due_at, ?) WHERE post IS NULL", (now,))
            db.execute("UPDATE post SET due_at = min(due_at, ?) WHERE state = 'waiting'", (now,))
        self._planning.hurry()
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
        waves = db.execute("SELECT coalesce(sum(size), 0) FROM wave").fetchone()[0]
        named = {
            state: int(states.get(state, 0)) for state in ("waiting", "done", "given_up", "lost")
        }
        return {**named, "to_come": int(coming) + int(waves)}

    def turn(self) -> bool:
        """Do what is due now; False when there was nothing."""
        with self._turning:
            planned = self._planning.plan(self._clock())
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
        if not due:
            return _IDLE
        soonest = min(due)
        if (batch := self._planning.next_batch_at()) is not None and soonest < batch:
            # What is due may be waiting for its batch; a look too early costs little.
            soonest = min(batch, self._clock().timestamp() + 0.2)
        return min(max(soonest - self._clock().timestamp(), 0.02), _IDLE)

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
        body, headers = dialect.webhooks.dress(
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
            else self._dialects[post["dialect"]].webhooks.retry_in(
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
