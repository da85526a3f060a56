"""Addresses among the settings: one that can lead nowhere is refused at the start, in a sentence."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from newsletter.settings import Settings

_MAILBOX: Final = re.compile(r"[^@\s,<>]+@[^@\s,<>]+\.[^@\s,<>.]+")


def that_lead_nowhere(known: "Settings") -> Iterator[str]:
    """A sentence for each of *known*, without the address: there may be a password in it."""
    for name, schemes, example in (
        (
            "database_url",
            {"postgresql", "postgres", "sqlite"},
            "postgresql://user:password@host/name",
        ),
        ("redis_url", {"redis", "rediss", "unix"}, "redis://host/0"),
        ("broker_url", None, "redis://host/1"),
        ("public_url", {"http", "https"}, "https://news.example.com"),
        ("traces_url", {"http", "https"}, "http://collector:4318/v1/traces"),
    ):
        if (url := getattr(known, name)) and not _is_address(url, schemes):
            yield f"NEWSLETTER_{name.upper()} is no address that can be used; write it as {example}."
    for name in ("sender_address", "reply_to"):
        if (mailbox := getattr(known, name)) and not _MAILBOX.fullmatch(mailbox):
            yield f"NEWSLETTER_{name.upper()} is no mail address; write it as verdicts@news.example.com."


def _is_address(url: str, schemes: set[str] | None) -> bool:
    """By its scheme; what follows is for the driver to read, which takes passwords that no rule allows."""
    scheme, parted, rest = url.partition("://")
    if not parted or (schemes is not None and scheme.partition("+")[0].lower() not in schemes):
        return False
    return bool(rest) if scheme in {"http", "https"} else True
