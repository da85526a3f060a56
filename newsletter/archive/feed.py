"""The archive as an Atom feed (RFC 4287): the newest editions, each with what it compares."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final
from xml.etree import ElementTree as ET

from newsletter.archive import Edition

_ATOM: Final = "http://www.w3.org/2005/Atom"

#: Editions in the feed: a quarter of a year, and nobody is away for longer.
ENTRIES: Final = 13


@dataclass(frozen=True, slots=True)
class Item:
    """One edition, and the comparisons in it: title and address."""

    edition: Edition
    pairs: Sequence[tuple[str, str]]


def atom(items: Sequence[Item], *, publication: str, tagline: str, base: str) -> bytes:
    """The feed's document; empty of entries before the first edition went out."""
    ET.register_namespace("", _ATOM)
    home = f"{base.rstrip('/')}/archive"
    feed = ET.Element(_tag("feed"))
    _add(feed, "id", home)
    _add(feed, "title", publication)
    _add(feed, "subtitle", tagline)
    _add(feed, "link", rel="alternate", type="text/html", href=home)
    _add(feed, "link", rel="self", type="application/atom+xml", href=f"{home}.atom")
    # RFC 4287 asks for a moment even of an empty feed.
    newest = items[0].edition.sent_at.isoformat() if items else "1970-01-01T00:00:00+00:00"
    _add(feed, "updated", newest)
    _add(_add(feed, "author"), "name", publication)
    for item in items:
        _entry(feed, item)
    body: bytes = ET.tostring(feed, encoding="utf-8", xml_declaration=True)
    return body


def _entry(feed: ET.Element, item: Item) -> None:
    edition, entry = item.edition, _add(feed, "entry")
    _add(entry, "id", edition.address)
    _add(entry, "title", edition.subject)
    _add(entry, "link", rel="alternate", type="text/html", href=edition.address)
    _add(entry, "published", edition.sent_at.isoformat())
    _add(entry, "updated", edition.sent_at.isoformat())
    _add(entry, "summary", edition.preheader, type="text")
    listed = "".join(
        f'<li><a href="{escape(address)}">{escape(title)}</a></li>' for title, address in item.pairs
    )
    _add(entry, "content", f"<p>{escape(edition.preheader)}</p><ul>{listed}</ul>", type="html")


def _add(parent: ET.Element, name: str, words: str | None = None, **attributes: str) -> ET.Element:
    made = ET.SubElement(parent, _tag(name), attributes)
    # XML 1.0 has no way to say a control character.
    made.text = None if words is None else "".join(c for c in words if c.isprintable())
    return made


def _tag(name: str) -> str:
    return f"{{{_ATOM}}}{name}"
