"""Builders: comparisons, editions and their mail; whatever matters to a test is spelled out in it."""

from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

from digests.edition import Edition, Entry
from digests.facts import ComparisonFacts, PanelFacts, ReviewFacts, ToolFacts, Verdict, slug_of
from digests.words.wording import entry, opening_of, preheader_of, subject_of, without_repeats
from newsletter.rendering import House

SHIP, SKIP, MIXED = Verdict.ship, Verdict.skip, Verdict.mixed
SEATS: Final = ("Builder", "Skeptic", "Futurist", "Founder")
HOUSE: Final = House(
    publication="Weekly AI Tool Verdicts",
    public_url="https://weekly.shiporskip.example",
    postal_address="Ship or Skip, 1 Example Street, Springfield",
    sender_domain="shiporskip.example",
)
_PAGES: Final = (
    "smolvlm2-2b-vs-mistral-8b-instruct-v3",
    "smolvlm2-vs-mistral-3-small",
    "smolvlm2-2b-vs-mistral-large-3",  # the reader's extract: no verdicts, scores or prices
)


def the_pages() -> list[ComparisonFacts]:
    """Three real compare pages, the last one an extract."""
    data = Path(__file__).parent.parent / "data"
    return [
        ComparisonFacts.model_validate_json((data / f"{slug}.json").read_bytes()) for slug in _PAGES
    ]


def a_review(
    verdict: Verdict | None = SHIP,
    *,
    reviewer: str | None = "Builder",
    score: int | None = 80,
    text: str = "The primitive is clean because nobody has to ask for permission any more.",
) -> ReviewFacts:
    return ReviewFacts(reviewer=reviewer, score=score, verdict=verdict, text=text)


def a_tool(
    name: str,
    *,
    verdicts: tuple[Verdict, ...] = (SHIP, SHIP, SHIP, SHIP),
    entry: str | None = "Free",
    pricing: str | None = "Free",
    category: str = "Developer Tools",
) -> ToolFacts:
    """A tool with a panel whose seats vote as *verdicts*."""
    ships, skips = verdicts.count(SHIP), verdicts.count(SKIP)
    panel = SHIP if ships > skips else SKIP if skips > ships else MIXED
    return ToolFacts(
        name=name,
        category=category,
        tagline=f"What {name} says of itself",
        entry=entry,
        pricing=pricing,
        best_for=f"Whoever needs {name}",
        panel=PanelFacts(
            verdict=panel,
            ship_percent=100 * ships / len(verdicts),
            ships=ships,
            skips=skips,
        ),
        reviews=tuple(
            ReviewFacts(
                reviewer=seat,
                score=85 if verdict is SHIP else 35,
                verdict=verdict,
                text=f"{seat} would {verdict} {name} because the whole case for it is clear enough.",
            )
            for seat, verdict in zip(SEATS, verdicts, strict=False)
        ),
    )


def a_pair(left: ToolFacts, right: ToolFacts) -> ComparisonFacts:
    title = f"{left.name} vs {right.name}"
    return ComparisonFacts(slug=slug_of(title), title=title, tools=(left, right))


def entries(*pages: ComparisonFacts) -> tuple[Entry, ...]:
    return without_repeats(
        [entry(page, address=f"https://shiporskip.example/compare/{page.slug}") for page in pages]
    )


def an_edition(*known: Entry, opening: str | None = None, subject: str | None = None) -> Edition:
    return Edition(
        issue="2026-W48",
        number=48,
        dated=date(2026, 11, 23),
        subject=subject or subject_of(known),
        preheader=preheader_of(known),
        opening=opening_of(known) if opening is None else opening,
        entries=known,
    )


def filled(part: str) -> str:
    """*part* as one reader gets it."""
    for name in ("unsubscribe", "preferences", "view", "open", "click", "verdict"):
        part = part.replace(f"[%{name}%]", f"{name:x<28}")
    part = part.replace("[%kept%]", "You keep SmolVLM2-2B: compared this week.")
    return part.replace("[%joined%]", "3 October 2026")


class Skeleton(HTMLParser):
    """What a mail is made of: its tags in order, its links, what a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []
        self.seen: list[str] = []
        self._unseen = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(sorted(name for name, _ in attrs))))
        self.links += [value for name, value in attrs if name == "href" and value]
        self._unseen += tag in {"style", "title"}

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in {"style", "title"}

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.seen.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.seen).split())
