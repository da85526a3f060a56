"""What production asks for: no setting is open or as the example has it, and what is secret is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, SecretStr

from newsletter.secrets import FORMER, NAMES
from newsletter.settings.providers import ProviderSettings

if TYPE_CHECKING:
    from newsletter.settings import Settings

#: What docs/deploy/newsletter.env says where a value belongs.
CHANGE_ME: Final = "CHANGE-ME"
#: Characters below which a secret can be guessed.
_SHORTEST: Final = 24
_EXAMPLES: Final = ("change-me", "changeme", "secret", "example", "password")
#: How each is replaced, and what becomes of what was made with the one before.
REPLACE: Final = {
    "link_secret": "Set it to what `openssl rand -base64 32` prints, and NEWSLETTER_FORMER_LINK_SECRETS "
    "to what it was, so that links already mailed keep working",
    "suppression_secret": "Before the first person joins, set it to what `openssl rand -base64 32` "
    "prints; after that it must stay, or nobody who was erased is known",
    "site_token": "Set it to what `openssl rand -base64 32` prints, and NEWSLETTER_FORMER_SITE_TOKENS "
    "to what it was until the site has the new one",
}


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
    """The settings of *known* that still say what anybody can read in the example.

    Not the suppression secret, nor what a secret was before: whoever has begun with the example's
    has a list that was made with it, and mails that are out (see below).
    """
    begun_with = {"suppression_secret", *FORMER.values()}
    for name, value in known:
        if name in begun_with:
            continue
        parts = dict(value) if isinstance(value, BaseModel) else {"": value}
        for part, held in parts.items():
            if isinstance(held, str | SecretStr) and CHANGE_ME in plain(held):
                yield _setting(name, part)


def left_weak(known: "Settings") -> Iterator[str]:
    """In a sentence each, the secrets of *known* that others may know or guess, and the way out.

    The suppression secret can have none, since it may never change once somebody is on the list: of
    that one `newsletter migrate` knows better, which has the list to look at.
    """
    for name in FORMER:
        if why := why_weak(known, name):
            yield f"{_setting(name)} {why}. {REPLACE[name]}."


def why_weak(known: "Settings", name: str) -> str:
    """What is wrong with the secret *name*, in words that follow its name; empty when it is well."""
    values = {one: plain(getattr(known, one)) for one in NAMES}
    value = values.pop(name)
    if value in _of_the_embedded_default(known.home):
        return "is the one of the embedded default"
    if value.lower().startswith(_EXAMPLES):
        return "is an example"
    if len(value) < _SHORTEST:
        return f"has fewer than {_SHORTEST} characters"
    if twins := [_setting(other) for other, held in values.items() if held == value]:
        return f"is the same as {twins[0]}"
    return ""


def _of_the_embedded_default(home: Path) -> set[str]:
    found: set[str] = set()
    for folder in {home, Path("var")}:
        try:
            kept = json.loads((folder / "secrets.json").read_text())
        except (OSError, ValueError):
            continue
        found |= {str(kept[name]) for name in NAMES if name in kept}
        found |= {str(one) for former in kept.get("former", {}).values() for one in former}
    return found


def plain(value: object) -> str:
    """*value* as text, a secret's own too."""
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _setting(*parts: str) -> str:
    return "_".join(filter(None, ("NEWSLETTER", *parts))).upper()
