"""The top of a compare page: each tool with its category, tagline, figures and description.

The figures stand above their labels (``75%``, ``Panel ship``), and the reader's
extract has neither the logo's letters nor the panel's word, so a tool is found
by its name, which the title gives, and by the label of its panel's figure.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from digests.facts import key_of
from digests.reading.page_lines import (
    Lines,
    PageLine,
    PageRefused,
    is_dash,
    percent_of,
    quoted,
    verdict_of,
)

PANEL_LABEL: Final = "panel ship"
_OTHER_LABELS: Final = ("community", "entry")
_FARTHEST_LABEL: Final = 4  # a tagline, a verdict and a figure stand between it and the name
_BOTH: Final = 2  # a tagline and a verdict
_LONGEST_CATEGORY: Final = 60
_LONGEST_LOGO: Final = 4
_LONGEST_ENTRY: Final = 24
_ENDS_OF_SENTENCES: Final = (".", "!", "?", ":", ";", "\u2026")
_BARE_FIGURE: Final = re.compile(r"[-\u2010-\u2015\u2212]+|[$\u20ac\u00a3]?\d[\d.,]*\s?[%kKM]?")


@dataclass(slots=True)
class Side:
    """One tool's lines at the top of the page; None where the page has no such line."""

    name: PageLine
    category: PageLine | None = None
    tagline: PageLine | None = None
    verdict: PageLine | None = None
    percent: PageLine | None = None
    community: PageLine | None = None
    entry: PageLine | None = None
    description: Lines = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """A tool's place: *first* is its first line, *after* the line after its last figure."""

    side: Side
    first: int
    after: int
    fullness: tuple[bool, bool]


def hero_of(lines: Lines, names: tuple[str, str]) -> tuple[Lines, Side, Side, Lines]:
    """What stands above the two tools, the tools, and the lines after the right one's figures.

    *names* are as the title writes them. The right tool's description is left
    among the lines after it, for only the caller knows where it ends. Raises
    PageRefused.
    """
    left = _find(lines, 0, names[0], "left")
    right = _find(lines, left.after, names[1], "right")
    describe(left.side, lines[left.after : right.first])
    _ends_in_a_category(left.side, right.side)
    return lines[: left.first], left.side, right.side, lines[right.after :]


def describe(side: Side, lines: Lines) -> None:
    """Take *lines* as the description; a figure or a label among them has found no place."""
    for line in lines:
        if line.key in (PANEL_LABEL, *_OTHER_LABELS) or _BARE_FIGURE.fullmatch(line.text):
            raise line.expected(f"the description of {quoted(side.name.text)}")
    side.description = lines


def _ends_in_a_category(left: Side, right: Side) -> None:
    """Something between the right tool's category and its name pushes the category into the text."""
    for line in left.description:
        stray = left.category is not None and line.key == left.category.key
        last = line is left.description[-1] and len(left.description) > 1
        if last and len(line.text) <= _LONGEST_LOGO:
            raise line.expected("the left tool's description, or the right tool's initials")
        if stray or (last and left.category and not right.category and _is_like_an_entry(line)):
            raise line.expected(
                "the left tool's description, or the right tool's category and name"
            )


def _find(lines: Lines, start: int, name: str, which: str) -> _Found:
    """The tool called *name* whose panel's figure comes first after *start*."""
    label = next((at for at in range(start, len(lines)) if lines[at].key == PANEL_LABEL), None)
    if label is None:
        line = lines[min(start, len(lines) - 1)]
        raise line.expected(f"the {which} tool with its figure and the words Panel ship")
    # Where a category or a tagline repeats the name, take the reading that explains most lines.
    found = list(_readings(lines, start, label, name))
    if not found:
        raise _nothing_fits(lines, start, label, name, which)
    return max(found, key=lambda reading: (reading.fullness, -reading.first))


