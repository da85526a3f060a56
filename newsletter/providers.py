"""The providers that the settings name, each made once in a process."""

from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from threading import Lock
from typing import Any, Final

from newsletter.esp import Esp
from newsletter.esp.registry import adapters
from newsletter.settings import settings
from newsletter.settings.providers import ProviderSettings

Words = dict[str, Any]


_MAKING: Final = Lock()


@lru_cache
def provider(name: str) -> Esp:
    """The adapter called *name*, with its credentials; at the sandbox on the embedded default."""
    with _MAKING:  # a cache is no lock: of many threads that ask first, one makes it
        return _made(name)


def is_set_up(name: str) -> bool:
    """Whether *name* is a provider whose webhooks are ours to check: one in use, or a former one.

    Also one in use whose key is missing: it is to go on trying until somebody has put it in.
    """
    if name not in adapters or name in settings().esp_names:
        return name in adapters
    known: ProviderSettings = getattr(settings(), name)
    return bool(known.topics if name == "ses" else known.webhook_key.get_secret_value())


@lru_cache
def _made(name: str) -> Esp:
    known: ProviderSettings = getattr(settings(), name)
    words: Words = {
        "api_key": known.token.get_secret_value(),
        "timeout": settings().esp_timeout,
        **_OWN[name](known),
    }
    if url := known.url or (settings().sandbox_url if settings().is_embedded else ""):
        words["base_url"] = url
    return adapters[name](**words)


def _signed(known: ProviderSettings) -> Words:
    return {"webhook_key": known.webhook_key.get_secret_value()}


def _searched(known: ProviderSettings) -> Words:
    if known.search_lag is None:  # the adapter's own, safe default
        return _signed(known)
    return _signed(known) | {"search_lag": timedelta(seconds=known.search_lag)}


def _mailgun(known: ProviderSettings) -> Words:
    domain = known.domain or settings().sender_domain
    return _searched(known) | {"domain": domain}


def _postmark(known: ProviderSettings) -> Words:
    return _searched(known) | {"webhook_user": known.webhook_user, "stream": known.stream}


def _brevo(known: ProviderSettings) -> Words:
    return _searched(known) | {"webhook_user": known.webhook_user}


def _ses(known: ProviderSettings) -> Words:
    return {
        "key_id": known.key_id,
        "region": known.region,
        "configuration_set": known.configuration_set
        or ("sandbox" if settings().is_embedded else ""),
        "topics": [topic.strip() for topic in known.topics.split(",") if topic.strip()],
        # Where certificates and confirmations may come from, besides Amazon's own hosts.
        "origins": [settings().sandbox_url] if settings().is_embedded else [],
    }


#: What each adapter takes besides a key, an address and a timeout.
_OWN: Final[dict[str, Callable[[ProviderSettings], Words]]] = {
    "sendgrid": _searched,
    "resend": _signed,
    "mailgun": _mailgun,
    "postmark": _postmark,
    "ses": _ses,
    "brevo": _brevo,
}
