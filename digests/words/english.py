"""Words for figures and lists, as they stand in an edition's sentences."""

import re
from collections.abc import Iterable
from typing import Final

_NUMBERS: Final = (
    "no", "one", "two", "three", "four", "five", "six",
    "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
_TIMES: Final = ("never", "once", "twice", "three times", "four times")
# A seat on the panel is an office: "the Founder". Anybody else goes by the name alone.
_SEATS: Final = frozenset((
    "analyst", "builder", "creator", "critic", "customer", "designer", "developer", "economist",
    "editor", "educator", "engineer", "founder", "futurist", "hacker", "investor", "marketer",
    "operator", "optimist", "pragmatist", "researcher", "skeptic", "strategist", "user",
))  # fmt: skip
# What Markdown would take for markup if a name had it.
_MARKUP: Final = re.compile(r"([\\`*_\[\]<>&!|~#])")


def number(count: int) -> str:
    """*count* in words up to twelve, in digits beyond."""
    return _NUMBERS[count] if 0 <= count < len(_NUMBERS) else str(count)


def times(count: int) -> str:
    """How often: once, twice, five times."""
    return _TIMES[count] if 0 <= count < len(_TIMES) else f"{number(count)} times"


def counted(count: int, noun: str) -> str:
    """*count* of *noun*, which takes an s in the plural."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def every(count: int) -> str:
    """All of *count*: both, all three."""
    return "both" if count == len("ab") else f"all {number(count)}"


def capital(words: str) -> str:
    """*words* as a sentence begins, the rest untouched."""
    return words[:1].upper() + words[1:]


def listed(parts: Iterable[str]) -> str:
    """*parts* as a sentence lists them: a, b and c."""
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def who(reviewer: str) -> str:
    """*reviewer* as a sentence names them: the Founder, Ada Lovelace."""
    return f"the {reviewer}" if reviewer.casefold() in _SEATS else reviewer


def possessive(name: str) -> str:
    """Whose it is."""
    return f"{name}’" if name.endswith("s") else f"{name}’s"  # noqa: RUF001 - an apostrophe in print


def verbatim(name: str) -> str:
    """*name* so that Markdown shows it as it is written."""
    return _MARKUP.sub(r"\\\1", " ".join(name.split()))
