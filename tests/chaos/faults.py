"""What goes wrong, and when: everything here follows from the seed."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from newsletter.esp import Traits
from tests.chaos import steps


class Kind(StrEnum):
    """Whom a kill hits. Everything but ``step`` strikes at a random moment."""

    step = "a worker's process, at a step"
    child = "a worker's process, at random"
    worker = "a whole worker"
    beat = "beat"
    web = "web"
    broker = "the broker"
    sandbox = "the provider"
    database = "the database"


@dataclass(frozen=True, slots=True)
class Kill:
    """One SIGKILL to come. *step* only for a kill at a step."""

    kind: Kind
    step: str = ""


class Trouble(StrEnum):
    """What happens beside the kills, and kills nobody."""

    freeze = "a worker's process frozen past its lease"
    cut = "all connections to the database cut"


#: Of a hundred kills beyond the first of each kind.
_WEIGHTS: Final = {
    Kind.step: 58,
    Kind.child: 22,
    Kind.worker: 6,
    Kind.beat: 3,
    Kind.web: 3,
    Kind.broker: 4,
    Kind.sandbox: 3,
    Kind.database: 1,
}
#: Kinds that even a short run has, in this order of importance.
_ALWAYS: Final = (Kind.sandbox, Kind.broker, Kind.beat, Kind.worker, Kind.child, Kind.web)
_TROUBLE_FOR: Final = 8  # kills to one trouble


def reachable(traits: Traits) -> tuple[str, ...]:
    """The steps that a batch can meet with a provider of these *traits*."""
    gone: set[str] = set()
    if traits.key_lives is None:
        gone |= steps.KEYED
    if traits.key_lives is None and traits.search_lag is None:
        gone |= steps.ASKABLE
    return tuple(step for step in steps.STEPS if step not in gone)


def kills(count: int, *, traits: Traits, dice: random.Random) -> list[Kill]:
    """*count* kills in the order in which they come: each step and each kind first, then by weight."""
    everywhere = [step for step in reachable(traits) if step not in steps.RARE]
    # The edition is planned once, at the start: who dies there, dies first. Who closes the books
    # dies last. A short run has neither to spare.
    is_long = count > len(steps.STEPS)
    before = [Kill(Kind.step, "planning")] * (2 if is_long else 1 if count > 1 else 0)
    after = [Kill(Kind.step, "closing")] * is_long
    between = count - len(before) - len(after)
    dice.shuffle(everywhere)
    at_steps = [Kill(Kind.step, step) for step in everywhere]
    chosen = list(_interleaved(at_steps, [Kill(kind) for kind in _ALWAYS]))[:between]
    dice.shuffle(chosen)
    while len(chosen) < between:
        kind = dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        step = dice.choice(everywhere) if kind is Kind.step else ""
        chosen.append(Kill(kind, step))
    return before + chosen + after


def troubles(count: int, *, dice: random.Random) -> list[Trouble]:
    """What happens beside *count* kills."""
    most = max(2, count // _TROUBLE_FOR)
    chosen = [Trouble.cut, Trouble.freeze]
    chosen += [dice.choice(list(Trouble)) for _ in range(most - 2)]
    return chosen


def quiet_day() -> dict[str, Any]:
    """Nothing goes wrong."""
    return {"seed": 0, "rules": [], "webhooks": {}}


def bad_day(
    seed: int, *, brake: bool = False, loses_events: bool = True, temptation: bool = False
) -> dict[str, Any]:
    """The sandbox's plan: a little of everything.

    *brake* makes it mostly answer 429. *temptation* loses every fifth answer, so
    that a service which repeats what it does not know repeats in any run, short or unlucky.
    """
    rules: list[dict[str, Any]] = [
        {"kind": "refuse", "address": "*@refused.example"},
        {"kind": "refuse", "rate": 0.002},
        {"kind": "reset", "rate": 0.03},
        {"kind": "stall", "rate": 0.02, "seconds": 2.0},
        {"kind": "too_many", "rate": 0.06, "retry_after": 1},
        {"kind": "error", "rate": 0.03},
        {"kind": "unavailable", "rate": 0.03, "retry_after": 1},
        {"kind": "lose_answer", "rate": 0.04},
        {"kind": "error_after", "rate": 0.03},
        {"kind": "slow", "rate": 0.03, "seconds": 0.4},
        {"kind": "slow", "rate": 0.02, "seconds": 1.6},
        {"kind": "unavailable", "rate": 0.1, "on": "search"},
        {"kind": "stall", "rate": 0.05, "seconds": 2.0, "on": "search"},
    ]
    if temptation:
        rules.append({"kind": "lose_answer", "every": 5})
    if brake:
        rules.insert(0, {"kind": "too_many", "rate": 0.85, "retry_after": 2})
    return {
        "seed": seed,
        "rules": rules,
        "webhooks": {
            "late": 0.2,
            "late_seconds": 3.0,
            "twice": 0.3,
            "lost": 0.02 if loses_events else 0.0,
            "shuffle_seconds": 1.0,
        },
    }


def _interleaved(one: Iterable[Kill], other: Iterable[Kill]) -> Iterable[Kill]:
    first, second = list(one), list(other)
    while first or second:
        if first:
            yield first.pop()
        if second:
            yield second.pop(0)
