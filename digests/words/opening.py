"""The edition's first sentences: how many, what the panel said, who dissents, what it costs."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from digests.edition import Entry
from digests.facts import ToolFacts
from digests.words.english import capital, counted, every, listed, number, possessive, verbatim, who
from digests.words.pricing import prices
from digests.words.tally import Dissent, Week, week

#: Names that a sentence can carry; beyond, it counts them.
_NAMED: Final = 3


def opening(entries: Sequence[Entry]) -> str:
    """One to three sentences of Markdown; nothing is said that the pages do not say."""
    this = week(entries)
    said = (_count_and_verdict(this), _objections(this), _back(this) or _price(this))
    return " ".join(sentence for sentence in said if sentence)


def _count_and_verdict(this: Week) -> str:
    count, tools = len(this.entries), len(this.tools)
    start = f"{capital(counted(count, 'comparison'))} this week"
    if count == 1:
        start += f", {listed_against(this.entries[0])}"
    else:
        start += f", {counted(tools, 'tool')}{' between them' if tools < 2 * count else ''}"
    shipped, skipped, mixed = this.shipped, this.skipped, this.mixed
    everything = "both" if tools == len("ab") else "every one"
    if len(shipped) == tools:
        return f"{start}, and the panel would ship {everything}."
    if len(skipped) == tools:
        return f"{start}, and the panel would skip {everything}."
    if len(shipped) + len(skipped) + len(mixed) < tools:
        return f"{start}."
    verdicts = (("ships", shipped), ("skips", skipped), ("is divided over", mixed))
    parts = [f"{verb} {_some(group)}" for verb, group in verdicts if group]
    return f"{start}: the panel {listed(parts)}."


def listed_against(known: Entry) -> str:
    """The two names of *known* as a sentence sets them against each other."""
    left, right = known.facts.tools
    return f"{verbatim(left.name)} against {verbatim(right.name)}"


def _objections(this: Week) -> str:
    """Who stands against the panel, and over what."""
    against = this.dissents
    if not against:
        decided = len(this.shipped) + len(this.skipped) == len(this.tools)
        return "Not one reviewer dissents." if decided and this.is_counted else ""
    by = Counter(dissent.reviewer for dissent in against)
    if None in by:
        return f"It is not of one mind: {counted(len(against), 'dissent')}."
    if len(by) == 1:
        return _lone_objector(against, verbatim(who(against[0].reviewer or "")))
    shares = [f"{number(n)} from {verbatim(who(name or ''))}" for name, n in by.most_common()]
    return f"{capital(counted(len(against), 'dissent'))}: {listed(shares)}."


def _lone_objector(against: Sequence[Dissent], reviewer: str) -> str:
    over = dict.fromkeys(verbatim(dissent.tool) for dissent in against)
    on = f", on {listed(over)}" if len(over) <= _NAMED else ""
    if len(against) == 1:
        return f"The only dissent is {possessive(reviewer)}{on}."
    return f"{capital(every(len(against)))} dissents are {possessive(reviewer)}{on}."


def _back(this: Week) -> str:
    """Comparisons that readers have seen before."""
    back = [known for known in this.entries if known.changes]
    if not back:
        return ""
    if len(back) == len(this.entries):
        return (
            "You have seen " + ("it" if len(back) == 1 else "them") + " before; read what changed."
        )
    if len(back) == 1:
        return f"{listed_against(back[0])} is back: read what changed."
    return f"{capital(number(len(back)))} are back: read what changed."


def _price(this: Week) -> str:
    """What it costs to start, where every page says so."""
    return prices(this, shown=verbatim)


def _some(group: Sequence[ToolFacts]) -> str:
    if len(group) > _NAMED:
        return number(len(group))
    return listed(verbatim(tool.name) for tool in group)
