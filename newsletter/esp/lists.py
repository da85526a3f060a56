"""A provider's own list of whom it does not mail: read by pages, added to by portions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol, runtime_checkable

import httpx

from newsletter.esp import CannotTell
from newsletter.esp.refusals import body_of
from newsletter.esp.webhooks import Fields

#: Puts a question or an order to the provider: method, path, parameters, JSON.
Call = Callable[..., httpx.Response | CannotTell]


class Why(StrEnum):
    """Why somebody stands on the list, as far as the provider tells."""

    bounced = "bounced"
    complained = "complained"
    left = "left"  # by the provider's own link, or by hand there


@dataclass(frozen=True, slots=True)
class Listed:
    """One address on the list. *since* is None when the provider does not tell."""

    address: str
    why: Why
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the list, and where the next page begins: None behind the last one."""

    entries: tuple[Listed, ...]
    after: str | None


class Lists(Protocol):
    """One provider's lists.

    *names* are read one after another. *takes* are the reasons for which somebody can be added,
    none where the provider has no call for it; *at_most* so many in one call.
    """

    names: tuple[str, ...]
    takes: frozenset[Why]
    at_most: int

    def page(self, name: str, after: str | None) -> Page | CannotTell:
        """One page of the list *name*, from the beginning or from behind *after*."""

    def put_on(self, entries: Sequence[Listed]) -> CannotTell | None:
        """Add *entries*, at most *at_most*; None when the provider took them. Safe to repeat."""


@runtime_checkable
class KeepsLists(Protocol):
    """An adapter whose provider tells whom it does not mail."""

    lists: Lists


TOO_FAST: Final = "asks us to slow down"


def answered(answer: httpx.Response | CannotTell, provider: str) -> object | CannotTell:
    """The body of a good answer, else why there is none."""
    if isinstance(answer, CannotTell):
        return answer
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return CannotTell(f"{provider} {TOO_FAST}")
    if answer.status_code in {401, 403, 404}:
        return CannotTell(
            f"{provider} does not let this key see its lists ({answer.status_code}): give it the right"
        )
    body = body_of(answer)
    if not answer.is_success or body is None:
        return CannotTell(f"{provider}'s lists answered {answer.status_code}")
    return body


def taken(answer: httpx.Response | CannotTell, provider: str) -> CannotTell | None:
    """None for a good answer, else why it was not taken."""
    if isinstance(answer, CannotTell):
        return answer
    if answer.is_success:
        return None
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return CannotTell(f"{provider} {TOO_FAST}")
    return CannotTell(f"{provider} did not take them ({answer.status_code})")


def entries_of(
    rows: object,
    address: str,
    since: Callable[[Fields], datetime | None],
    why: Callable[[Fields], Why],
) -> tuple[Listed, ...]:
    """The rows of an answer that hold an address under the name *address*."""
    if not isinstance(rows, list):
        return ()
    return tuple(
        Listed(found, why(row), since(row))
        for row in rows
        if isinstance(row, Mapping) and isinstance(found := row.get(address), str) and found
    )
