"""One run: the edition goes out while everything is killed, until the books close or patience ends."""

import contextlib
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import httpx
import psycopg

from newsletter.esp import Traits
from tests.chaos.faults import Kill, Kind, Trouble, bad_day, quiet_day
from tests.chaos.house import LEASE, SEARCH_LAG, House
from tests.chaos.nest import send
from tests.chaos.operator import decide
from tests.chaos.steps import RARE, Orders

#: Seconds between two kills, on average.
PACE: Final = 0.3
_ORDERS_AT_ONCE: Final = 3
_PATIENCE: Final = 8.0  # seconds until an order that nobody has met is withdrawn
_LEAD: Final = 0.12  # how far the sending may run ahead of the killing, as a share
_LAST_PART: Final = 0.9  # of the copies; the others go when the killing is over
_LOOK_EVERY: Final = 0.4  # seconds
_DOUBTED_FOR: Final = timedelta(seconds=12)  # until the operator gives up waiting for events
#: Seconds. With keys alone a worker may sleep for as long as it likes; where a search decides,
#: not past the moment from which absence is believed.
_FREEZE: Final = LEASE + SEARCH_LAG - 2.5
_FREEZE_WITH_KEYS: Final = 4 * LEASE


@dataclass(slots=True)
class Progress:
    """Where the edition stands, in copies by their batch's status."""

    status: str = "approved"
    copies: Counter[str] = field(default_factory=Counter)

    @property
    def settled(self) -> float:
        """The share of the copies that are settled."""
        total = sum(self.copies.values())
        return (self.copies["accepted"] + self.copies["rejected"]) / total if total else 0.0


