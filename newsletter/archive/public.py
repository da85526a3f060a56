"""A stored mail as anybody may read it: every reader's own link and value taken out, nothing else touched."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Final

#: The open pixel, before its link is filled in.
_PIXEL: Final = re.compile(r"<img\b[^>]*/o/\[%[^>]*>", re.IGNORECASE)
#: An address that is one reader's own: which kind, its placeholder, and what follows.
_OWN: Final = re.compile(r"https?://[^\s\"'<>\[\]]*/([a-z]+)/\[%[A-Za-z0-9_]+%\]([^\s\"'<>]*)")
_GAP: Final = re.compile(r"\[%([A-Za-z0-9_]+)%\]")
#: What stands where a value of the reader's own stood; any other leaves nothing.
_SAID: Final = {"joined": "an earlier day"}


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The issues before and after one, and since when there is one after it."""

    before: str | None
    after: str | None
    since: datetime | None = None


def html_of(html: str, links: Sequence[str], *, issue: str, base: str) -> str:
    """The HTML part *html* for everybody; *links* are what its counted links lead to.

    The way to the copy in the browser leads to the archive; leaving, choosing and
    voting lead to a page that says where those links are.
    """
    return _public(_PIXEL.sub("", html), links, issue=issue, base=base, written=escape)


def text_of(text: str, links: Sequence[str], *, issue: str, base: str) -> str:
    """The same for the text part."""
    return _public(text, links, issue=issue, base=base, written=str)


def _public(
    part: str, links: Sequence[str], *, issue: str, base: str, written: Callable[[str], str]
) -> str:
    archive = f"{base.rstrip('/')}/archive"

    def instead(found: re.Match[str]) -> str:
        kind, rest = found[1], found[2]
        if kind == "r" and (number := rest.strip("/")).isdecimal() and int(number) < len(links):
            return written(links[int(number)])
        return f"{archive}/{issue}" if kind == "v" else f"{archive}/personal"

    return _GAP.sub(lambda gap: _SAID.get(gap[1], ""), _OWN.sub(instead, part))
