"""The bad day one can order: which calls fail and how, and how webhooks misbehave."""

import fnmatch
import random
import threading
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class FaultKind(StrEnum):
    """What goes wrong with a call, in the order in which a call meets it."""

    reset = "reset"  # the connection is reset before the body is read; nothing is taken
    stall = "stall"  # nothing is taken or answered for `seconds`, then the connection is dropped
    too_many = "too_many"  # 429 with Retry-After; nothing is taken
    error = "error"  # 500; nothing is taken
    unavailable = "unavailable"  # 503; nothing is taken
    refuse = "refuse"  # single addresses are refused as the provider refuses them
    slow = "slow"  # taken, answered after `seconds`
    lose_answer = "lose_answer"  # taken, then the connection is dropped without an answer
    error_after = "error_after"  # taken, but answered 500


class FaultRule(BaseModel):
    """One fault and when it strikes: every condition given must hold.

    *rate* is a share of calls (of addresses for ``refuse``), from 0 to 1.
    *address* is a shell pattern (``*@slow.example``); a call matches when one
    of its recipients does. *calls* are call numbers, counted from 1 since the
    mailbox was last emptied; *every* strikes each n-th. *times* ends the rule after
    so many strikes. *dialect* narrows it to one provider. *on* says whether calls
    that send are struck, or those that ask and search (by rate and dialect only).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: FaultKind
    rate: float = Field(default=1.0, ge=0, le=1)
    address: str | None = None
    calls: tuple[int, ...] | None = None
    every: int | None = Field(default=None, ge=1)
    times: int | None = Field(default=None, ge=1)
    dialect: str | None = None
    on: Literal["send", "search"] = "send"
    seconds: float = Field(default=5.0, ge=0, le=600)  # stall and slow
    retry_after: float = Field(default=1.0, ge=0, le=86400)  # seconds, too_many and unavailable

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.address and self.kind in {FaultKind.reset, FaultKind.stall}:
            raise ValueError(
                f"{self.kind} strikes before the body is read, so it cannot depend on an address"
            )
        if self.on == "search" and (self.address or self.kind is FaultKind.refuse):
            raise ValueError("a search has no recipients, so no address can decide")
        return self


class Unruliness(BaseModel):
    """How webhooks misbehave: shares from 0 to 1 of the posts, times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    late: float = Field(default=0.0, ge=0, le=1)
    late_seconds: float = Field(default=5.0, ge=0)
    twice: float = Field(default=0.0, ge=0, le=1)
    lost: float = Field(default=0.0, ge=0, le=1)
    shuffle_seconds: float = Field(default=0.0, ge=0)  # each post is moved at random within this


class FaultPlan(BaseModel):
    """Everything ordered. The same *seed*, rules and call numbers give the same faults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    rules: tuple[FaultRule, ...] = ()
    webhooks: Unruliness = Unruliness()


class Faults:
    """The plan in force, and how often each of its rules has struck. Safe to share between threads."""

    def __init__(self, plan: FaultPlan) -> None:
        self._lock = threading.Lock()
        self._plan = plan
        self._strikes = [0] * len(plan.rules)

    @property
    def plan(self) -> FaultPlan:
        """What is ordered."""
        return self._plan

    @property
    def strikes(self) -> Sequence[int]:
        """How often each rule has struck since the plan was ordered."""
        return tuple(self._strikes)

    def order(self, plan: FaultPlan) -> None:
        """Replace the plan; counts start again."""
        with self._lock:
            self._plan, self._strikes = plan, [0] * len(plan.rules)

    def on_arrival(
        self, dialect: str, number: int, *, on: Literal["send", "search"] = "send"
    ) -> FaultRule | None:
        """The fault that meets call *number* before anything of it is read, if any."""
        return self._first(dialect, number, None, on)

    def on_reading(self, dialect: str, number: int, addresses: Sequence[str]) -> FaultRule | None:
        """The fault that meets it because of whom it is for, if any."""
        return self._first(dialect, number, addresses, "send")

    def refuses(self, dialect: str, number: int, address: str) -> bool:
        """Whether a rule refuses this one address in this call."""
        for index, rule in enumerate(self._plan.rules):
            if (
                rule.kind is FaultKind.refuse
                and _concerns(rule, dialect, number)
                and (rule.address is None or _matches(rule.address, (address,)))
                and self._falls(index, rule, f"{number}:{address}")
            ):
                return True
        return False

    def refuses_anybody(self) -> bool:
        """Whether any rule refuses addresses at all, which spares asking for each."""
        return any(rule.kind is FaultKind.refuse for rule in self._plan.rules)

    def _first(
        self, dialect: str, number: int, addresses: Sequence[str] | None, on: str
    ) -> FaultRule | None:
        for index, rule in enumerate(self._plan.rules):
            if rule.kind is FaultKind.refuse or rule.on != on:
                continue
            if (rule.address is None) != (addresses is None):
                continue
            if not _concerns(rule, dialect, number):
                continue
            if rule.address and not _matches(rule.address, addresses or ()):
                continue
            if self._falls(index, rule, str(number)):
                return rule
        return None

    def _falls(self, index: int, rule: FaultRule, what: str) -> bool:
        """Throw the seeded dice: the same call meets the same fate in every run."""
        dice = random.Random(f"{self._plan.seed}:{index}:{what}")  # noqa: S311 - reproducible on purpose
        if dice.random() >= rule.rate:
            return False
        with self._lock:
            if index >= len(self._strikes) or (
                rule.times is not None and self._strikes[index] >= rule.times
            ):
                return False
            self._strikes[index] += 1
        return True


def _concerns(rule: FaultRule, dialect: str, number: int) -> bool:
    if rule.dialect is not None and rule.dialect != dialect:
        return False
    if rule.calls is not None and number not in rule.calls:
        return False
    return rule.every is None or number % rule.every == 0


def _matches(pattern: str, addresses: Iterable[str]) -> bool:
    wanted = pattern.lower()
    return any(fnmatch.fnmatchcase(address.lower(), wanted) for address in addresses)
