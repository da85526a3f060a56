"""The providers' offices: what they answer about an account, its domain, its webhook.

An account is as it should be until something else is ordered, so that a service can be shown
what is wrong with its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from newsletter.sandbox.config import SandboxConfig
from newsletter.sandbox.dialects import Answer, Incoming
from newsletter.sandbox.shunned import Shunned


class Standing(BaseModel):
    """How every provider's account stands.

    *webhook*: ``deaf`` hears of deliveries only, ``unproven`` is not signed, or carries another
    password than the service's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    may_send: bool = True
    domain: Literal["verified", "unverified", "absent"] = "verified"
    webhook: Literal["right", "absent", "off", "deaf", "unproven"] = "right"
    tracking: bool = False


@dataclass(frozen=True, slots=True)
class Office:
    """What every desk needs to know."""

    config: SandboxConfig
    standing: Callable[[], Standing]
    shunned: Shunned


class Desk(Protocol):
    """One provider's answers about an account."""

    #: The dialect whose credential opens it, and the header that carries it.
    dialect: ClassVar[str]
    credential: ClassVar[str]
    #: Methods and path templates, in Starlette's notation.
    asks: ClassVar[Sequence[tuple[str, str]]]

    def answer(self, call: Incoming) -> Answer:
        """The answer to one of the calls in ``asks``."""


def heard(
    every: Sequence[str], standing: Standing, *, deliveries: str, opens: set[str]
) -> list[str]:
    """The events that the account's webhook is told of."""
    if standing.webhook == "deaf":
        return [deliveries]
    return [event for event in every if standing.tracking or event not in opens]


def without_nothing(values: Mapping[str, object]) -> dict[str, object]:
    """*values* without those that are None: what a provider leaves out."""
    return {name: value for name, value in values.items() if value is not None}
