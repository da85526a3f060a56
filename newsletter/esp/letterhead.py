"""What stands at the head of every copy: whom it is from, and the mail's own headers, made safe."""

import re
from collections.abc import Collection, Iterator
from email.header import Header
from typing import Final

from newsletter.esp import Content, Unsendable
from newsletter.esp.merging import RESERVED_MARK

#: The provider makes these itself; a second one makes a mail invalid or is refused.
RESERVED: Final = frozenset(
    {"to", "from", "subject", "reply-to", "cc", "bcc", "sender", "date", "message-id", "received"}
    | {"dkim-signature", "mime-version", "content-type", "content-transfer-encoding"}
)

_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,126}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\ufffe]")
_FOREIGN_WORDS: Final = re.compile(r"\S*[^\x00-\x7f]\S*(?:\s+\S*[^\x00-\x7f]\S*)*")
_NEEDS_QUOTES: Final = re.compile(r'[()<>@,;:\\".\[\]]')


def headers_of(
    content: Content, *, provider: str, forbidden: Collection[str] = RESERVED
) -> Iterator[tuple[str, str]]:
    """The content's headers in order, in ASCII (RFC 2047). Raises Unsendable.

    A placeholder that stands in a word with other letters cannot be filled in
    later, so such a header is refused.
    """
    seen: set[str] = set()
    for name, value in content.headers:
        if not _HEADER_NAME.fullmatch(name) or _CONTROL.search(value):
            raise Unsendable(provider, f"the header {name[:40]!r} is malformed")
        if name.lower() in forbidden:
            raise Unsendable(provider, f"it makes the header {name} itself")
        if name.lower() in seen:
            raise Unsendable(provider, f"the header {name} stands in it twice")
        seen.add(name.lower())
        encoded = _FOREIGN_WORDS.sub(lambda found: in_ascii(found[0]), value)
        if encoded != value and encoded.count("[%") < value.count("[%"):
            raise Unsendable(provider, f"the header {name} joins a placeholder to foreign letters")
        yield name, encoded


def mailbox(name: str, address: str, *, encoded: bool = False) -> str:
    """``Name <address>`` as it stands in a From header; *encoded* puts foreign letters in ASCII."""
    if not name:
        return address
    if encoded and not name.isascii():
        return f"{in_ascii(name)} <{address}>"
    if _NEEDS_QUOTES.search(name):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{name} <{address}>"


def check(content: Content, sender_name: str, *, provider: str) -> None:
    """Raises Unsendable for a mail without a subject or body, or whose head could be forged."""
    if not content.subject or not (content.html or content.text):
        raise Unsendable(provider, "it has no subject or no body")
    if _CONTROL.search(content.subject) or _CONTROL.search(sender_name):
        raise Unsendable(provider, "its subject or its sender's name holds a control character")
    if any(RESERVED_MARK in part for part in (content.subject, content.html, content.text)):
        raise Unsendable(provider, "it holds U+FFFE, which is no character")


def in_ascii(text: str) -> str:
    """*text* as encoded words (RFC 2047) on one line; ASCII stays as it is."""
    return text if text.isascii() else Header(text, "utf-8", maxlinelen=75).encode(linesep="")
