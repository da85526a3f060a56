"""Comparisons -> what an editor would have written about them: quotes, subject, preheader, opening.

A draft for the editor, never a machine's invention: every name, figure and
verdict in it stands on the pages, and what they do not say is not said.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from digests import quotes
from digests.edition import Entry, Quote
from digests.facts import ComparisonFacts, ToolFacts, Verdict
from digests.tally import Dissent, Week, dissents_on, free, split_of, verdict_of, week

#: Characters that phones show of a subject and of what follows it.
SUBJECT_LENGTH: Final = 60
PREHEADER_LENGTH: Final = 90

_NUMBERS: Final = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
_TIMES: Final = {1: "once", 2: "twice", 3: "three times", 4: "four times"}
# The panel's seats are offices: "the Founder". Anybody else goes by their name alone.
_SEATS: Final = frozenset({"builder", "skeptic", "futurist", "founder"})
# What Markdown would take for markup if a tool's name had it.
_MARKUP: Final = re.compile(r"([\\`*_\[\]<>&!|~#])")


def entry(
    facts: ComparisonFacts,
    *,
    address: str,
    changes: Sequence[str] = (),
    note: str | None = None,
    said: Collection[str] = (),
) -> Entry:
    """One comparison with the strongest case for it and the dissent, each a whole sentence.

    *said* are quotes that the edition has already used; see ``without_repeats``.
    """
    case, dissent = quotes.voices(facts, said=said)
    return Entry(
        facts=facts,
        address=address,
        case=case,
        dissent=dissent,
        changes=tuple(changes),
        note=note,
    )


def without_repeats(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """*entries* with no sentence quoted twice, as far as there are others.

    A tool compared twice in a week brings the same reviews twice.
    """
    said: set[str] = set()
    told: list[Entry] = []
    for known in entries:
        repeated = {quote.text for quote in (known.case, known.dissent) if quote} & said
        case, dissent = quotes.voices(known.facts, said=said) if repeated else (None, None)
        told.append(replace(known, case=case, dissent=dissent) if repeated else known)
        said |= {quote.text for quote in (told[-1].case, told[-1].dissent) if quote}
    return tuple(told)


def label_of(entry: Entry, quote: Quote) -> str:
    """What *quote* is in its comparison: the case for, the dissent, the case against, a doubt.

    A skip is a dissent only from a panel that ships; from one that skips it is
    the case against. Someone who ships, or whose verdict is unknown, only doubts.
    """
    if quote is entry.case:
        return "The case for"
    if quote.verdict is not Verdict.skip:
        return "The doubt"
    judged = [tool for tool in entry.facts.tools if tool.name == quote.tool]
    agrees = any(verdict_of(tool) is Verdict.skip for tool in judged)
    return "The case against" if agrees else "The dissent"


def subject_of(entries: Sequence[Entry]) -> str:
    """The subject line: one line of at most 60 characters, from what makes this week this week."""
    return _subjects(entries)[0]


def suggestions(entries: Sequence[Entry]) -> tuple[str, str, str]:
    """Three other subjects, each different from the first and from each other."""
    _, second, third, fourth = _subjects(entries)
    return second, third, fourth


def preheader_of(entries: Sequence[Entry]) -> str:
    """What inboxes show after the subject: at most 90 characters that add to it."""
    fitting = (line for line in _preheaders(entries) if len(line) <= PREHEADER_LENGTH)
    return next(fitting)


def opening_of(entries: Sequence[Entry]) -> str:
    """One to three sentences of Markdown: how many, what the panel said, what they share."""
    this = week(entries)
    said = (_count_and_verdict(this), _objections(this), _price(this))
    return " ".join(sentence for sentence in said if sentence)


# --- subject and preheader


def _subjects(entries: Sequence[Entry]) -> tuple[str, str, str, str]:
    lines = (" ".join(line.split()) for line in _headlines(entries))
    fitting = dict.fromkeys(line for line in lines if len(line) <= SUBJECT_LENGTH)
    first, second, third, fourth = islice(fitting, 4)
    return first, second, third, fourth


def _headlines(entries: Sequence[Entry]) -> Iterator[str]:
    """Best first; the last four always fit, so there are always four."""
    this, count = week(entries), len(entries)
    yield from _news_of(entries[0])
    yield from _news_of_the(this)
    for known in entries[1:]:
        yield from islice(_news_of(known), 1)
    left, right = entries[0].facts.tools
    more = f", and {_number(count - 1)} more" if count > 1 else ": which one to ship?"
    yield f"{left.name} vs {right.name}{more}"
    yield f"{left.name} vs {right.name}"
    yield f"{left.name} or {right.name}?"
    yield f"Ship or skip: {_counted(count, 'new comparison')}"
    yield f"{_counted(len(this.tools), 'AI tool').capitalize()}, side by side".replace(
        "Ai ", "AI "
    ).replace("ai t", "AI t")
    yield f"This week's AI tool verdicts: {_counted(count, 'comparison')}"
    yield "Before you waste an afternoon: this week's verdicts"


def _news_of(known: Entry) -> Iterator[str]:
    """Headlines out of one comparison."""
    left, right = known.facts.tools
    for tool in (left, right):
        if verdict_of(tool) is Verdict.skip:
            yield f"Skip {tool.name}, says {_majority_words(tool)}"
            yield f"The panel skips {tool.name}"
    for tool in (left, right):
        against = dissents_on(tool)
        if len(against) == 1 and verdict_of(tool) is Verdict.ship:
            who = _who(against[0].reviewer)
            yield (
                f"Everyone ships {tool.name} except {who}"
                if who
                else f"All but one ship {tool.name}"
            )
    if None not in (left.panel.ship_percent, right.panel.ship_percent):
        if left.panel.ship_percent != right.panel.ship_percent:
            yield (
                f"{left.name} {left.panel.ship_percent}%, "
                f"{right.name} {right.panel.ship_percent}%: who ships?"
            )
    for tool in (left, right):
        ships, skips = split_of(tool)
        if skips == 0 and ships and ships > 1:
            yield f"All {_number(ships)} reviewers ship {tool.name}"


def _news_of_the(this: Week) -> Iterator[str]:
    """Headlines out of the week as a whole."""
    by = Counter(dissent.reviewer for dissent in this.dissents)
    against = [d for d in this.dissents if d.verdict is Verdict.skip]
    if len(by) == 1 and len(against) == len(this.dissents) > 1:
        times, who = _TIMES.get(len(against)), _who(against[0].reviewer)
        if who and times:
            yield f"{_capital(who)} says skip, {times}. The rest say ship."
    if this.is_free and len(this.tools) > 1:
        yield f"{_capital(_number(len(this.tools)))} tools, all free to start. Which to ship?"
    if len(this.shipped) == len(this.tools) and not this.dissents and len(this.tools) > 1:
        yield f"{_capital(_number(len(this.tools)))} tools, and not one dissent"


def _preheaders(entries: Sequence[Entry]) -> Iterator[str]:
    this = week(entries)
    for known in entries:
        if known.dissent and known.dissent.verdict is Verdict.skip:
            who = known.dissent.reviewer
            yield f"“{known.dissent.text}” {f'— {_who(who)}' if who else ''}".strip().replace(
                "— the ", "— the "
            )
    for known in entries:
        if known.case:
            yield f"“{known.case.text}”"
    others = [known.facts.title for known in entries[1:]]
    if others:
        yield f"Also: {_and(others)}"
        yield f"Also: {others[0]}"
    yield f"{_capital(_counted(len(entries), 'comparison'))}, {_counted(len(this.tools), 'tool')}: the panel's verdicts."


# --- opening


def _count_and_verdict(this: Week) -> str:
    count, tools = len(this.entries), len(this.tools)
    start = f"{_capital(_counted(count, 'comparison'))} this week"
    if count == 1:
        left, right = this.entries[0].facts.tools
        start = f"One comparison this week, {_plain(left.name)} against {_plain(right.name)}"
    elif tools != 2 * count:
        start += f" between {_counted(tools, 'tool')}"
    everything = "both" if tools == 2 else f"all {_number(tools)}"
    shipped, skipped, mixed = len(this.shipped), len(this.skipped), len(this.mixed)
    if shipped == tools:
        return f"{start}, and the panel would ship {everything}."
    if skipped == tools:
        return f"{start}, and the panel would skip {everything}."
    if shipped + skipped + mixed < tools:
        return f"{start}."
    parts = [
        f"{verb} {_these(group)}"
        for verb, group in (
            ("ships", this.shipped),
            ("skips", this.skipped),
            ("is divided over", this.mixed),
        )
        if group
    ]
    return f"{start}: the panel {_and(parts)}."


def _objections(this: Week) -> str:
    """Who stands against the panel, and over what."""
    against = this.dissents
    if not against:
        unanimous = len(this.shipped) + len(this.skipped) == len(this.tools)
        known = all(None not in split_of(tool) for tool in this.tools)
        return "Not one reviewer dissents." if unanimous and known else ""
    by = Counter(dissent.reviewer for dissent in against)
    over = _and(dict.fromkeys(_plain(dissent.tool) for dissent in against))
    if None in by:
        return f"There {'is one dissent' if len(against) == 1 else f'are {_number(len(against))} dissents'}."
    if len(by) == 1:
        return _single_objector(against, over)
    shares = [f"{_number(n)} from {_who(who)}" for who, n in by.most_common()]
    return f"{_capital(_number(len(against)))} dissents: {_and(shares)}."


def _single_objector(against: Sequence[Dissent], over: str) -> str:
    who = _plain(_who(against[0].reviewer))
    whose = f"{who}'s" if not who.endswith("s") else f"{who}'"
    if len(against) == 1:
        return f"The only dissent is {whose}, on {over}."
    if len(against) > 3:
        return f"All {_number(len(against))} dissents are {whose}."
    every = "Both" if len(against) == 2 else f"All {_number(len(against))}"
    return f"{every} dissents are {whose}, on {over}."


def _price(this: Week) -> str:
    """What it costs to start, where every page says so."""
    if any(free(tool) is None for tool in this.tools):
        return ""
    costs = [tool for tool in this.tools if not free(tool)]
    gratis = [tool for tool in this.tools if free(tool)]
    licence = this.licence_of(gratis)
    if not costs:
        everything = "Both" if len(gratis) == 2 else f"All {_number(len(gratis))}"
        return f"{everything} are free to start{f', under {licence}' if licence else ''}."
    if not gratis:
        return "None of them is free."
    if len(costs) == 1 and len(gratis) > 1:
        return f"All but {_plain(costs[0].name)} are free to start."
    return f"{_capital(_counted(len(gratis), 'tool'))} {'is' if len(gratis) == 1 else 'are'} free to start."


# --- words


def _these(group: Sequence[ToolFacts]) -> str:
    return _and([_plain(tool.name) for tool in group]) if len(group) <= 2 else _number(len(group))


def _majority_words(tool: ToolFacts) -> str:
    ships, skips = split_of(tool)
    if ships is None or skips is None:
        return "the panel"
    if not ships and skips > 1:
        return f"all {_number(skips)} of the panel"
    return f"the panel, {_number(skips)} to {_number(ships)}"


def _who(reviewer: str | None) -> str:
    if reviewer is None:
        return ""
    return f"the {reviewer}" if reviewer.casefold() in _SEATS else reviewer


def _number(count: int) -> str:
    return _NUMBERS[count] if 0 <= count < len(_NUMBERS) else str(count)


def _counted(count: int, noun: str) -> str:
    return f"{_number(count)} {noun}{'' if count == 1 else 's'}"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _and(parts: Collection[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def _plain(name: str) -> str:
    """*name* so that Markdown shows it as it is written."""
    return _MARKUP.sub(r"\\\1", " ".join(name.split()))
