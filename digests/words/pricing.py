"""What it costs to start with the week's tools, in one sentence."""

from collections.abc import Callable, Sequence

from digests.facts import ToolFacts
from digests.words.english import capital, every, number
from digests.words.tally import Week, free


def prices(this: Week, *, shown: Callable[[str], str] = str) -> str:
    """Who is free to start with, empty unless every page says; *shown* sets a tool's name."""
    if not this.is_priced:
        return ""
    gratis = [tool for tool in this.tools if free(tool)]
    costs = [tool for tool in this.tools if not free(tool)]
    if not costs:
        licence = this.licence_of(gratis)
        under = f", under {licence}" if licence else ""
        return f"{capital(every(len(gratis)))} are free to start{under}."
    if not gratis:
        return f"{'Neither' if len(costs) == len('ab') else 'None of them'} is free to start."
    return _some_free(gratis, costs, shown)


def _some_free(
    gratis: Sequence[ToolFacts], costs: Sequence[ToolFacts], shown: Callable[[str], str]
) -> str:
    if len(gratis) == len(costs) == 1:
        return f"{shown(gratis[0].name)} is free to start, {shown(costs[0].name)} is not."
    if len(costs) == 1:
        return f"All but {shown(costs[0].name)} are free to start."
    if len(gratis) == 1:
        return f"Only {shown(gratis[0].name)} is free to start."
    return f"{capital(number(len(gratis)))} of the {number(len(gratis) + len(costs))} are free to start."
