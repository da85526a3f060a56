"""The way of a call through the provider's door: faults, contract, storage, answer."""

import asyncio
import hashlib
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from newsletter.sandbox.config import SandboxConfig
from newsletter.sandbox.connections import Connections, Cut
from newsletter.sandbox.dialects import Answer, Arrival, Dialect, Incoming, Refused
from newsletter.sandbox.events import Kind, is_refused
from newsletter.sandbox.faults import FaultKind, FaultRule, Faults
from newsletter.sandbox.mailbox import Mailbox, Taking
from newsletter.sandbox.store import Store

_TAKES_NOTHING: Final = {
    FaultKind.too_many: 429,
    FaultKind.error: 500,
    FaultKind.unavailable: 503,
}


class Reception:
    """Takes calls: a 2xx leaves only after what it promises is committed."""

    def __init__(  # noqa: PLR0913 - its parts, each by name
        self,
        *,
        config: SandboxConfig,
        store: Store,
        mailbox: Mailbox,
        faults: Faults,
        connections: Connections,
        clock: Callable[[], datetime],
        after_acceptance: Callable[[], None],
    ) -> None:
        self._config, self._store, self._mailbox = config, store, mailbox
        self._faults, self._connections = faults, connections
        self._clock, self._after_acceptance = clock, after_acceptance
        self._lock = threading.Lock()
        self._number = mailbox.last_number()
        self._questions = 0
        self._in_flight: set[tuple[str, str]] = set()
        self._this_second: dict[str, tuple[int, int]] = {}

    def start_over(self) -> None:
        """Count calls from 1 again, after the mailbox has been emptied."""
        with self._lock:
            self._number = 0

    async def take(self, dialect: Dialect, request: Request) -> Response:
        """Answer a call that sends, unless a fault says otherwise."""
        with self._lock:
            self._number += 1
            number = self._number
        rule = self._faults.on_arrival(dialect.name, number)
        if (refused := await self._before_reading(dialect, request, rule)) is not None:
            return refused
        try:
            call = await self._incoming(dialect, request, number)
        except ClientDisconnect:
            return Cut(self._connections)
        if len(call.body) > dialect.max_body:  # it came in chunks, without saying how much
            return _response(dialect.failure(413, retry_after=None, now=call.now))
        held: list[tuple[str, str]] = []
        try:
            answer, inner = await run_in_threadpool(self._accept, dialect, call, rule, held)
            return await self._after_accepting(dialect, answer, inner or rule)
        finally:
            with self._lock:
                self._in_flight.difference_update(held)

    async def ask(
        self, dialect: Dialect, request: Request, answer: Callable[[Incoming], Answer]
    ) -> Response:
        """Give *answer* to a call that only asks, if it may ask."""
        with self._lock:  # a count of their own: a question asked again meets another fate
            self._questions += 1
            number = self._questions
        rule = self._faults.on_arrival(dialect.name, number, on="search")
        if (refused := await self._before_reading(dialect, request, rule)) is not None:
            return refused
        call = await self._incoming(dialect, request, 0)
        if rule and rule.kind in _TAKES_NOTHING:
            return _response(self._failure(dialect, rule))
        return await self._after_accepting(
            dialect, await run_in_threadpool(self._answer, dialect, call, answer), rule
        )

    async def _before_reading(
        self, dialect: Dialect, request: Request, rule: FaultRule | None
    ) -> Response | None:
        """Whatever can be said before the body is read."""
        if rule and rule.kind in {FaultKind.reset, FaultKind.stall}:
            if rule.kind is FaultKind.stall:
                await asyncio.sleep(rule.seconds)
            return Cut(self._connections)
        length = request.headers.get("content-length", "0")
        if length.isdecimal() and int(length) > dialect.max_body:
            return _response(dialect.failure(413, retry_after=None, now=self._clock()))
        return None

    async def _incoming(self, dialect: Dialect, request: Request, number: int) -> Incoming:
        body = await request.body()
        ordered = self._faults.refuses_anybody()

        def refuses(address: str) -> bool:
            return is_refused(address) or (
                ordered and self._faults.refuses(dialect.name, number, address)
            )

        return Incoming(
            number=number,
            method=request.method,
            path=request.url.path,
            query=request.url.query,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
            now=self._clock(),
            refuses=refuses,
        )

    def _accept(
        self,
        dialect: Dialect,
        call: Incoming,
        rule: FaultRule | None,
        held: list[tuple[str, str]],
    ) -> tuple[Answer, FaultRule | None]:
        """The provider's answer, and the fault that the recipients bring with them."""
        if rule and rule.kind in _TAKES_NOTHING:
            return self._failure(dialect, rule), None
        try:
            dialect.authorise(call)
            if self._is_too_fast(dialect.name, call.now):
                return dialect.failure(429, retry_after=1.0, now=call.now), None
            arrival = dialect.read(call)
        except Refused as refusal:
            return refusal.answer, None
        people = [copy.recipient for copy in arrival.copies]
        inner = self._faults.on_reading(dialect.name, call.number, people)
        if inner and inner.kind in _TAKES_NOTHING:
            return self._failure(dialect, inner), inner
        if arrival.key is None:
            self._keep(dialect, call, arrival)
            return arrival.answer, inner
        return self._accept_keyed(dialect, call, arrival, arrival.key, held), inner

    def _accept_keyed(
        self,
        dialect: Dialect,
        call: Incoming,
        arrival: Arrival,
        key: str,
        held: list[tuple[str, str]],
    ) -> Answer:
        """Take a call once for each key; a repeat is answered as the first one was."""
        with self._lock:
            if (dialect.name, key) in self._in_flight:
                return dialect.answer_in_flight()
            self._in_flight.add((dialect.name, key))
            held.append((dialect.name, key))
        if dialect.key_lives is None:
            raise RuntimeError(f"{dialect.name} gave a key, but does not know keys.")
        known = self._mailbox.known_answer(dialect.name, key, since=call.now - dialect.key_lives)
        if known is None:
            self._keep(dialect, call, arrival)
            return arrival.answer
        fingerprint, answer = known
        return dialect.answer_again(answer, same_body=fingerprint == _fingerprint(call))

    def _keep(self, dialect: Dialect, call: Incoming, arrival: Arrival) -> None:
        tells = frozenset(kind for kind in Kind if dialect.webhooks.tells(kind))
        taking = Taking(dialect.name, call.number, call.now, tells)
        with self._store.write() as db:
            if arrival.copies:
                self._mailbox.keep(db, arrival, taking)
            if arrival.key is not None:
                self._mailbox.remember_answer(db, arrival.key, _fingerprint(call), arrival, taking)
        self._after_acceptance()

    async def _after_accepting(
        self, dialect: Dialect, answer: Answer, rule: FaultRule | None
    ) -> Response:
        if rule is not None:
            if rule.kind is FaultKind.slow:
                await asyncio.sleep(rule.seconds)
            elif rule.kind is FaultKind.lose_answer:
                return Cut(self._connections)
            elif rule.kind is FaultKind.error_after and answer.status < 300:  # noqa: PLR2004 - HTTP
                return _response(dialect.failure(500, retry_after=None, now=self._clock()))
        return _response(answer)

    def _answer(
        self, dialect: Dialect, call: Incoming, answer: Callable[[Incoming], Answer]
    ) -> Answer:
        try:
            dialect.authorise(call)
        except Refused as refusal:
            return refusal.answer
        return answer(call)

    def _failure(self, dialect: Dialect, rule: FaultRule) -> Answer:
        waits = rule.kind in {FaultKind.too_many, FaultKind.unavailable}
        return dialect.failure(
            _TAKES_NOTHING[rule.kind],
            retry_after=rule.retry_after if waits else None,
            now=self._clock(),
        )

    def _is_too_fast(self, dialect: str, now: datetime) -> bool:
        """Whether this call exceeds the configured calls for this second."""
        limit = self._config.rate_limits.get(dialect)
        if limit is None:
            return False
        second = int(now.timestamp())
        with self._lock:
            known, calls = self._this_second.get(dialect, (second, 0))
            calls = calls + 1 if known == second else 1
            self._this_second[dialect] = (second, calls)
        return calls > limit


def _fingerprint(call: Incoming) -> bytes:
    return hashlib.sha256(call.path.encode() + b"\n" + call.body).digest()


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, dict(answer.headers))
