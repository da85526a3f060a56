"""A mail's HTML made ready to be looked at in a sandboxed frame."""

import re
from typing import Final, Literal

Mode = Literal["light", "dark"]

_HEAD: Final = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
_PREFERS: Final = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(dark|light)\s*\)", re.IGNORECASE)

#: Neither scripts nor forms nor frames: images, styles and links are what a mail client allows.
POLICY: Final = (
    "default-src 'none'; img-src {images}; style-src 'unsafe-inline' https:; "
    "font-src https: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)


def framed(html: str, mode: Mode) -> str:
    """*html* as a client in that colour scheme shows it, with links that open in a new tab.

    The viewer's own preference must not decide, so the media queries are
    rewritten into ones that always or never hold.
    """

    def decided(query: re.Match[str]) -> str:
        return "(min-width:0)" if query[1].lower() == mode else "(max-width:0)"

    ready = _PREFERS.sub(decided, html)
    extra = f'<base target="_blank"><style>:root{{color-scheme:{mode}}}</style>'
    head = _HEAD.search(ready)
    at = head.end() if head else 0
    return ready[:at] + extra + ready[at:]


def policy(*, images: bool) -> str:
    """The Content-Security-Policy of the frame; without images nothing is fetched at all."""
    return POLICY.format(images="http: https: data:" if images else "data:")
