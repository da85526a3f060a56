"""What becomes of a message after it was accepted: the events and when they fall due."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from newsletter.sandbox.config import Delays


class Kind(StrEnum):
    """What can happen to a message; each dialect has its own word for it, or none."""

    processed = "processed"
    delivered = "delivered"
    deferred = "deferred"
    bounced = "bounced"  # for good: the mailbox does not exist
    soft_bounced = "soft_bounced"  # for now: the mailbox is full
    dropped = "dropped"  # on the provider's own suppression list
    complained = "complained"
    unsubscribed = "unsubscribed"  # through the provider's own link
    opened = "opened"
    machine_opened = "machine_opened"  # by a proxy that loads every image
    clicked = "clicked"


#: Where a message goes that nothing special is known of.
ORDINARY: Final = (Kind.processed, Kind.delivered)

#: Local parts (alone, or before a plus sign) that decide a message's fate.
FATES: Final[Mapping[str, tuple[Kind, ...]]] = {
    "bounce": (Kind.processed, Kind.bounced),
    "softbounce": (Kind.processed, Kind.soft_bounced),
    "defer": (Kind.processed, Kind.deferred, Kind.delivered),
    "drop": (Kind.dropped,),
    "complain": (Kind.processed, Kind.delivered, Kind.complained),
    "unsubscribe": (Kind.processed, Kind.delivered, Kind.unsubscribed),
    "open": (Kind.processed, Kind.delivered, Kind.opened),
    "machineopen": (Kind.processed, Kind.delivered, Kind.machine_opened),
    "click": (Kind.processed, Kind.delivered, Kind.opened, Kind.clicked),
}

#: The local part that is refused in the call itself.
REFUSED: Final = "refuse"


def fate_of(address: str) -> str | None:
    """The special fate an address asks for (``bounce+anything@...``), or None."""
    word = address.partition("@")[0].partition("+")[0].lower()
    return word if word in FATES else None


def is_refused(address: str) -> bool:
    """Whether an address asks to be refused in the call (``refuse+anything@...``)."""
    return address.partition("@")[0].partition("+")[0].lower() == REFUSED


def after(kind: Kind, fate: str | None, delays: Delays) -> float:
    """Seconds from acceptance until *kind* happens to a message with that fate."""
    match kind:
        case Kind.processed:
            return delays.processed
        case Kind.delivered:
            return delays.delivered + (delays.deferred if fate == "defer" else 0)
        case Kind.deferred:
            return delays.deferred
        case Kind.bounced | Kind.soft_bounced | Kind.dropped:
            return delays.failed
        case Kind.clicked:
            return delays.delivered + delays.reaction + 1
        case _:
            return delays.delivered + delays.reaction


#: Why, in the words of the receiving server, for the kinds that have a reason.
REASONS: Final[Mapping[Kind, str]] = {
    Kind.deferred: "450 4.2.1 The recipient's server is busy, try again later",
    Kind.bounced: "550 5.1.1 The mailbox does not exist",
    Kind.soft_bounced: "452 4.2.2 The mailbox is full",
    Kind.dropped: "Bounced Address",
    Kind.delivered: "250 2.0.0 OK",
}


def agent_of(kind: Kind) -> str:
    """What whoever loaded a picture or followed a link calls itself: Apple's proxy says next to nothing."""
    if kind is Kind.machine_opened:
        return "Mozilla/5.0"
    return "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.0"


def course(fate: str | None, delays: Delays) -> tuple[tuple[Kind, float], ...]:
    """Everything that happens to a message by itself, with the seconds after its acceptance."""
    kinds = FATES[fate] if fate else ORDINARY
    return tuple((kind, after(kind, fate, delays)) for kind in kinds)
