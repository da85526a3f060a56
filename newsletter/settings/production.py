"""What production asks for: no setting that it needs is open, and none is as the example has it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, SecretStr

from newsletter.secrets import NAMES
from newsletter.settings.providers import ProviderSettings

if TYPE_CHECKING:
    from newsletter.settings import Settings

#: What docs/deploy/newsletter.env says where a value belongs.
CHANGE_ME: Final = "CHANGE-ME"


def left_open(known: "Settings") -> Iterator[str]:
    """The settings without which *known* sends nothing, or what the law does not let it send."""
    for name in (*NAMES, "database_url", "redis_url", "public_url"):
        if not plain(getattr(known, name)):
            yield _setting(name)
    for provider in known.esp_names:
        has: ProviderSettings = getattr(known, provider)
        for part in ("token", "webhook_key"):
            is_asked_for = not (provider == "ses" and part == "webhook_key")
            if is_asked_for and not getattr(has, part).get_secret_value():
                yield _setting(provider, part)
    # The examples would go out as the sender and as the postal address that the law asks for.
    for name in ("sender_address", "postal_address"):
        if getattr(known, name) == type(known).model_fields[name].default:
            yield _setting(name)


def left_as_it_was(known: "Settings") -> Iterator[str]:
    """The settings of *known* that still say what anybody can read in the example."""
    for name, value in known:
        parts = dict(value) if isinstance(value, BaseModel) else {"": value}
        for part, held in parts.items():
            if isinstance(held, str | SecretStr) and CHANGE_ME in plain(held):
                yield _setting(name, part)


def plain(value: object) -> str:
    """*value* as text, a secret's own too."""
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _setting(*parts: str) -> str:
    return "_".join(filter(None, ("NEWSLETTER", *parts))).upper()
