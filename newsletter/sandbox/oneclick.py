"""The mail client's unsubscribe button: the POST of RFC 8058, sent as a mailbox provider sends it."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import httpx

from newsletter.sandbox.letters import Letter

_URI: Final = re.compile(r"<([^<>]+)>")
_LOCAL: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_TIMEOUT: Final = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Leaving:
    """Whether the sender's server took the request, and what to tell the reader."""

    left: bool
    said: str
    status: int | None = None


def one_click_url(letter: Letter) -> str | None:
    """Where the button posts to, or None when the mail does not offer one-click (RFC 8058, 3.1).

    HTTPS is required, except on this machine itself.
    """
    if (letter.header("List-Unsubscribe-Post") or "").strip() != "List-Unsubscribe=One-Click":
        return None
    found: list[str] = _URI.findall(letter.header("List-Unsubscribe") or "")
    for uri in found:
        parts = urlsplit(uri)
        if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL):
            return uri
    return None


def leave(letter: Letter) -> Leaving:
    """Press the button; never raises for what the sender's server does."""
    url = one_click_url(letter)
    if url is None:
        return Leaving(left=False, said="This mail offers no one-click unsubscribe (RFC 8058).")
    try:
        # No cookies, no redirects: that is all a mailbox provider sends.
        response = httpx.post(
            url,
            data={"List-Unsubscribe": "One-Click"},
            follow_redirects=False,
            timeout=_TIMEOUT,
        )
    except httpx.HTTPError as error:
        return Leaving(
            left=False, said=f"The sender's server did not answer ({type(error).__name__})."
        )
    if response.is_redirect:
        return Leaving(
            left=False,
            said="The sender's server answered with a redirect, which RFC 8058 does not allow.",
            status=response.status_code,
        )
    if not response.is_success:
        return Leaving(
            left=False,
            said=f"The sender's server refused with status {response.status_code}.",
            status=response.status_code,
        )
    return Leaving(left=True, said="Unsubscribed by one click.", status=response.status_code)
