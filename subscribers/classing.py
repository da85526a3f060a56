"""Who was behind an open or a click: rules over what is kept of it, to be asked again when they improve.

A click's traits are told apart when it comes, and the address and the name of the
program are forgotten with the answer; what is kept is the trait, in a word.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from subscribers.engagement import Reader

#: Counts up when the rules change: ``newsletter reclass`` asks them again.
VERSION: Final = 2

#: Traits that say it by themselves.
HEAD: Final = "HEAD"  # programs ask so; no link that a person follows does
PROGRAM: Final = "a program's name"
PREFETCH: Final = "fetched ahead"
NO_NAME: Final = "no name at all"
FLAG: Final = "the provider's flag"
PROXY: Final = "an image proxy"
MACHINES: Final = frozenset({HEAD, PROGRAM, PREFETCH, NO_NAME, FLAG})

AT_ONCE: Final = timedelta(seconds=10)  # after the provider took the copy: nobody reads so quickly
AT_ONCE_WHY: Final = "within seconds of delivery"
SWEEP: Final = timedelta(seconds=2)  # several links within it were not read one after the other
SEVERAL: Final = 3  # different links


@dataclass(frozen=True, slots=True)
class Click:
    """One click as it is kept; *trait* is empty for a browser.

    *link* is its number in the mail, or its address where the provider tells of it.
    """

    link: int | str
    at: datetime
    trait: str = ""


@dataclass(frozen=True, slots=True)
class Classed:
    """Who it was, and what that rests on."""

    reader: Reader
    why: str


def classed(
    click: Click, *, neighbours: Sequence[Click] = (), accepted_at: datetime | None = None
) -> Classed:
    """Who was behind *click*, given the other clicks in the same copy and when it was accepted.

    *neighbours* may hold the click itself. What nothing speaks against is a person's.
    """
    if click.trait in MACHINES:
        return Classed(Reader.machine, click.trait)
    if accepted_at is not None and click.at - accepted_at < AT_ONCE:
        return Classed(Reader.machine, AT_ONCE_WHY)
    near = {other.link for other in neighbours if abs(other.at - click.at) <= SWEEP}
    if len(near | {click.link}) >= SEVERAL:
        return Classed(Reader.machine, "several links at once")
    if accepted_at is None:
        return Classed(Reader.unknown, "nobody knows when it was delivered")
    return Classed(Reader.person, "a browser, one link at a time")


def opened(
    at: datetime, *, reader: Reader, why: str, accepted_at: datetime | None = None
) -> Classed:
    """Who was behind an open *at* that moment: never surely a person, for proxies look like one.

    *reader* and *why* are as they stand: what the program or the provider said of it.
    """
    if reader is Reader.machine and why in {FLAG, PROXY}:
        return Classed(Reader.machine, why)
    if accepted_at is not None and at - accepted_at < AT_ONCE:
        return Classed(Reader.machine, AT_ONCE_WHY)
    return Classed(Reader.unknown, why if why == FLAG else "")


def persons(clicks: Collection[Click], *, accepted_at: datetime | None) -> dict[Click, Classed]:
    """Every click of one copy with its class."""
    known = list(clicks)
    return {click: classed(click, neighbours=known, accepted_at=accepted_at) for click in known}