class Storm:
    """The kills to come, the troubles beside them, and the provider's bad day."""

    def __init__(
        self,
        house: House,
        *,
        last_week: int,
        kills: list[Kill],
        troubles: list[Trouble],
        traits: Traits,
        seed: int,
        calm: bool,
        dice: random.Random,
        say: Callable[[str], None],
    ) -> None:
        self._house, self._last_week, self._dice, self._say = house, last_week, dice, say
        self._left, self._troubles, self._seed, self._calm = kills, troubles, seed, calm
        # Without keys and without a search, only events and an operator can settle a doubt.
        self._longest_freeze = (
            _FREEZE_WITH_KEYS if traits.key_lives and traits.search_lag is None else _FREEZE
        )
        self._needs_operator = traits.key_lives is None and traits.search_lag is None
        self._asked = len(kills)
        self._orders = Orders(house.orders)
        self._standing: dict[str, float] = {}  # step -> when it was ordered
        self._missed: set[str] = set()
        self._brake: bool | None = None  # what the sandbox was last told
        self.kills: Counter[Kind] = Counter()
        self.steps: Counter[str] = Counter()
        self.troubles: Counter[Trouble] = Counter()
        self.progress = Progress()
        self.digest_id = 0

    @property
    def made(self) -> int:
        """How many kills there have been."""
        return self.kills.total()

    def prepare(self) -> None:
        """Order the deaths in planning before anybody can plan."""
        while self._left and self._left[0].step == "planning" and not self._standing:
            self._order(self._left.pop(0))

    def rage(self, *, until: float, once_planned: Callable[[], None]) -> bool:
        """Kill until nothing is left to kill for and the edition is sent; False at *until*."""
        is_planned = False
        next_kill = next_look = time.monotonic()
        next_trouble = next_decision = next_kill + 2.0
        while (now := time.monotonic()) < until:
            self._house.tend()
            self._see_who_took_orders(now)
            if now >= next_look:
                self._look()
                next_look = now + _LOOK_EVERY
                self._say(self._line())
            if self.progress.copies and not is_planned:
                once_planned()
                is_planned = True
            if self.progress.status == "sent":
                self._see_who_took_orders(time.monotonic())
                return True
            if now >= next_kill and self._left:
                self._next_kill()
                next_kill = now + self._dice.expovariate(1 / PACE)
            if now >= next_trouble and self._troubles and self._left:
                self._trouble(self._troubles.pop())
                next_trouble = now + PACE * 8 * self._dice.uniform(0.5, 1.5)
            if self._needs_operator and now >= next_decision:
                decide(self.digest_id, mailbox=self._house.mailbox, after=_DOUBTED_FOR)
                next_decision = now + _LOOK_EVERY * 5
            time.sleep(0.02)
        return False

    def _next_kill(self) -> None:
        kill = self._left.pop(0)
        if kill.kind is Kind.step:
            if len(self._standing) >= _ORDERS_AT_ONCE or not self._order(kill):
                self._put_off(kill)
        elif self._strike(kill.kind):
            self.kills[kill.kind] += 1
        else:  # nobody of that kind was up just now
            self._put_off(kill)

    def _put_off(self, kill: Kill) -> None:
        self._left.insert(min(len(self._left), self._dice.randint(1, 5)), kill)

    def _strike(self, kind: Kind) -> bool:
        match kind:
            case Kind.child:
                pool = self._house.pool()
                return bool(pool) and send(self._dice.choice(pool), signal.SIGKILL)
            case Kind.broker:
                return self._house.kill_broker()
            case Kind.database:
                return self._house.kill_database()
            case Kind.worker | Kind.beat | Kind.web | Kind.sandbox:
                return self._house.kill(kind.name)
        return False

    def _order(self, kill: Kill) -> bool:
        if not self._orders.place(kill.step):
            return False
        self._standing[kill.step] = time.monotonic()
        return True

    def _see_who_took_orders(self, now: float) -> None:
        for step, since in list(self._standing.items()):
            if not self._orders.stands(step):
                del self._standing[step]
                self.kills[Kind.step] += 1
                self.steps[step] += 1
            elif self._is_hopeless(step, since, now=now) and self._orders.take(step):
                # Nobody came by: no batch was in doubt, perhaps. Later, or somebody at random.
                del self._standing[step]
                again = step not in self._missed and step not in RARE
                self._missed.add(step)
                self._left.insert(0, Kill(Kind.step, step) if again else Kill(Kind.child))

    def _is_hopeless(self, step: str, since: float, *, now: float) -> bool:
        if step == "planning":  # it has been planned: nobody comes this way any more
            return bool(self.progress.copies)
        return step not in RARE and now - since > _PATIENCE

    def _trouble(self, trouble: Trouble) -> None:
        match trouble:
            case Trouble.cut:
                # An error: the database was just being restarted, and had none to cut.
                with contextlib.suppress(psycopg.OperationalError):
                    self._house.postgres.cut_connections()
            case Trouble.freeze:
                pool = self._house.pool()
                if not pool or not send(pid := self._dice.choice(pool), signal.SIGSTOP):
                    return
                thaws = self._dice.uniform(LEASE + 0.3, self._longest_freeze)
                timer = threading.Timer(thaws, send, (pid, signal.SIGCONT))
                timer.daemon = True
                timer.start()
        self.troubles[trouble] += 1

    def _look(self) -> None:
        """See how far it is, and let the provider brake when the sending outruns the killing."""
        try:
            with psycopg.connect(self._house.database, connect_timeout=2) as connection:
                found = connection.execute(
                    "SELECT id, status FROM digest WHERE id <> %s ORDER BY id", (self._last_week,)
                ).fetchone()
                if found is None:
                    return  # nobody has assembled it yet
                rows = connection.execute(
                    "SELECT status, sum(size) FROM batch WHERE digest_id = %s GROUP BY status",
                    (found[0],),
                ).fetchall()
        except psycopg.Error:
            return
        self.digest_id, self.progress.status = int(found[0]), str(found[1])
        self.progress.copies = Counter({str(status): int(size) for status, size in rows})
        killed = self.made / self._asked if self._asked else 1.0
        standing = any(step not in RARE for step in self._standing)
        ahead = self.progress.settled > min(killed + _LEAD, _LAST_PART)
        self._order_the_day(brake=ahead and (bool(self._left) or standing))

    def _order_the_day(self, *, brake: bool) -> None:
        if self._brake is brake:
            return
        plan = quiet_day()
        if not self._calm:
            plan = bad_day(
                self._seed,
                brake=brake,
                loses_events=not self._needs_operator,
                temptation=bool(self._house.shape.sabotage),
            )
        try:
            answer = httpx.put(f"{self._house.sandbox_url}/sandbox/faults", json=plan, timeout=2)
            answer.raise_for_status()
        except httpx.TransportError:
            return
        self._brake = brake

    def _line(self) -> str:
        copies = self.progress.copies
        where = ", ".join(f"{copies[name]} {name}" for name in sorted(copies)) or "not planned yet"
        return f"{self.made} of {self._asked} kills; {self.progress.status}: {where}"


def stuck(database: str, digest_id: int) -> list[dict[str, Any]]:
    """The batches that did not settle, as far as the ledger says why."""
    with psycopg.connect(database, row_factory=psycopg.rows.dict_row) as connection:
        return connection.execute(
            "SELECT number, status, size, attempts, fence, provider, reason, lease_until, posted_at,"
            " not_before, checked_at FROM batch WHERE digest_id = %s"
            " AND status IN ('planned', 'claimed', 'uncertain') ORDER BY number LIMIT 20",
            (digest_id,),
        ).fetchall()
