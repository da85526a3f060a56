"""What a provider says of its account with us: its answers as checks, each a sentence with its fix."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

import httpx

from newsletter.esp import CannotTell
from newsletter.esp.refusals import body_of

_REFUSES_THE_KEY: Final = {401}
_KEEPS_IT_FROM_US: Final = {403, 404, 405}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. *good* is None when nobody could tell. *says* and *fix* are sentences."""

    what: str  # stays the same from look to look
    good: bool | None
    says: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the account should be like.

    *domain* is the sender's; *webhook* the address that events should come to; *tracking*:
    whether the provider's own opens and clicks are wanted.
    """

    domain: str
    webhook: str
    tracking: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """What was found. *dkim* are the names in DNS under which the provider's signing keys stand."""

    checks: tuple[Check, ...]
    dkim: tuple[str, ...] = ()


class Ask(Protocol):
    """A question to the provider that changes nothing there."""

    def __call__(
        self, method: str, path: str, *, params: Mapping[str, str | int] | None = None
    ) -> httpx.Response | CannotTell:
        """The answer, or why there is none. Never raises for what the network does."""


@runtime_checkable
class Examined(Protocol):
    """An adapter that can say how its account stands."""

    def examine(self, wanted: Wanted) -> Account:
        """Ask the provider about credentials, domain, stream or set, tracking and webhook."""


@dataclass(slots=True)
class Report:
    """Checks as they come, in the words that all providers share."""

    provider: str
    found: list[Check] = field(default_factory=list)
    dkim: list[str] = field(default_factory=list)

    def well(self, what: str, says: str) -> None:
        """It is as it should be."""
        self.found.append(Check(what, good=True, says=says))

    def wrong(self, what: str, says: str, fix: str) -> None:
        """It is not, and this puts it right."""
        self.found.append(Check(what, good=False, says=says, fix=fix))

    def unclear(self, what: str, says: str, fix: str) -> None:
        """Nobody could tell; this is how a person can."""
        self.found.append(Check(what, good=None, says=says, fix=fix))

    def signs_with(self, *names: str) -> None:
        """Its keys stand in DNS under *names*."""
        self.dkim += [name.rstrip(".").lower() for name in names if name]

    def account(self) -> Account:
        """Everything found so far."""
        return Account(tuple(self.found), tuple(dict.fromkeys(self.dkim)))

    def asked(  # noqa: PLR0913 - what, of whom, and what its silence means
        self,
        ask: Ask,
        path: str,
        *,
        what: str,
        about: str,
        params: Mapping[str, str | int] | None = None,
        absent: tuple[str, str] | None = None,
    ) -> object:
        """The body of an answer; None when there is none, and then a check says why.

        *about* is what was asked for, as people call it. *absent*: the sentence and the fix for
        a 404, where that is an answer.
        """
        answer = ask("GET", path, params=params)
        if isinstance(answer, CannotTell):
            self.unclear(
                what,
                f"{self.provider} did not answer about {about} ({answer.reason}).",
                "See that this machine reaches it, then look again.",
            )
            return None
        if absent and answer.status_code == httpx.codes.NOT_FOUND:
            self.wrong(what, *absent)
            return None
        if answer.status_code in _REFUSES_THE_KEY | _KEEPS_IT_FROM_US:
            self.unclear(
                what,
                f"{self.provider} does not let this key ask about {about} ({answer.status_code}).",
                f"Give the key the right to read it, or look at {about} in its dashboard.",
            )
            return None
        body = body_of(answer)
        if not answer.is_success or body is None:
            self.unclear(
                what,
                f"{self.provider} answered {answer.status_code} about {about}.",
                "Look again later; its status page may say more.",
            )
            return None
        return body

    def knows_us(self, answer: httpx.Response | CannotTell, *, setting: str) -> object:
        """The body of the first question, which shows whether our credentials are any good.

        None when they are not, or when nobody answers: then nothing else is worth asking.
        """
        if isinstance(answer, CannotTell):
            self.wrong(
                "credentials",
                f"{self.provider} does not answer ({answer.reason}).",
                "See that this machine may reach it; nothing can be sent until it does.",
            )
            return None
        if answer.status_code in {401, 403}:
            self.wrong(
                "credentials",
                f"{self.provider} does not take our credentials ({answer.status_code}).",
                f"Set `{setting}` to a key that is valid and may send.",
            )
            return None
        body = body_of(answer)
        if not answer.is_success or body is None:
            self.unclear(
                "credentials",
                f"{self.provider} answered {answer.status_code} when asked who we are.",
                "Look again later; its status page may say more.",
            )
            return None
        return body

    def hears_everything(
        self, what: str, told: Mapping[str, bool], *, meant: Mapping[str, str], where: str
    ) -> None:
        """Whether the webhook is *told* each of the events in *meant*: their names, and what for."""
        missing = [name for name in meant if not told.get(name)]
        if missing:
            purposes = list(dict.fromkeys(meant[name] for name in missing))
            self.wrong(
                what,
                f"The webhook is not told of {joined(missing)}: {joined(purposes)} would go unseen.",
                f"Switch {'it' if len(missing) == 1 else 'them'} on {where}.",
            )
        else:
            self.well(what, "The webhook is told of everything that we act on.")

    def no_webhook(self, wanted: Wanted, where: str) -> None:
        """Nothing comes to us."""
        self.wrong(
            "webhook",
            f"{self.provider} sends no events to {wanted.webhook}: bounces, complaints and "
            "deliveries would go unseen.",
            f"Add a webhook to that address {where}.",
        )


def joined(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def same_address(ours: str, theirs: object) -> bool:
    """Whether a webhook's address is ours; one that carries a user and password is the same one."""
    if not isinstance(theirs, str):
        return False
    try:
        url = httpx.URL(theirs)
        return bare(url) == bare(httpx.URL(ours))
    except (httpx.InvalidURL, ValueError):
        return False


def bare(url: httpx.URL) -> tuple[str, str, int | None, str]:
    """An address without what proves who calls it."""
    return url.scheme, url.host, url.port, url.path.rstrip("/")


def objects(value: object) -> Iterator[Mapping[str, object]]:
    """The objects in a list, whatever else is in it."""
    if isinstance(value, list):
        yield from (one for one in value if isinstance(one, dict))


def covers(name: object, domain: str) -> bool:
    """Whether an account's domain *name* lets mail be from *domain*: itself, or one above it."""
    if not isinstance(name, str) or not name:
        return False
    known, wanted = name.lower().rstrip("."), domain.lower().rstrip(".")
    return wanted == known or wanted.endswith(f".{known}")
