"""An edition as values -> the mail as bytes: once for all readers, with placeholders for the rest."""

import hashlib
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from markupsafe import Markup

from digests.edition import Edition
from newsletter.esp import Content
from newsletter.rendering.card import Card, card
from newsletter.rendering.house import House
from newsletter.rendering.inert import Slots, address, in_a_path, inert, line
from newsletter.rendering.missed import earlier
from newsletter.rendering.mjml import BadTemplate, compiled
from newsletter.rendering.prose import as_html, as_text
from newsletter.rendering.typesetting import environment, padding, wrapped
from newsletter.rendering.week import week

__all__ = ["FIELDS", "BadTemplate", "House", "Rendered", "content_hash", "render"]

#: What differs from copy to copy, in the order of ``Copy.values``: five link references, the
#: day the reader joined, in words, the reference for votes, and what of theirs was compared.
FIELDS: Final = (
    "unsubscribe",
    "preferences",
    "view",
    "open",
    "click",
    "joined",
    "verdict",
    "kept",
)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail, and the addresses its links lead to: ``/r/{click}/{n}`` is the n-th of them."""

    content: Content
    links: tuple[str, ...]


@dataclass(slots=True)
class _Setting:
    """One mail being set: its slots, and the links it has met so far."""

    public_url: str
    track_clicks: bool
    slots: Slots = field(default_factory=Slots)
    links: list[str] = field(default_factory=list)
    targets: dict[str, str | None] = field(default_factory=dict)

    def own(self, kind: str, name: str, ending: str = "") -> Markup:
        """The reader's own address for *name*, as ``/u/[%unsubscribe%]``."""
        return self.slots.hold(f"{self.public_url}/{kind}/[%{name}%]{ending}")

    def value(self, name: str) -> Markup:
        """The reader's own value."""
        return self.slots.hold(f"[%{name}%]")

    def link(self, target: str) -> Markup | None:
        """A link to *target*, through the click counter if there is one; None if it leads nowhere."""
        if target not in self.targets:
            self.targets[target] = address(target)
        if (safe := self.targets[target]) is None:
            return None
        if safe not in self.links:
            self.links.append(safe)
        if not self.track_clicks:
            return self.slots.hold(safe)
        return self.own("r", "click", f"/{self.links.index(safe)}")


def render(
    edition: Edition, *, house: House, track_opens: bool = True, track_clicks: bool = False
) -> Rendered:
    """*edition* as a mail: HTML, plain text and headers, the same bytes for the same arguments.

    Raises BadTemplate when a template is not sound; content cannot make it so.
    """
    setting = _Setting(house.public_url.rstrip("/"), track_clicks)
    subject = inert(line(edition.subject) or line(house.publication))
    cards = [card(entry) for entry in edition.entries]
    known = {
        "edition": edition,
        "house": house,
        "weekday": f"{edition.dated:%A}",
        "dated": f"{edition.dated.day} {edition.dated:%B %Y}",
        "preheader": line(edition.preheader),
        "padding": padding(line(edition.preheader)),
        "cards": cards,
        "track_opens": track_opens,
        "title": setting.slots.hold(subject),
        "own": setting.own,
        "value": setting.value,
        "link": setting.link,
        "comparison_link": partial(_comparison_link, setting),
        "ballot": partial(_ballot, setting),
        "missed": earlier(edition.missed, setting.link, archive=f"{setting.public_url}/archive"),
        "week": week(edition.readers, setting.link, address=house.comparison_address),
        "prose": partial(as_html, link=partial(_prose_link, setting)),
        "prose_text": partial(as_text, link=partial(_prose_link, setting)),
        "wrapped": wrapped,
    }
    html = compiled(environment("email").get_template("edition.mjml").render(known))
    text = environment("email").get_template("edition.txt").render(known)
    content = Content(
        subject=subject,
        html=setting.slots.fill_html(inert(html)),
        text=setting.slots.fill_text(inert(text)),
        fields=FIELDS,
        headers=_headers(house, setting.public_url),
    )
    return Rendered(content, tuple(setting.links))


def content_hash(content: Content) -> str:
    """SHA-256 over all that a reader gets: what an editor approves.

    Each part goes in with its length before it, so no two contents share an encoding.
    """
    taken = hashlib.sha256()
    names = [part for header in content.headers for part in header]
    groups = ([content.subject, content.html, content.text], content.fields, names)
    for group in groups:
        taken.update(b"%d;" % len(group))
        for part in group:
            encoded = part.encode("utf-8", "surrogatepass")
            taken.update(b"%d:" % len(encoded) + encoded)
    return taken.hexdigest()


def _headers(house: House, public_url: str) -> tuple[tuple[str, str], ...]:
    """One-click unsubscribing (RFC 8058), the list's identity (RFC 2919), and that nobody posts to it."""
    name = "".join(c for c in line(house.publication) if c.isascii() and (c.isalnum() or c in " -"))
    name = " ".join(name.split())
    return (
        ("List-Unsubscribe", f"<{public_url}/u/[%unsubscribe%]>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("List-Id", f"{name} <{house.list_id}>" if name else f"<{house.list_id}>"),
        ("List-Post", "NO"),
    )


def _prose_link(setting: _Setting, target: str) -> str:
    return str(setting.link(target) or "")


def _ballot(setting: _Setting, tool: str, choice: str) -> Markup:
    """The reader's own address for a choice on *tool*, made ready and not yet made."""
    return setting.own("b", "verdict", f"/{in_a_path(tool)}/{choice}")


def _comparison_link(setting: _Setting, shown: Card) -> Markup | None:
    return setting.link(shown.address)