def _readings(lines: Lines, start: int, label: int, name: str) -> Iterator[_Found]:
    figure = label - 1
    has_figure = figure >= start and _is_figure(lines[figure])
    last = figure - 1 if has_figure else figure
    for at in range(max(start, last - 2), last + 1):
        between = lines[at + 1 : last + 1]
        if lines[at].key != key_of(name) or (len(between) == _BOTH and not _is_verdict(between[1])):
            continue
        side = Side(lines[at], percent=lines[figure] if has_figure else None)
        if between and _is_verdict(between[-1]):
            side.verdict = between[-1]
        if len(between) == _BOTH or (between and side.verdict is None):
            side.tagline = between[0]
        side.category, first = _above(lines, start, at, is_full=side.verdict is not None)
        after = _figures(lines, label + 1, side)
        yield _Found(side, first, after, (side.category is not None, side.tagline is not None))


def _figures(lines: Lines, at: int, side: Side) -> int:
    """Read the community's and the entry's figures into *side*; where they end."""
    seen: dict[str, PageLine | None] = {}
    while at < len(lines):
        here = lines[at]
        below = lines[at + 1] if at + 1 < len(lines) else None
        if here.key in _OTHER_LABELS and here.key not in seen:
            seen[here.key] = None
            at += 1
        elif below and below.key in _OTHER_LABELS and below.key not in seen:
            seen[below.key] = None if is_dash(here) else here
            at += 2
        else:
            break
    if "entry" not in seen and at < len(lines) and _is_like_an_entry(lines[at]):
        raise lines[at].expected("the word Entry under the entry price, then a description")
    side.community, side.entry = seen.get("community"), seen.get("entry")
    return at


def _is_like_an_entry(line: PageLine) -> bool:
    return len(line.text) <= _LONGEST_ENTRY and not line.text.endswith(_ENDS_OF_SENTENCES)


def _is_figure(line: PageLine) -> bool:
    return is_dash(line) or percent_of(line.text) is not None


def _is_verdict(line: PageLine) -> bool:
    return is_dash(line) or verdict_of(line.text) is not None


def _above(lines: Lines, start: int, name_at: int, *, is_full: bool) -> tuple[PageLine | None, int]:
    """The category above the name, and where the tool's lines start: with its logo, if it has one."""
    name = lines[name_at]
    nearest = lines[name_at - 1] if name_at > start else None
    if nearest is None:
        return None, name_at
    next_above = lines[name_at - 2] if name_at - 1 > start else None
    if _may_be_category(nearest):
        if next_above and _is_logo(next_above, name, is_full=is_full):
            return nearest, name_at - 2
        if len(nearest.text) > 1 and nearest.key != f"{name.key} logo":
            return nearest, name_at - 1
    if _is_logo(nearest, name, is_full=is_full):
        return None, name_at - 1
    return None, name_at


def _may_be_category(line: PageLine) -> bool:
    return len(line.text) <= _LONGEST_CATEGORY and not line.text.endswith(_ENDS_OF_SENTENCES)


def _is_logo(line: PageLine, name: PageLine, *, is_full: bool) -> bool:
    """Whether *line* is the letters or the alternative text that stand for a tool's picture.

    The extract has no pictures: there only letters that the name starts with
    can be one, and anything else is the end of a description.
    """
    if line.key in {f"{name.key} logo", f"{name.key} icon"}:
        return True
    if len(line.text) > _LONGEST_LOGO:
        return False
    initials = "".join(word[0] for word in name.key.split())
    letters = line.key.replace(" ", "")
    plain = name.key.replace(" ", "")
    if plain.startswith(letters) or initials.startswith(letters):
        return True
    return is_full and not letters.isdecimal() and not _is_figure(line) and not _is_verdict(line)


def _nothing_fits(lines: Lines, start: int, label: int, name: str, which: str) -> PageRefused:
    for at in range(start, label):
        if lines[at].key == key_of(name):
            if label - at > _FARTHEST_LABEL:
                return lines[at + _FARTHEST_LABEL].expected(
                    f"the words Panel ship at the latest here, under {quoted(lines[at].text)}"
                )
            return lines[label - 2].expected("the panel's verdict: Ship, Skip or Mixed")
    return lines[max(start, label - _FARTHEST_LABEL)].expected(
        f"the {which} tool's name, {quoted(name)}, and under it its tagline and its panel's figure"
    )
