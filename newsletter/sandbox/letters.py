"""One mail as its reader's client would get it, and its RFC 5322 source."""

import email.message
import email.policy
import email.utils
import hashlib
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

_LINK: Final = re.compile(r"""href=["'](https?://[^"']+)["']""", re.IGNORECASE)
# Long tokens in List-Unsubscribe must not be folded into encoded words.
_POLICY: Final = email.policy.SMTP.clone(max_line_length=0)


@dataclass(frozen=True, slots=True)
class Letter:
    """A merged mail. *headers* are the extra ones in order; *meta* and *tags* are the sender's own."""

    sender: str
    recipient: str
    subject: str
    html: str
    text: str
    reply_to: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    def header(self, name: str) -> str | None:
        """The first extra header of that name, however it is capitalised, or None."""
        wanted = name.lower()
        return next((value for known, value in self.headers if known.lower() == wanted), None)

    def all_headers(self, *, message_id: str, sent_at: datetime) -> tuple[tuple[str, str], ...]:
        """Every header the reader's client sees above the body's own, in order."""
        return (
            ("From", self.sender),
            ("To", self.recipient),
            ("Subject", self.subject),
            ("Date", email.utils.format_datetime(sent_at)),
            ("Message-ID", f"<{message_id}>"),
            *((("Reply-To", self.reply_to),) if self.reply_to else ()),
            *self.headers,
        )

    def source(self, *, message_id: str, sent_at: datetime) -> bytes:
        """The mail on the wire (RFC 5322, MIME); the same letter gives the same bytes."""
        mail = email.message.EmailMessage(policy=email.policy.SMTP)
        for name, value in self.all_headers(message_id=message_id, sent_at=sent_at):
            mail[name] = value
        mail.set_content(self.text or "", cte="quoted-printable")
        if self.html:
            mail.add_alternative(self.html, subtype="html", cte="quoted-printable")
            mail.set_boundary("=_" + hashlib.sha256(message_id.encode()).hexdigest()[:32])
        return mail.as_bytes(policy=_POLICY)


def first_link(letter: Letter) -> str | None:
    """What somebody would click on first: the first web address that is not for leaving."""
    leaving = letter.header("List-Unsubscribe") or ""
    found: list[str] = [html.unescape(link) for link in _LINK.findall(letter.html)]
    return next((link for link in found if f"<{link}>" not in leaving), None)


def mailbox(name: str | None, address: str) -> str:
    """*name* and *address* as one header value: ``Ship or Skip <a@example.org>``."""
    return email.utils.formataddr((name, address)) if name else address


def bare(value: str) -> str:
    """The address in a header value that may carry a name."""
    if "<" not in value:
        return value.strip()
    before, _, after = value.rpartition("<")
    if after.endswith(">") and '"' not in before:
        return after[:-1].strip()
    return email.utils.parseaddr(value)[1] or value.strip()


def is_address(value: str) -> bool:
    """Whether *value* is one bare address, as providers check it in a call."""
    local, at, domain = value.rpartition("@")
    if not at or not local or "." not in domain or len(value) > 320 or not value.isascii():  # noqa: PLR2004 - RFC 3696, erratum 1690
        return False
    if domain.startswith((".", "-")) or domain.endswith((".", "-")) or ".." in domain:
        return False
    return not _BAD.intersection(value)


_BAD: Final = frozenset(' \t\r\n,;:<>()[]"\\')
