"""The reviewers' part of a compare page: whose word on which tool, in both shapes.

The full page names a reviewer, then gives a score, a verdict and a text for
the left tool and for the right one. The reader's extract gives the texts
alone, in quotation marks, left and right in turn.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Final

from digests.facts import PanelFacts, Verdict
from digests.reading.page_lines import (
    SEPARATORS,
    Lines,
    PageLine,
    is_dash,
    prose_of,
    quoted,
    verdict_of,
)

_DASH: Final = r"[\-\u2010-\u2015\u2212]+"
_SCORE: Final = re.compile(
    rf"(?P<score>\d{{1,6}}|{_DASH})\s*/\s*100\s*(?:(?P<sep>{SEPARATORS})\s*)?(?P<word>.{{0,20}})"
)
_VERDICT_ALONE: Final = re.compile(rf"{_DASH}\s*[\u00b7\u2022|]\s*(?P<word>\w+)")
_NO_REVIEW: Final = re.compile(
    r"(no (panel )?(review|verdict|take|score)s?|not( yet)? (reviewed|scored|rated)"
    r"|(review |verdict )?pending|awaiting (a )?review|n/?a)( yet)?[.\u2026]?",
    re.IGNORECASE,
)
_LONGEST_NAME: Final = 40
_ENDS_OF_SENTENCES: Final = (".", "!", "?", "\u2026", ":", ";", ",", "\u201d", '"')
_USUAL: Final = frozenset({"builder", "skeptic", "futurist", "founder", "creator"})
_QUOTES: Final = {"\u201c": "\u201d", '"': '"'}
_PAIR: Final = 2
_HIGHEST_SCORE: Final = 100
#: Every combination of sides is tried for cells without a neighbour; more are refused.
_MOST_SINGLES: Final = 12


@dataclass(frozen=True, slots=True)
class Spoken:
    """One review as the page has it; *line* is where it starts and *text_line* where its text does."""

    line: PageLine
    text_line: PageLine
    text: str
    reviewer: PageLine | None = None
    score: int | None = None
    verdict: Verdict | None = None


Sides = tuple[list[Spoken], list[Spoken]]


@dataclass(slots=True)
class _Row:
    """What stands under one reviewer's name: a cell for each tool, None where it says nothing."""

    reviewer: PageLine | None
    at: PageLine
    cells: list[Spoken | None]


def reviews_of(lines: Lines, panels: tuple[PanelFacts, PanelFacts]) -> Sides:
    """The reviews of the left and of the right tool; raises PageRefused.

    Where a reviewer judged one tool only and the page does not show which,
    the panels' splits decide; where they cannot, the page is refused.
    """
    first = next((line for line in lines if not _is_empty_cell(line)), None)
    if first is None:
        return [], []
    if first.text[0] in _QUOTES and not any(_opens(line) for line in lines):
        rows = _quoted(lines)
    else:
        rows = _scored(lines)
    _names_stand_once(rows)
    return _placed(rows, panels)


def looks_like_a_score(line: PageLine) -> bool:
    """Whether *line* could only stand in a scorecard."""
    return _opens(line)


def _opens(line: PageLine) -> bool:
    if match := _SCORE.fullmatch(line.text):
        return bool(match["sep"]) or not match["word"] or verdict_of(match["word"]) is not None
    alone = _VERDICT_ALONE.fullmatch(line.text)
    return alone is not None and verdict_of(alone["word"]) is not None


def _is_empty_cell(line: PageLine) -> bool:
    return is_dash(line) or _NO_REVIEW.fullmatch(line.text) is not None


def _scored(lines: Lines) -> list[_Row]:
    starts = [at for at, line in enumerate(lines) if _opens(line) or _is_empty_cell(line)]
    tight = _is_tight(lines, starts)
    named = _named(lines, starts, tight=tight)
    if not starts or starts[0] != (1 if 0 in named else 0):
        raise lines[0].expected(
            "a reviewer's name and, under it, a score such as 88/100 \u00b7 ship"
        )
    rows: list[_Row] = []
    for at, following in pairwise([*starts, len(lines)]):
        until = following - 1 if following - 1 in named else following
        if at - 1 in named:
            rows.append(_Row(lines[at - 1], lines[at], []))
        elif not rows or (rows[-1].reviewer is None and len(rows[-1].cells) == _PAIR):
            rows.append(_Row(None, lines[at], []))
        if len(rows[-1].cells) == _PAIR:
            raise lines[at].expected("the next reviewer's name before a third score")
        rows[-1].cells.append(_cell(lines[at], lines[at + 1 : until], rows[-1].reviewer))
    for row in rows:
        if not tight and len(row.cells) < _PAIR:  # a short last line may have passed for a name
            raise row.at.expected("the name on its score, and a score for each tool")
    return rows


def _is_tight(lines: Lines, starts: Sequence[int]) -> bool:
    """Whether names stand directly on their scores, with blank lines around everything else."""
    on_something = any(at > 0 and not lines[at].after_gap for at in starts)
    return on_something and any(line.after_gap for line in lines[1:])


def _named(lines: Lines, starts: Sequence[int], *, tight: bool) -> set[int]:
    """Which lines are reviewers' names: on a page without blank lines they are known by their look."""
    openers = set(starts)
    before = [at - 1 for at in starts if at > 0 and at - 1 not in openers]
    if tight:
        names = {at for at in before if not lines[at + 1].after_gap}
        for at in sorted(names):
            if not _looks_like_a_name(lines[at]):
                raise lines[at].expected("a reviewer's name above the score")
        return names
    return {
        at
        for at in before
        if _looks_like_a_name(lines[at])
        and (at == 0 or at - 1 not in openers or _is_empty_cell(lines[at - 1]))
    }


