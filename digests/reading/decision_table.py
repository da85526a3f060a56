"""The decision table of a compare page: a heading, then what it says of the left and the right tool.

As text each row is three lines. A cell that says nothing may have lost its
line, so a row is only taken where its cells cannot be another row's.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from digests.facts import Verdict
from digests.reading.page_lines import (
    SEPARATORS,
    Lines,
    PageLine,
    PageRefused,
    is_dash,
    percent_of,
    quoted,
    verdict_of,
)

PANEL: Final = "panel verdict"
COMMUNITY: Final = "community"
PRICING: Final = "pricing"
BEST_FOR: Final = "best for"
CATEGORY: Final = "category"
ENTRY: Final = "entry"
TAGLINE: Final = "tagline"
_KNOWN: Final = frozenset({PANEL, COMMUNITY, PRICING, BEST_FOR, CATEGORY, ENTRY, TAGLINE})
#: What the top of the page says as well: a cell that agrees with both sides adds nothing to either.
_SAID_ABOVE: Final = frozenset({CATEGORY, ENTRY, TAGLINE})

_CELLS: Final = 2
_LINES_OF_A_ROW: Final = 1 + _CELLS

_SPLIT_PART: Final = re.compile(r"(\d{1,6})\s*(ships?|skips?)", re.IGNORECASE)

#: The sides (0 left, 1 right) on which the top of the page says what this cell of this row says.
SidesOf = Callable[[str, PageLine], frozenset[int]]


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: its heading, and its two cells; a cell that says nothing is None."""

    label: PageLine
    cells: tuple[PageLine | None, PageLine | None]


@dataclass(frozen=True, slots=True)
class PanelCell:
    """What a cell such as ``Ship · 3 ship / 1 skip`` says."""

    verdict: Verdict | None = None
    ships: int | None = None
    skips: int | None = None
    percent: float | None = None


def rows_of(lines: Lines, sides_of: SidesOf) -> Mapping[str, TableRow]:
    """The rows under the table's head, by the key of their heading; raises PageRefused."""
    rows: dict[str, TableRow] = {}
    for row in _in_threes(lines, sides_of) or _by_known_headings(lines, sides_of):
        if known := rows.get(row.label.key):
            raise row.label.expected(
                f"another row than {quoted(known.label.text)} of line {known.label.number}"
            )
        rows[row.label.key] = row
    return rows


def is_usual(label: PageLine) -> bool:
    """Whether *label* heads a row for which facts have a field of their own."""
    return label.key in _KNOWN


def panel_cell(line: PageLine) -> PanelCell:
    """Read *line*; raises PageRefused for a part of it that is no verdict, count or percentage."""
    verdict, ships, skips, percent = None, None, None, None
    if re.fullmatch(r"(no|awaiting|pending)\b.*", line.key):  # "No panel verdict yet"
        return PanelCell()
    for part in re.split(rf"\s*{SEPARATORS}+\s*|\s+and\s+|[()]", line.text):
        word = re.sub(r"\bpanel\b", "", part, flags=re.IGNORECASE).strip() or part
        if (found := verdict_of(word)) is not None and verdict is None:
            verdict = found
        elif (count := _SPLIT_PART.fullmatch(word)) and count[2].lower().startswith("ship"):
            ships = _once(line, ships, int(count[1]))
        elif count:
            skips = _once(line, skips, int(count[1]))
        elif (share := percent_of(word.removesuffix("ship").strip())) is not None:
            percent = share
        elif part:
            raise line.expected("a verdict such as Ship \u00b7 3 ship / 1 skip")
    return PanelCell(verdict, ships, skips, percent)


def _once(line: PageLine, known: int | None, count: int) -> int:
    if known is not None:
        raise line.expected("one number of ships and one of skips")
    return count


def _in_threes(lines: Lines, sides_of: SidesOf) -> list[TableRow] | None:
    """The rows when every one is whole; None when a known heading stands where a cell would."""
    if len(lines) % _LINES_OF_A_ROW:
        return None
    rows: list[TableRow] = []
    for at in range(0, len(lines), _LINES_OF_A_ROW):
        label, *cells = lines[at : at + _LINES_OF_A_ROW]
        for side, cell in enumerate(cells):
            # A tool of the category Community has a cell that reads like a heading.
            if cell.key in _KNOWN and side not in sides_of(label.key, cell):
                return None
        rows.append(TableRow(label, (_cell(cells[0]), _cell(cells[1]))))
    return rows


def _by_known_headings(lines: Lines, sides_of: SidesOf) -> list[TableRow]:
    heads = [at for at, line in enumerate(lines) if line.key in _KNOWN]
    if not heads or heads[0] != 0:
        raise lines[0].expected("a row of the decision table, such as Panel verdict")
    rows: list[TableRow] = []
    for head, following in pairwise([*heads, len(lines)]):
        label, cells = lines[head], lines[head + 1 : following]
        if len(cells) > _CELLS:
            if len(cells) % _LINES_OF_A_ROW != _CELLS:
                raise cells[_CELLS].expected(
                    "a row of the decision table with a value for each tool"
                )
            extra = cells[_CELLS:]
            rows += _in_threes(extra, sides_of) or []
        rows.append(TableRow(label, _pair(label, cells[:_CELLS], sides_of)))
    return rows


def _pair(
    label: PageLine, cells: Sequence[PageLine], sides_of: SidesOf
) -> tuple[PageLine | None, PageLine | None]:
    if not cells:
        return None, None
    if len(cells) == _CELLS:
        return _cell(cells[0]), _cell(cells[1])
    sides = sides_of(label.key, cells[0])
    if sides == {1}:
        return None, _cell(cells[0])
    if sides == {0} or (sides and label.key in _SAID_ABOVE):
        return _cell(cells[0]), None
    raise PageRefused(
        label.number, f"expected two values under {quoted(label.text)}, found only one"
    )


def _cell(line: PageLine) -> PageLine | None:
    return None if is_dash(line) else line
