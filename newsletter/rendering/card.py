"""What one comparison says in the mail, decided once for both parts: the unknown is left out."""

import textwrap
from dataclasses import dataclass
from typing import Final

from digests.edition import Entry, Quote
from digests.facts import ToolFacts, Verdict
from digests.words.tally import split_of
from digests.words.wording import label_of
from newsletter.rendering.inert import line

#: Characters of a price or a tagline: the mail compares, the page has the small print.
_FACT_LENGTH: Final = 160
_MOST_PIPS: Final = 12
_TONES: Final = {
    "The case for": Verdict.ship,
    "The dissent": Verdict.skip,
    "The case against": Verdict.skip,
    "The doubt": Verdict.mixed,
}


@dataclass(frozen=True, slots=True)
class Side:
    """One tool. *percent*, *of_panel* and *panel* are words; *pips* one verdict for each reviewer."""

    name: str
    slug: str
    tagline: str
    verdict: Verdict | None
    percent: str
    of_panel: str
    panel: str
    pips: tuple[Verdict, ...]
    price: str
    best_for: str
    community: str


@dataclass(frozen=True, slots=True)
class Voice:
    """One quote: what it is, in whose words, of what, and with which verdict in words."""

    label: str
    tone: Verdict
    text: str
    by: str
    verdict: str
    said: Verdict | None


@dataclass(frozen=True, slots=True)
class Card:
    """One comparison, ready to be set. *pair* are the two names when the title is no more than them."""

    title: str
    pair: tuple[str, str] | None
    category: str
    sides: tuple[Side, Side]
    voices: tuple[Voice, ...]
    changes: tuple[str, ...]
    note: str
    address: str


def card(entry: Entry) -> Card:
    """*entry* as the words that stand in the mail."""
    left, right = entry.facts.tools
    title, names = line(entry.facts.title), (line(left.name), line(right.name))
    return Card(
        title=title,
        pair=names if title == " vs ".join(names) else None,
        category=_category(left, right),
        sides=(_side(left), _side(right)),
        voices=tuple(_voice(entry, quote) for quote in entry.quotes),
        changes=tuple(line(change) for change in entry.changes),
        note=entry.note or "",
        address=entry.address,
    )


def _side(tool: ToolFacts) -> Side:
    best_for, tagline = _fact(tool.best_for), _fact(tool.tagline)
    percent = tool.panel.ship_percent
    return Side(
        name=line(tool.name),
        slug=tool.slug,
        # The site often fills "best for" with the tagline; once is enough.
        tagline="" if tagline.casefold() == best_for.casefold() else tagline,
        verdict=tool.panel.verdict,
        percent="" if percent is None else f"{percent:.3g}%",
        # Without a verdict of its own, the figure says what it counts.
        of_panel="of the panel" if tool.panel.verdict else "of the panel ships",
        panel=_panel_words(tool),
        pips=_pips(tool),
        price=_fact(tool.pricing or tool.entry),
        best_for=best_for,
        community=_community(tool),
    )


def _fact(text: str | None) -> str:
    said = line(text or "")
    if len(said) <= _FACT_LENGTH:
        return said
    return textwrap.shorten(said, _FACT_LENGTH, placeholder=" …")


def _panel_words(tool: ToolFacts) -> str:
    ships, skips = split_of(tool)
    if ships is None or skips is None or not ships + skips:
        return ""
    return f"{ships} ship, {skips} skip"


def _pips(tool: ToolFacts) -> tuple[Verdict, ...]:
    """In the panel's order where the page names each verdict, else ships first."""
    ships, skips = split_of(tool)
    if ships is None or skips is None or ships + skips > _MOST_PIPS:
        return ()
    seats = tuple(review.verdict for review in tool.reviews if review.verdict is not None)
    if (seats.count(Verdict.ship), seats.count(Verdict.skip)) == (ships, skips):
        return seats
    return (Verdict.ship,) * ships + (Verdict.skip,) * skips


def _community(tool: ToolFacts) -> str:
    """The community's word, if it has one yet."""
    said = _fact(tool.community)
    if said and not said.casefold().startswith("no "):
        return said
    return "" if tool.community_percent is None else f"{tool.community_percent:.3g}% ship"


def _category(left: ToolFacts, right: ToolFacts) -> str:
    named = dict.fromkeys(line(tool.category) for tool in (left, right) if tool.category)
    return " / ".join(named)


def _voice(entry: Entry, quote: Quote) -> Voice:
    label = label_of(entry, quote)
    words = [f"{quote.score}/100"] if quote.score is not None else []
    words += [quote.verdict.value] if quote.verdict is not None else []
    return Voice(
        label=label,
        tone=_TONES[label],
        text=line(quote.text),
        by=f"{line(quote.reviewer) if quote.reviewer else 'A reviewer'} on {line(quote.tool)}",
        verdict=" ".join(words),
        said=quote.verdict,
    )
