"""A page's lines, each in its place -> a tool's facts; what is said twice must be said alike."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from digests.facts import (
    Count,
    DetailFacts,
    Line,
    LongLine,
    PanelFacts,
    Percent,
    Prose,
    ReviewFacts,
    ToolFacts,
)
from digests.reading import decision_table as table
from digests.reading.decision_table import PanelCell, SidesOf, TableRow, panel_cell
from digests.reading.exchange import said_plainly
from digests.reading.hero import Side
from digests.reading.page_lines import (
    PageLine,
    PageRefused,
    percent_of,
    percents_in,
    prose_of,
    quoted,
    said,
    verdict_of,
)
from digests.reading.scorecard import Spoken

Value = TypeVar("Value")
Rows = Mapping[str, TableRow]

TITLE: Final = TypeAdapter[str](Annotated[Line, Field(max_length=700)])
PROSE: Final = TypeAdapter[str](Prose)
_LINE: Final = TypeAdapter[str](Line)
_LONG_LINE: Final = TypeAdapter[str](LongLine)
_PERCENT: Final = TypeAdapter[float](Percent)
_COUNT: Final = TypeAdapter[int](Count)


def checked(kind: TypeAdapter[Value], line: PageLine, value: object) -> Value:
    """*value*, if it is what the schema takes; otherwise *line* is refused."""
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        why = said_plainly(error.errors(include_url=False)[0])
        raise PageRefused(line.number, f"{quoted(line.text)} {why}") from None


def agreement(left: Side, right: Side) -> SidesOf:
    """Tells on which sides the top of the page says what a cell of the table says."""
    claims: dict[str, Callable[[Side, PageLine], bool]] = {
        table.CATEGORY: lambda side, cell: _same(side.category, cell),
        table.TAGLINE: lambda side, cell: _same(side.tagline, cell),
        table.BEST_FOR: lambda side, cell: _same(side.tagline, cell),
        table.ENTRY: lambda side, cell: _same(side.entry, cell),
        table.PANEL: _same_panel,
        table.COMMUNITY: _same_community,
    }

    def sides_of(label: str, cell: PageLine) -> frozenset[int]:
        claim = claims.get(label)
        sides = enumerate((left, right))
        return frozenset(at for at, side in sides if claim and claim(side, cell))

    return sides_of


def panel_facts(side: Side, rows: Rows, at: int) -> PanelFacts:
    """The panel's word, percentage and split, from the top of the page and the table."""
    cell = _cell(rows, table.PANEL, at)
    stated = panel_cell(cell) if cell else PanelCell()
    word = verdict_of(side.verdict.text) if side.verdict else None
    percent = _percent(side.percent)
    if cell and word and stated.verdict and word is not stated.verdict:
        raise _disagrees(cell, side.verdict)
    if cell and percent is not None and stated.percent not in (None, percent):
        raise _disagrees(cell, side.percent)
    return PanelFacts(
        verdict=word or stated.verdict,
        ship_percent=percent if percent is not None else stated.percent,
        ships=_checked_count(cell, stated.ships),
        skips=_checked_count(cell, stated.skips),
    )


def tool_facts(
    side: Side, panel: PanelFacts, rows: Rows, at: int, reviews: Sequence[Spoken]
) -> ToolFacts:
    """All that the page says of one tool; raises PageRefused."""
    percent, community = _community(side, _cell(rows, table.COMMUNITY, at))
    description = prose_of(side.description)
    return ToolFacts(
        name=checked(_LINE, side.name, side.name.text),
        category=_either(_LINE, side.category, _cell(rows, table.CATEGORY, at)),
        tagline=_either(_LONG_LINE, side.tagline, _cell(rows, table.TAGLINE, at)),
        entry=_either(_LINE, side.entry, _cell(rows, table.ENTRY, at)),
        description=checked(PROSE, side.description[0], description) if description else None,
        pricing=_either(_LONG_LINE, None, _cell(rows, table.PRICING, at)),
        best_for=_either(_LONG_LINE, None, _cell(rows, table.BEST_FOR, at)),
        community=community,
        community_percent=percent,
        panel=panel,
        details=tuple(
            DetailFacts(
                label=checked(_LINE, row.label, row.label.text),
                text=checked(_LONG_LINE, cell, cell.text),
            )
            for row in rows.values()
            if not table.is_usual(row.label) and (cell := row.cells[at])
        ),
        reviews=tuple(
            ReviewFacts(
                reviewer=checked(_LINE, one.reviewer, one.reviewer.text) if one.reviewer else None,
                score=one.score,
                verdict=one.verdict,
                text=checked(PROSE, one.text_line, one.text),
            )
            for one in reviews
        ),
    )


def _community(side: Side, cell: PageLine | None) -> tuple[float | None, str | None]:
    """The community's percentage as the top shows it, and its verdict in words.

    The table's words are the fuller ones; the figure at the top must not contradict them.
    """
    top = side.community
    percent = _percent(top) if top and percent_of(top.text) is not None else None
    if cell is None:
        return percent, checked(_LONG_LINE, top, top.text) if top else None
    if top and not _same_community(side, cell):
        raise _disagrees(cell, top)
    return percent, checked(_LONG_LINE, cell, cell.text)


def _same_community(side: Side, cell: PageLine) -> bool:
    if side.community is None:
        return False
    percent = percent_of(side.community.text)
    if percent is None:
        return side.community.key in cell.key
    in_words = percents_in(cell.text)
    if in_words:
        return percent in in_words
    votes = _votes(cell)
    if votes is None:
        return percent == 0 or not cell.key.startswith("no ")
    return abs(percent - votes) <= 1


def _votes(cell: PageLine) -> float | None:
    """The percentage that ``8 ship / 5 skip`` comes to; None where it cannot be told."""
    try:
        split = panel_cell(cell)
    except PageRefused:
        return None
    if split.ships is None or split.skips is None or not split.ships + split.skips:
        return None
    return 100 * split.ships / (split.ships + split.skips)


def _same_panel(side: Side, cell: PageLine) -> bool:
    stated = panel_cell(cell)
    word = verdict_of(side.verdict.text) if side.verdict else None
    percent = _percent(side.percent)
    if word and stated.verdict and word is not stated.verdict:
        return False
    share = _votes(cell)
    return share is None or percent is None or abs(percent - share) <= 1


def _same(line: PageLine | None, cell: PageLine) -> bool:
    return line is not None and line.key == cell.key


def _cell(rows: Rows, label: str, at: int) -> PageLine | None:
    return rows[label].cells[at] if label in rows else None


def _either(kind: TypeAdapter[str], top: PageLine | None, cell: PageLine | None) -> str | None:
    """What the top of the page says, else what the table says; they must not disagree."""
    if top and cell and said(top) and top.key != cell.key:
        raise _disagrees(cell, top)
    line = top if top and said(top) else cell
    return checked(kind, line, said(line)) if line and said(line) else None


def _percent(line: PageLine | None) -> float | None:
    if line is None or said(line) is None:
        return None
    return checked(_PERCENT, line, percent_of(line.text))


def _checked_count(cell: PageLine | None, count: int | None) -> int | None:
    return checked(_COUNT, cell, count) if cell and count is not None else None


def _disagrees(cell: PageLine, top: PageLine | None) -> PageRefused:
    return cell.expected(f"{quoted(top.text)}, as on line {top.number}" if top else "nothing")