def _looks_like_a_name(line: PageLine) -> bool:
    return len(line.text) <= _LONGEST_NAME and not line.text.endswith(_ENDS_OF_SENTENCES)


def _cell(opener: PageLine, text: Lines, reviewer: PageLine | None) -> Spoken | None:
    if not text:
        if _is_empty_cell(opener):
            return None
        raise opener.expected("a score with the review's text under it")
    if _is_empty_cell(opener) and not is_dash(opener):
        raise text[0].expected("the next reviewer's name")
    if len(text) > 1 and text[-1].key in _USUAL:
        raise text[-1].expected("a score under the reviewer's name")
    score, verdict = _score(opener)
    return Spoken(opener, text[0], prose_of(text) or "", reviewer, score, verdict)


def _score(line: PageLine) -> tuple[int | None, Verdict | None]:
    if alone := _VERDICT_ALONE.fullmatch(line.text):
        return None, verdict_of(alone["word"])
    match = _SCORE.fullmatch(line.text)
    if match is None:  # a dash: neither is known
        return None, None
    score = int(match["score"]) if match["score"].isdecimal() else None
    if score is not None and score > _HIGHEST_SCORE:
        raise line.expected("a score from 0 to 100")
    word = match["word"].strip()
    verdict = verdict_of(word)
    if verdict is None and word and not re.fullmatch(_DASH, word):
        raise line.expected("ship, skip or mixed after the score")
    return score, verdict


def _quoted(lines: Lines) -> list[_Row]:
    cells: list[tuple[PageLine, Spoken | None]] = []
    at = 0
    while at < len(lines):
        first = lines[at]
        if _is_empty_cell(first):
            cells.append((first, None))
            at += 1
            continue
        if first.text[0] not in _QUOTES:
            raise first.expected("a review in quotation marks")
        end = _end_of_quote(lines, at)
        text = (prose_of(lines[at : end + 1]) or "")[1:-1].strip()
        if not text:
            raise first.expected("a review between the quotation marks")
        cells.append((first, Spoken(first, first, text)))
        at = end + 1
    if len(cells) % 2:
        raise cells[-1][0].expected("reviews in pairs, left and right")
    return [
        _Row(None, left[0], [left[1], right[1]])
        for left, right in zip(cells[::2], cells[1::2], strict=True)
    ]


def _end_of_quote(lines: Lines, start: int) -> int:
    """The line on which the review that starts on *start* ends.

    A review may hold quotations and paragraphs of its own: the first closing
    mark that stands before another review ends it, unless a quotation inside
    is still open there. Straight marks do not tell which of them opens.
    """
    opening = lines[start].text[0]
    closing = _QUOTES[opening]
    depth = 0
    candidates: list[int] = []
    for at in range(start, len(lines)):
        text = lines[at].text
        if at > start and _is_empty_cell(lines[at]):
            break
        depth += text.count(opening) - text.count(closing)
        closed = text.endswith(closing) and (at > start or len(text) > 1)
        last = at + 1 == len(lines)
        if closed and (last or lines[at + 1].text[0] == opening or _is_empty_cell(lines[at + 1])):
            if depth == 0:
                return at
            candidates.append(at)
    if not candidates:
        raise lines[start].expected(f"a closing {closing} to the review that starts here")
    return candidates[0]


def _names_stand_once(rows: Sequence[_Row]) -> None:
    first: dict[str, PageLine] = {}
    for row in rows:
        if row.reviewer is None:
            continue
        if known := first.get(row.reviewer.key):
            raise row.reviewer.expected(
                f"another reviewer than {quoted(known.text)} of line {known.number}"
            )
        first[row.reviewer.key] = row.reviewer


def _placed(rows: Sequence[_Row], panels: tuple[PanelFacts, PanelFacts]) -> Sides:
    singles = [row for row in rows if len(row.cells) == 1 and row.cells[0] is not None]
    fitting = list(_fitting(rows, singles, panels)) if len(singles) <= _MOST_SINGLES else []
    if singles and len(fitting) != 1:
        row = singles[0]
        who = f"by {row.reviewer.text} " if row.reviewer else ""
        raise row.at.expected(f"a review of each tool {who}(it cannot be told which one this is)")
    sides = iter(fitting[0] if fitting else ())
    placed: Sides = ([], [])
    for row in rows:
        cells = row.cells
        if len(cells) == 1:
            cells = [None, None]
            if row.cells[0] is not None:
                cells[next(sides)] = row.cells[0]
        for side, cell in enumerate(cells):
            if cell is not None:
                placed[side].append(cell)
    return placed


def _fitting(
    rows: Sequence[_Row], singles: Sequence[_Row], panels: tuple[PanelFacts, PanelFacts]
) -> Iterator[tuple[int, ...]]:
    """The ways to give the *singles* a side that agree with what the panels are said to hold."""
    for sides in product((0, 1), repeat=len(singles)):
        counts = [dict.fromkeys(Verdict, 0) for _ in panels]
        for side, cell in [
            *((s, c) for row in rows if len(row.cells) == _PAIR for s, c in enumerate(row.cells)),
            *((side, row.cells[0]) for side, row in zip(sides, singles, strict=True)),
        ]:
            if cell is not None and cell.verdict is not None:
                counts[side][cell.verdict] += 1
        if all(
            panel.ships in (None, count[Verdict.ship])
            and panel.skips in (None, count[Verdict.skip])
            for panel, count in zip(panels, counts, strict=True)
        ):
            yield sides
