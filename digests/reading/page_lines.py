"""A compare page as numbered lines, and the sentence that refuses one of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from digests.facts import Verdict, key_of

_INVISIBLE: Final = "\u200b\u200c\u200d\u2060\ufeff"
_DASHES: Final = frozenset("-\u2010\u2011\u2012\u2013\u2014\u2015\u2212")
#: What may stand between two statements of one line: ``88/100 · ship``.
SEPARATORS: Final = r"[\u00b7\u2022\u2027\u22c5\u30fb|/,;:\-\u2010-\u2015]"
_LONGEST_QUOTE: Final = 60
_PERCENT: Final = re.compile(r"(\d{1,3}(?:[.,]\d{1,6})?)\s?%")


class PageRefused(Exception):
    """The page cannot be read from *line* on (counted from 1), or not at all."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line, self.reason = line, reason


@dataclass(frozen=True, slots=True)
class PageLine:
    """A line that says something. *after_gap*: at least one blank line stands before it."""

    number: int
    text: str
    after_gap: bool

    @property
    def key(self) -> str:
        """The words alone, for comparing."""
        return key_of(self.text)

    def expected(self, what: str) -> PageRefused:
        """The refusal of this line where *what* would have had to stand."""
        return PageRefused(self.number, f"expected {what}, found {quoted(self.text)}")


Lines: TypeAlias = Sequence[PageLine]


def lines_of(text: str) -> list[PageLine]:
    """The lines of *text* that say something, whatever its line ends and blank space."""
    found: list[PageLine] = []
    gap = False
    for number, raw in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        words = _trimmed(raw)
        if words:
            found.append(PageLine(number, words, gap))
        gap = not words
    return found


def prose_of(lines: Lines) -> str | None:
    """*lines* as one text: a blank line stays one, and so does a mere line break."""
    text = "".join(
        line.text if at == 0 else ("\n\n" if line.after_gap else "\n") + line.text
        for at, line in enumerate(lines)
    )
    return text or None


def said(line: PageLine) -> str | None:
    """What *line* says; None for the dash with which a page says that it does not know."""
    return None if is_dash(line) else line.text


def is_dash(line: PageLine) -> bool:
    """Whether the page says here that it does not know."""
    return set(line.text) <= _DASHES


def verdict_of(words: str) -> Verdict | None:
    """The verdict that *words* are; None when they are something else."""
    return next((verdict for verdict in Verdict if verdict.value == key_of(words)), None)


def percent_of(words: str) -> float | None:
    """The percentage that *words* are, None when they are something else."""
    match = _PERCENT.fullmatch(words)
    return _number(match[1]) if match else None


def percents_in(words: str) -> set[float]:
    """The percentages that *words* mention."""
    return {_number(match[1]) for match in _PERCENT.finditer(words)}


def quoted(words: str) -> str:
    """*words* as a refusal shows them: short, on one line."""
    plain = " ".join(words.split())
    short = plain if len(plain) <= _LONGEST_QUOTE else plain[: _LONGEST_QUOTE - 1] + "\u2026"
    return f"\u201c{short}\u201d"


def _number(figure: str) -> float:
    number = float(figure.replace(",", "."))
    return int(number) if number == int(number) else number


def _trimmed(raw: str) -> str:
    words = raw.strip()
    while words and (words[0] in _INVISIBLE or words[-1] in _INVISIBLE):
        words = words.strip(_INVISIBLE).strip()
    return words
