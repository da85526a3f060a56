"""A compare page as text -> what it says. Pure: no file, no store, no clock.

Two shapes are read, and whatever lies between them: the full page with its
decision table and scorecard, and the reader's extract without either. Every
line finds its place or refuses the page; only what stands on every page alike
(the signup, the visitor's bookmarks, a tool's initials) says nothing of the
tools and is passed over.
"""

import re
from collections.abc import Iterator
from typing import Final, TypedDict

from digests.facts import ComparisonFacts, key_of, slug_of
from digests.reading.decision_table import rows_of
from digests.reading.hero import Side, describe, hero_of
from digests.reading.page_facts import PROSE, TITLE, agreement, checked, panel_facts, tool_facts
from digests.reading.page_lines import Lines, PageLine, PageRefused, lines_of, prose_of, quoted
from digests.reading.scorecard import looks_like_a_score, reviews_of

#: Far beyond any compare page; a longer text is something else.
MOST_LINES: Final = 2_000

_HEADING: Final = "ai tool comparison"
_STANDARD_SUMMARY: Final = "which one should you ship with?"
_SCORECARD: Final = "reviewer scorecard"
_BREADCRUMB: Final = re.compile(r"compare\s*[/\u203a\u00bb>]\s*(?P<title>.*)", re.IGNORECASE)
# A lookahead, for a name may end in the word: "Batman vs vs Superman" has two places to part it.
_VERSUS: Final = re.compile(r"(?=(\s(?:vs\.?|versus)\s))", re.IGNORECASE)
_OTHER_SECTION: Final = re.compile(
    r"(related|more|other|similar|popular|trending|recent|latest)( ai)? (comparisons?|tools?)",
    re.IGNORECASE,
)
_TABLE: Final = "decision"
_SHORTEST_SUMMARY: Final = 60
_SIGNUP_OPENS: Final = frozenset(
    {
        "weekly ai tool verdicts",
        "get the next comparison in your inbox",
        "new ai tools ship daily. we compare them before you waste an afternoon.",
    }
)
_SIGNUP: Final = frozenset(
    {
        *_SIGNUP_OPENS,
        "email",
        "email address",
        "your email",
        "enter your email",
        "you@example.com",
        "subscribe",
        "sign up",
        "join",
    }
)
_BOOKMARKS: Final = re.compile(r"bookmarks(\s*\(?\d+\)?)?")
_EMPTY_BOOKMARKS: Final = "no bookmarks yet"
_NO_BOOKMARKS: Final = frozenset(
    {"loading bookmarks...", _EMPTY_BOOKMARKS, "bookmark tools to save them for later"}
)


class _Sections(TypedDict):
    """The lines under the right tool's figures, each under what they are part of."""

    description: Lines
    table: Lines
    scorecard: Lines


def read_page(text: str) -> ComparisonFacts:
    """What the compare page *text* says, exactly as written; None for what it does not say.

    Raises PageRefused with the line and what was expected there. Where the top
    of the page and the decision table say the same thing differently, the page
    is refused: nobody can tell which of the two its readers should believe.
    """
    lines = lines_of(text)
    if not lines:
        raise PageRefused(1, "expected a compare page, found nothing")
    if len(lines) > MOST_LINES:
        raise PageRefused(
            lines[MOST_LINES].number, f"expected the end of the page within {MOST_LINES:,} lines"
        )
    title, body = _title(lines)
    refusals: list[PageRefused] = []
    for names in _names_in(title):
        try:
            return _read(title, names, body)
        except PageRefused as refusal:
            refusals.append(refusal)
    if not refusals:
        raise title.expected("a title such as \u201cX vs Y\u201d")
    # A name may hold " vs " itself; the reading that got furthest knows best what is wrong.
    raise max(refusals, key=lambda refusal: refusal.line)


def _title(lines: Lines) -> tuple[PageLine, Lines]:
    """The line ``X vs Y`` and what stands under it."""
    breadcrumb: PageLine | None = None
    at = 0
    if match := _BREADCRUMB.fullmatch(lines[0].text):
        breadcrumb, at = PageLine(lines[0].number, match["title"].strip(), after_gap=False), 1
    if at < len(lines) and lines[at].key == _HEADING:
        at += 1
    if at < len(lines) and _VERSUS.search(lines[at].text):
        title = lines[at]
        if breadcrumb and breadcrumb.key != title.key:
            raise title.expected(f"{quoted(breadcrumb.text)}, as on line {breadcrumb.number}")
        return title, lines[at + 1 :]
    if breadcrumb and _VERSUS.search(breadcrumb.text):
        return breadcrumb, lines[at:]
    here = lines[min(at, len(lines) - 1)]
    raise here.expected("a title such as \u201cX vs Y\u201d")


