"""The providers that the settings name, each made once in a process."""

from functools import lru_cache

from newsletter.esp import Esp
from newsletter.esp.registry import adapters
from newsletter.settings import settings


@lru_cache
def provider(name: str) -> Esp:
    """The adapter called *name*, with its credentials; at the sandbox on the embedded default."""
    known = getattr(settings(), name)
    raise NotImplementedError(known, adapters)
