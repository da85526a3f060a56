"""How often a door may be tried: counted for each account and network, under names that tell nothing."""

import hashlib
import ipaddress
import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final

import structlog
from limits import (
    RateLimitItem,
    RateLimitItemPerDay,
    RateLimitItemPerHour,
    RateLimitItemPerMinute,
)
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import MovingWindowRateLimiter
from redis.exceptions import RedisError

from newsletter.settings import settings

log = structlog.get_logger()


class Door(StrEnum):
    """What is tried."""

    password = "password"  # noqa: S105 - the name of a door
    link = "link"  # asking for one by mail
    code = "code"  # the second step
    reading = "reading"  # the read API
    joining = "joining"  # entering an address that is to get editions
    moving = "moving"  # asking for a change of address
    privacy = "privacy"  # asking for what is known, or to be erased


class TooOften(Exception):
    """It was tried as often as it may be; *wait* is in seconds."""

    def __init__(self, wait: int) -> None:
        minutes = math.ceil(wait / 60)
        unit = "minute" if minutes == 1 else "minutes"
        super().__init__(f"That was tried too often; try again in {minutes} {unit}.")
        self.wait = wait


def knock(door: Door, *, account: str = "", host: str = "", now: datetime) -> None:
    """Count one try at *door*, for *account* and for the network of *host*. Raises TooOften.

    Counted in Redis where there is one, else in this process, which on the embedded
    default is the only one with a door. While Redis is away this process counts alone.
    """
    tries = [(item, "account", account) for item in _for_an_account(door) if account]
    tries += [(item, "network", network_of(host)) for item in _for_a_network(door) if host]
    for item, kind, name in tries:
        key = _keyed(f"{kind} {name}")
        try:
            limiter, taken = _shared(), _shared().hit(item, door, kind, key)
        except RedisError as error:
            log.warning("knocking.away", why=type(error).__name__)
            limiter, taken = _own(), _own().hit(item, door, kind, key)
        if not taken:
            log.warning("knocking.refused", door=str(door), by=kind)
            raise TooOften(_wait(limiter, item, (door, kind, key), now=now))


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left: *remaining* tries *of* so many in *window* seconds; one comes back in *seconds*."""

    remaining: int
    of: int
    window: int
    seconds: int


def allowance(door: Door, *, host: str, now: datetime) -> Allowance:
    """What the network of *host* has left at *door*; looking at it counts nothing."""
    item = _for_a_network(door)[0]
    identifiers = (door, "network", _keyed(f"network {network_of(host)}"))
    try:
        limiter, left = _shared(), _shared().get_window_stats(item, *identifiers).remaining
    except RedisError:
        limiter, left = _own(), _own().get_window_stats(item, *identifiers).remaining
    wait = _wait(limiter, item, identifiers, now=now)
    return Allowance(left, item.amount, item.get_expiry(), wait)


def welcome(door: Door, *, account: str) -> None:
    """Forget the tries at *account*: whoever has come in is no stranger."""
    key = _keyed(f"account {account}")
    for item in _for_an_account(door):
        for limiter in (_shared(), _own()):
            try:
                limiter.clear(item, door, "account", key)
            except RedisError as error:
                log.warning("knocking.away", why=type(error).__name__)


def network_of(host: str) -> str:
    """The network of *host*: who has one address of it has all. 256 of IPv4, a /64 of IPv6."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 64), strict=False))  # noqa: PLR2004 - IPv4


_QUARTER: Final = 15  # minutes


def _for_an_account(door: Door) -> tuple[RateLimitItem, ...]:
    if door in {Door.joining, Door.privacy, Door.moving}:
        return (RateLimitItemPerDay(settings().joining.per_address),)
    tries = settings().accounts.tries
    if door is Door.link:
        return (RateLimitItemPerMinute(max(1, tries // 2), _QUARTER),)
    # A code has six digits, and three of them are good at any moment.
    return RateLimitItemPerMinute(tries, _QUARTER), RateLimitItemPerDay(tries * 5)


def _for_a_network(door: Door) -> tuple[RateLimitItem, ...]:
    if door in {Door.joining, Door.privacy, Door.moving}:
        return (RateLimitItemPerHour(settings().joining.per_network),)
    if door is Door.reading:
        return (RateLimitItemPerMinute(settings().api.per_minute),)
    return (RateLimitItemPerMinute(settings().accounts.network_tries, _QUARTER),)


def _wait(
    limiter: MovingWindowRateLimiter,
    item: RateLimitItem,
    identifiers: tuple[str, ...],
    *,
    now: datetime,
) -> int:
    """Seconds until the next try counts."""
    longest = item.get_expiry()
    try:
        frees_at = limiter.get_window_stats(item, *identifiers).reset_time
    except RedisError:
        return longest
    return min(max(1, math.ceil(frees_at - now.timestamp())), longest)


@lru_cache
def _shared() -> MovingWindowRateLimiter:
    url = settings().redis_url
    storage: Storage = RedisStorage(url) if url else MemoryStorage()
    return MovingWindowRateLimiter(storage)


@lru_cache
def _own() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(MemoryStorage())


def _keyed(name: str) -> str:
    secret = hashlib.blake2b(settings().link_secret.get_secret_value().encode()).digest()
    return hashlib.blake2b(
        name.encode(), digest_size=16, key=secret, person=b"knocking"
    ).hexdigest()