def _names_in(title: PageLine) -> Iterator[tuple[str, str]]:
    for match in _VERSUS.finditer(title.text):
        left, right = title.text[: match.start(1)], title.text[match.end(1) :]
        if left.strip() and right.strip():
            yield left.strip(), right.strip()


def _read(title: PageLine, names: tuple[str, str], body: Lines) -> ComparisonFacts:
    standard = bool(body) and body[0].key.startswith(_STANDARD_SUMMARY)
    under = body[1:] if standard else body
    if not under:
        last = body[0] if standard else title
        raise PageRefused(last.number, "expected the two tools under this line, found nothing")
    above, left, right, rest = hero_of(under, names)
    summary = _summary([*body[:1], *above] if standard else above)
    sections = _sections(rest, names)
    describe(right, sections["description"])
    _is_no_other_section(sections["scorecard"])
    _holds_no_scorecard(right)
    rows = rows_of(sections["table"], agreement(left, right)) if sections["table"] else {}
    panels = (panel_facts(left, rows, 0), panel_facts(right, rows, 1))
    spoken = reviews_of(sections["scorecard"], panels)
    tools = (
        tool_facts(left, panels[0], rows, 0, spoken[0]),
        tool_facts(right, panels[1], rows, 1, spoken[1]),
    )
    if tools[0].slug == tools[1].slug:
        raise title.expected("two different tools")
    return ComparisonFacts(
        slug=slug_of(title.text),
        title=checked(TITLE, title, title.text),
        summary=checked(PROSE, summary[0], prose_of(summary)) if summary else None,
        tools=tools,
    )


def _summary(lines: Lines) -> Lines:
    """The introduction between the title and the tools; a short line there has found no place."""
    for line in lines:
        if len(line.text) < _SHORTEST_SUMMARY and not line.text.endswith((".", "!", "?")):
            raise line.expected("the page's introduction or the left tool's category and name")
    return lines


def _sections(lines: Lines, names: tuple[str, str]) -> _Sections:
    end = _end_of_comparison(lines)
    card = next((at for at in range(end) if lines[at].key == _SCORECARD), end)
    head = next((at for at in range(card) if lines[at].key == _TABLE), card)
    if head < card:
        for at, name in enumerate(names, start=head + 1):
            if at >= card or lines[at].key != key_of(name):
                raise lines[min(at, len(lines) - 1)].expected(
                    f"the name {quoted(name)} at the head of the decision table"
                )
    return {
        "description": lines[:head],
        "table": lines[head + 3 : card],
        "scorecard": lines[card + 1 : end],
    }


def _end_of_comparison(lines: Lines) -> int:
    """Where the signup or the bookmarks start; refuses what could not stand under them."""
    end = next((at for at, line in enumerate(lines) if _ends_a_comparison(line)), len(lines))
    tail = iter(lines[end:])
    for line in tail:
        if _BOOKMARKS.fullmatch(line.key):
            _check_bookmarks(list(tail))
        elif line.key not in _SIGNUP:
            raise line.expected("the end of the page")
    return end


def _ends_a_comparison(line: PageLine) -> bool:
    return line.key in _SIGNUP_OPENS or _BOOKMARKS.fullmatch(line.key) is not None


def _check_bookmarks(lines: Lines) -> None:
    """What a visitor kept is no part of the comparison, but a second page in one file would be lost."""
    kept = [line for line in lines if line.key not in _NO_BOOKMARKS]
    for line in kept:
        if line.key == _HEADING or _BREADCRUMB.fullmatch(line.text):
            raise line.expected("the end of the page; a file holds one page")
    if kept and any(line.key == _EMPTY_BOOKMARKS for line in lines):
        raise kept[0].expected("the end of the page after \u201cNo bookmarks yet\u201d")


def _is_no_other_section(lines: Lines) -> None:
    """A section that this reader does not know would otherwise pass for the end of a review."""
    for line in lines:
        if _OTHER_SECTION.fullmatch(line.text):
            raise line.expected("a review, or the end of the page")


def _holds_no_scorecard(right: Side) -> None:
    """A scorecard without its heading would otherwise pass for the right tool's description."""
    for line in right.description:
        if looks_like_a_score(line):
            raise line.expected("the heading Reviewer scorecard above the first score")
        if line.text[0] == "\u201c" and line.text[-1] == "\u201d":
            raise line.expected("the heading Reviewer scorecard above the first review")
