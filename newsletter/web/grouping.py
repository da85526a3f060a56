"""Many small writes in one transaction: whoever waits for the same commit shares it."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

import structlog
from anyio import CapacityLimiter, to_thread

log = structlog.get_logger()

Thing = TypeVar("Thing")

#: Seconds a caller waits for the commit before it is answered without it.
PATIENCE: Final = 5.0


class Together(Generic[Thing]):
    """Keeps things in groups: while one group is being committed, the next one gathers.

    *keep* stores a group in one transaction and runs in a thread. *room* bounds
    what may wait; *at_most* bounds one group. There is no timer: alone, a thing is
    kept at once, and under load the groups grow by themselves. What could not be
    kept is logged under the name *lost*, with how many.
    """

    def __init__(
        self,
        keep: Callable[[Sequence[Thing]], object],
        *,
        lost: str,
        at_most: int = 1000,
        room: int = 20_000,
        patience: float = PATIENCE,
    ) -> None:
        self._keep = keep
        self._lost = lost
        self._at_most = at_most
        self._room = room
        self._patience = patience
        self._waiting: deque[tuple[Thing, asyncio.Future[bool]]] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._turned_away = 0

    async def kept(self, thing: Thing) -> bool:
        """True once *thing* is committed. False when it is lost, or when nobody knows yet.

        Never raises, and never takes longer than the patience.
        """
        if len(self._waiting) >= self._room:
            self._turned_away += 1
            return False
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((thing, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        finished, _ = await asyncio.wait((done,), timeout=self._patience)
        return bool(finished) and done.result()

    async def drain(self) -> None:
        """Wait until everything that was taken in is committed or lost."""
        while self._writer is not None and not self._writer.done():
            await asyncio.wait((self._writer,))

    async def _write(self) -> None:
        # A thread of its own: a database that hangs must not use up those of the other routes.
        one_thread = CapacityLimiter(1)
        while self._waiting:
            size = min(self._at_most, len(self._waiting))
            group = [self._waiting.popleft() for _ in range(size)]
            things = [thing for thing, _ in group]
            is_kept = await to_thread.run_sync(self._keep_or_tell, things, limiter=one_thread)
            for _, done in group:
                done.set_result(is_kept)
            if self._turned_away:
                log.error(self._lost, count=self._turned_away, why="too many were waiting")
                self._turned_away = 0

    def _keep_or_tell(self, things: Sequence[Thing]) -> bool:
        try:
            self._keep(things)
        except Exception as error:  # noqa: BLE001 - whatever it was, the callers must be answered
            log.error(self._lost, count=len(things), why=type(error).__name__)  # noqa: TRY400 - statements hold values
            return False
        return True
