"""What stands in the inbox: subjects and preheaders out of what makes this week this week."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from digests.edition import Entry, Quote
from digests.facts import ToolFacts, Verdict
from digests.words.english import capital, counted, listed, number, times, who
from digests.words.pricing import prices
from digests.words.tally import Week, dissents_on, split_of, verdict_of, week

#: Characters that a desktop's inbox shows of a subject, and a phone's of what follows it.
SUBJECT_LENGTH: Final = 60
PREHEADER_LENGTH: Final = 90


def subjects(entries: Sequence[Entry]) -> tuple[str, str, str, str]:
    """The four best subjects, each one line of at most 60 characters, no two the same."""
    lines = (" ".join(headline.split()) for headline in _headlines(entries))
    fitting = dict.fromkeys(line for line in lines if len(line) <= SUBJECT_LENGTH)
    first, second, third, fourth = islice(fitting, 4)
    return first, second, third, fourth


def preheader(entries: Sequence[Entry]) -> str:
    """The best line of at most 90 characters to stand after the subject."""
    return preheaders(entries)[0]


def preheaders(entries: Sequence[Entry]) -> tuple[str, str, str, str]:
    """The four best lines of at most 90 characters, no two the same."""
    lines = (" ".join(line.split()) for line in _preheaders(entries))
    fitting = dict.fromkeys(line for line in lines if len(line) <= PREHEADER_LENGTH)
    first, second, third, fourth = islice(fitting, 4)
    return first, second, third, fourth


def _headlines(entries: Sequence[Entry]) -> Iterator[str]:
    """Best first. The last four hold no name, so there are always four that fit."""
    this, count = week(entries), len(entries)
    yield from _of_one(entries[0])
    yield from _of_all(this)
    for known in entries[1:]:
        yield from islice(_of_one(known), 1)
    left, right = entries[0].facts.tools
    yield f"{left.name} vs {right.name}" + (f", and {number(count - 1)} more" if count > 1 else "")
    yield f"{left.name} or {right.name}?"
    yield f"Ship or skip: {counted(count, 'new comparison')}"
    yield f"{capital(number(len(this.tools)))} AI tools, side by side"
    yield f"This week’s AI tool verdicts: {counted(count, 'comparison')}"  # noqa: RUF001 - print
    yield "Before you waste an afternoon: the week’s verdicts"  # noqa: RUF001 - print


def _of_one(known: Entry) -> Iterator[str]:
    """Headlines out of one comparison: a skip, a lone dissent, a difference, one mind."""
    tools = left, right = known.facts.tools
    for tool in tools:
        if verdict_of(tool) is Verdict.skip:
            yield f"Skip {tool.name}, says {_majority(tool)}"
            yield f"The panel skips {tool.name}"
    for tool in tools:
        against = dissents_on(tool)
        if len(against) == split_of(tool)[1] == 1 and verdict_of(tool) is Verdict.ship:
            lone = against[0].reviewer
            yield (
                f"Everyone ships {tool.name} except {who(lone)}"
                if lone
                else (f"All but one ship {tool.name}")
            )
    percents = left.panel.ship_percent, right.panel.ship_percent
    if None not in percents and percents[0] != percents[1]:
        yield f"{left.name} {percents[0]:.3g}%, {right.name} {percents[1]:.3g}%"
    for tool in tools:
        if verdict_of(tool) is Verdict.mixed:
            yield f"{tool.name} divides the panel"
        ships, skips = split_of(tool)
        if skips == 0 and ships and ships > 1:
            yield f"All {number(ships)} reviewers ship {tool.name}"


def _of_all(this: Week) -> Iterator[str]:
    """Headlines out of the week as a whole: one dissenter, no dissent, a common price."""
    against, tools = this.dissents, len(this.tools)
    lone = {dissent.reviewer for dissent in against}
    agreed = len(this.shipped) == tools
    if agreed and len(lone) == 1 and len(against) > 1 and (reviewer := against[0].reviewer):
        yield f"{capital(who(reviewer))} says skip, {times(len(against))}. The rest say ship."
    if agreed and not against and this.is_counted:
        yield f"{capital(number(tools))} tools, and not one dissent"
    if this.is_free:
        yield f"{capital(number(tools))} tools, free to start. Which to ship?"


def _preheaders(entries: Sequence[Entry]) -> Iterator[str]:
    """Best first: news of what readers know, then a voice, then figures. The last four always fit."""
    for known in entries:
        yield from known.changes
    for verdict in (Verdict.skip, None):
        yield from (
            _quoted(known.dissent)
            for known in entries
            if known.dissent and known.dissent.verdict is verdict
        )
    yield from (_quoted(known.case) for known in entries if known.case)
    yield from _figures(entries[0])
    others = [known.facts.title for known in entries[1:]]
    yield from (f"Also {listed(others[:some])}" for some in range(len(others), 0, -1))
    count, tools = len(entries), len(week(entries).tools)
    yield f"{capital(counted(count, 'comparison'))}, {counted(tools, 'tool')}, side by side."
    yield "Who ships, who skips, and what it costs to find out."
    yield "The best case for each, and the dissent."
    yield "Every panel’s verdict, and who disagrees."  # noqa: RUF001 - print


def _quoted(quote: Quote) -> str:
    return f"“{quote.text}”" + (f" — {who(quote.reviewer)}" if quote.reviewer else "")


def _figures(known: Entry) -> Iterator[str]:
    """How the panel splits and what it costs, as far as the page says and a line holds."""
    splits = [(tool.name, *split_of(tool)) for tool in known.facts.tools]
    cost = prices(week([known]))
    if all(ships is not None and skips is not None for _, ships, skips in splits):
        told = ", ".join(f"{ships} to {skips} for {name}" for name, ships, skips in splits)
        yield f"The panel: {told}. {cost}"
        yield f"The panel: {told}."
    if cost:
        yield cost


def _majority(tool: ToolFacts) -> str:
    """The panel as it stands against *tool*."""
    ships, skips = split_of(tool)
    if ships is None or skips is None:
        return "the panel"
    if not ships and skips > 1:
        return f"all {number(skips)} of the panel"
    return f"the panel, {number(skips)} to {number(ships)}" if ships else "the panel"
