"""What one comparison says in the mail, decided once for the HTML and the text: what is unknown is left out."""

from dataclasses import dataclass

from digests.edition import Entry, Quote
from digests.facts import ToolFacts, Verdict
from digests.tally import split_of
from digests.wording import label_of
from newsletter.rendering.inert import line


@dataclass(frozen=True, slots=True)
class Side:
    """One tool. *verdict* and *panel* are words; *pips* one verdict for each reviewer."""

    name: str
    tagline: str
    verdict: Verdict | None
    percent: int | None
    panel: str
    pips: tuple[Verdict, ...]
    price: str
    best_for: str
    community: str


@dataclass(frozen=True, slots=True)
class Voice:
    """One quote: what it is, in whose words, and who says it of what."""

    label: str
    tone: Verdict
    text: str
    by: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Card:
    """One comparison, ready to be set."""

    title: str
    category: str
    sides: tuple[Side, Side]
    voices: tuple[Voice, ...]
    changes: tuple[str, ...]
    note: str
    address: str


def card(entry: Entry) -> Card:
    """*entry* as the words that stand in the mail."""
    left, right = entry.facts.tools
    voices = [
        _voice(entry, quote, tone)
        for quote, tone in ((entry.case, Verdict.ship), (entry.dissent, Verdict.skip))
        if quote is not None
    ]
    return Card(
        title=line(entry.facts.title),
        category=_category(left, right),
        sides=(_side(left), _side(right)),
        voices=tuple(voices),
        changes=tuple(line(change) for change in entry.changes),
        note=entry.note or "",
        address=entry.address,
    )


def _side(tool: ToolFacts) -> Side:
    best_for, tagline = line(tool.best_for or ""), line(tool.tagline or "")
    return Side(
        name=line(tool.name),
        # The site often fills "best for" with the tagline; once is enough.
        tagline="" if tagline.casefold() == best_for.casefold() else tagline,
        verdict=tool.panel.verdict,
        percent=tool.panel.ship_percent,
        panel=_panel_words(tool),
        pips=_pips(tool),
        price=line(tool.pricing or tool.entry or ""),
        best_for=best_for,
        community=_community(tool),
    )


def _panel_words(tool: ToolFacts) -> str:
    ships, skips = split_of(tool)
    if ships is not None and skips is not None and ships + skips:
        return f"{ships} ship, {skips} skip"
    if tool.panel.ship_percent is not None:
        return "of the panel" if tool.panel.verdict else "of the panel ships"
    return ""


def _pips(tool: ToolFacts) -> tuple[Verdict, ...]:
    """In the panel's order where the page names each verdict, else ships first."""
    ships, skips = split_of(tool)
    if ships is None or skips is None or ships + skips > 12:  # noqa: PLR2004 - a row of squares
        return ()
    seats = tuple(review.verdict for review in tool.reviews if review.verdict is not None)
    if (seats.count(Verdict.ship), seats.count(Verdict.skip)) == (ships, skips):
        return seats
    return (Verdict.ship,) * ships + (Verdict.skip,) * skips


def _community(tool: ToolFacts) -> str:
    """The community's word, if it has one yet."""
    said = line(tool.community or "")
    return "" if said.casefold().startswith("no ") else said


def _category(left: ToolFacts, right: ToolFacts) -> str:
    named = dict.fromkeys(line(tool.category) for tool in (left, right) if tool.category)
    return " / ".join(named)


def _voice(entry: Entry, quote: Quote, tone: Verdict) -> Voice:
    who = line(quote.reviewer) if quote.reviewer else "A reviewer"
    words = [f"{quote.score}/100"] if quote.score is not None else []
    words += [quote.verdict.value] if quote.verdict is not None else []
    return Voice(
        label=label_of(entry, quote),
        tone=tone,
        text=line(quote.text),
        by=f"{who} on {line(quote.tool)}",
        verdict=" ".join(words),
    )
