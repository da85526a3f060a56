"""Cells that a spreadsheet shows and does not compute."""

from typing import Final

#: Beginnings that a spreadsheet would take for a formula.
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def defused(words: str | None) -> str:
    """*words* with a mark before what would be a formula; nothing for None."""
    known = words or ""
    return f"'{known}" if known.startswith(_FORMULAS) else known
