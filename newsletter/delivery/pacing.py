"""How many calls a second a provider account takes, shared by every worker."""

import math
import time
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

import structlog
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import MovingWindowRateLimiter
from redis.exceptions import RedisError

from newsletter.settings import settings
from newsletter.settings.providers import ProviderSettings

log = structlog.get_logger()


def wait_for_a_call(name: str, *, clock: Callable[[], datetime]) -> bool:
    """Return True when the account may be called; at once when it has no limit.

    Counted in Redis when there is one, else in this process: the embedded
    default has a single worker. False after half a lease: then nobody may call.
    """
    limit = _limit_of(name)
    if limit is None:
        return True
    give_up = clock() + settings().lease_for / 2
    while not may_call(name):
        if clock() >= give_up:
            return False
        time.sleep(0.5 / limit.amount)
    return True


def may_call(name: str) -> bool:
    """Whether the account may be called at this moment; if so, the call is counted."""
    limit = _limit_of(name)
    try:
        return limit is None or _limiter().hit(limit, "provider", name)
    except RedisError as error:  # who cannot count must not call
        log.warning("pacing.away", provider=name, why=type(error).__name__)
        return False


@lru_cache
def _limit_of(name: str) -> RateLimitItem | None:
    known: ProviderSettings = getattr(settings(), name)
    per_second = known.calls_per_second
    if per_second <= 0:
        return None
    if per_second >= 1:
        return RateLimitItemPerSecond(int(per_second))
    return RateLimitItemPerSecond(1, math.ceil(1 / per_second))


@lru_cache
def _limiter() -> MovingWindowRateLimiter:
    storage: Storage = (
        RedisStorage(settings().redis_url) if settings().redis_url else MemoryStorage()
    )
    return MovingWindowRateLimiter(storage)
