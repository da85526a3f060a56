"""Facts -> a compare page as the site's text shows it, in both shapes: the reader's counterpart.

Used to ask of any facts whatever: printed and read again, are they the same?
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from digests.facts import ComparisonFacts, PanelFacts, ReviewFacts, ToolFacts, key_of

SUMMARY = (
    "Which one should you ship with? Here is the side-by-side panel verdict, pricing read, "
    "reviewer split, and community vote comparison."
)
SIGNUP = (
    "Weekly AI Tool Verdicts",
    "Get the next comparison in your inbox",
    "New AI tools ship daily. We compare them before you waste an afternoon.",
)
NO_BOOKMARKS = (
    "Bookmarks",
    "Loading bookmarks...",
    "No bookmarks yet",
    "Bookmark tools to save them for later",
)


@dataclass(frozen=True)
class Manner:
    """How a page is set; each field is a way in which real pages differ."""

    breadcrumb: bool = True
    heading: bool = True
    logos: bool = True
    dash: str | None = None  # None: what is unknown has lost its line
    separator: str = " \u00b7 "
    gap: str = "\n\n"  # between blocks
    line_end: str = "\n"
    signup: Sequence[str] = SIGNUP
    bookmarks: Sequence[str] = NO_BOOKMARKS
    quotes: tuple[str, str] = ("\u201c", "\u201d")


def full_page(facts: ComparisonFacts, manner: Manner = Manner()) -> str:
    blocks: list[str] = []
    if manner.breadcrumb:
        blocks.append(f"Compare/{facts.title}")
    if manner.heading:
        blocks.append("AI tool comparison")
    blocks.append(facts.title)
    blocks += paragraphs(facts.summary)
    for tool in facts.tools:
        blocks += _hero(tool, manner, word=True)
    blocks += ["\n".join(_table(facts, manner)), "Reviewer scorecard"]
    blocks += _scorecard(facts, manner)
    return _set([*blocks, *manner.signup, *manner.bookmarks], manner)


def extract(facts: ComparisonFacts, manner: Manner = Manner()) -> str:
    blocks = ["AI tool comparison", facts.title, *paragraphs(facts.summary)]
    for tool in facts.tools:
        blocks += _hero(tool, manner, word=False)
    blocks.append("Reviewer scorecard")
    left, right = (tool.reviews for tool in facts.tools)
    opening, closing = manner.quotes
    for pair in zip_longest(left, right):
        for review in pair:
            text = review and f"{opening}{review.text}{closing}"
            blocks += [text] if text else _known("", manner)
    return _set([*blocks, *manner.signup], manner)


def as_extract_says(facts: ComparisonFacts) -> ComparisonFacts:
    """*facts* without what an extract never says."""
    return facts.model_copy(
        update={
            "tools": tuple(
                tool.model_copy(
                    update={
                        "pricing": None,
                        "best_for": None,
                        "details": (),
                        "panel": PanelFacts(ship_percent=tool.panel.ship_percent),
                        "community": _top_community(tool) or None,
                        "reviews": tuple(ReviewFacts(text=review.text) for review in tool.reviews),
                    }
                )
                for tool in facts.tools
            )
        }
    )


def paragraphs(text: str | None) -> list[str]:
    return text.split("\n\n") if text else []


def _hero(tool: ToolFacts, manner: Manner, *, word: bool) -> list[str]:
    percent = tool.panel.ship_percent
    lines = [tool.name[0]] if word and manner.logos else []
    lines += [tool.category] if tool.category else []
    lines.append(tool.name)
    lines += [tool.tagline] if tool.tagline else []
    lines += [tool.panel.verdict.capitalize()] if word and tool.panel.verdict else []
    lines += _known(f"{percent}%" if percent is not None else "", manner)
    lines.append("Panel ship")
    lines += [*_known(_top_community(tool), manner), "Community"]
    lines += [*_known(tool.entry or "", manner), "Entry"]
    return [*lines, *paragraphs(tool.description)]


def _top_community(tool: ToolFacts) -> str:
    return f"{tool.community_percent}%" if tool.community_percent is not None else ""


def _table(facts: ComparisonFacts, manner: Manner) -> list[str]:
    left, right = facts.tools
    rows: list[tuple[str, str | None, str | None]] = [
        ("Panel verdict", _panel(left.panel, manner), _panel(right.panel, manner)),
        ("Community", left.community, right.community),
        ("Pricing", left.pricing, right.pricing),
        ("Best for", left.best_for, right.best_for),
        ("Category", left.category, right.category),
    ]
    labels = {key_of(d.label): d.label for tool in facts.tools for d in tool.details}
    rows += [(label, _detail(left, key), _detail(right, key)) for key, label in labels.items()]
    lines = ["Decision", left.name, right.name]
    for label, *cells in rows:
        lines.append(label)
        for cell in cells:
            lines += _known(cell or "", manner)
    return lines


def _detail(tool: ToolFacts, key: str) -> str | None:
    return next((row.text for row in tool.details if key_of(row.label) == key), None)


def _panel(panel: PanelFacts, manner: Manner) -> str:
    split = f"{panel.ships} ship / {panel.skips} skip" if panel.ships is not None else ""
    word = panel.verdict.capitalize() if panel.verdict else ""
    return manner.separator.join(part for part in (word, split) if part)


def _scorecard(facts: ComparisonFacts, manner: Manner) -> list[str]:
    names = {
        key_of(r.reviewer): r.reviewer for tool in facts.tools for r in tool.reviews if r.reviewer
    }
    blocks: list[str] = []
    for key, name in names.items():
        cells: list[list[str]] = []
        for tool in facts.tools:
            said = next((r for r in tool.reviews if key_of(r.reviewer or "") == key), None)
            cells.append(
                [_score(said, manner), *paragraphs(said.text)] if said else _known("", manner)
            )
        flat = [block for cell in cells for block in cell]
        blocks += [f"{name}\n{flat[0]}", *flat[1:]]
    return blocks


def _score(review: ReviewFacts, manner: Manner) -> str:
    score = review.score if review.score is not None else "\u2014"
    verdict = review.verdict or "\u2014"
    return f"{score}/100{manner.separator}{verdict}"


def _known(words: str, manner: Manner) -> list[str]:
    if words:
        return [words]
    return [manner.dash] if manner.dash else []


def _set(blocks: Sequence[str], manner: Manner) -> str:
    return manner.gap.join(blocks).replace("\n", manner.line_end)
