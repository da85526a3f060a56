"""The providers that the settings name, each made once in a process."""

from datetime import timedelta
from functools import lru_cache
from typing import Any

from newsletter.esp import Esp
from newsletter.esp.registry import adapters
from newsletter.settings import ProviderSettings, settings


@lru_cache
def provider(name: str) -> Esp:
    """The adapter called *name*, with its credentials; at the sandbox on the embedded default."""
    known: ProviderSettings = getattr(settings(), name)
    words: dict[str, Any] = {
        "api_key": known.token.get_secret_value(),
        "webhook_key": known.webhook_key.get_secret_value(),
        "timeout": settings().esp_timeout,
    }
    if url := known.url or (settings().sandbox_url if settings().is_embedded else ""):
        words["base_url"] = url
    if known.search_lag is not None and name != "resend":
        words["search_lag"] = timedelta(seconds=known.search_lag)
    return adapters[name](**words)
