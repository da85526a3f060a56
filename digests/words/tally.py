"""What the week adds up to: tools, verdicts, dissents and what they have in common."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from digests.edition import Entry
from digests.facts import PanelFacts, ToolFacts, Verdict

_LICENCES: Final = (
    (re.compile(r"\bApache(?:[ -]License)?[ -]2(?:\.0)?\b", re.IGNORECASE), "Apache 2.0"),
    (re.compile(r"\bMIT(?: licen[cs]ed?)?\b"), "the MIT licence"),
    (re.compile(r"\bA?GPL(?:v?[23](?:\.0)?)?\b"), "the GPL"),
)


@dataclass(frozen=True, slots=True)
class Dissent:
    """A reviewer against the panel's majority. *reviewer* is None when the page names nobody."""

    tool: str
    reviewer: str | None
    verdict: Verdict


@dataclass(frozen=True)
class Week:
    """The entries of one edition, counted. A tool on several pages is one tool."""

    entries: tuple[Entry, ...]

    @cached_property
    def tools(self) -> tuple[ToolFacts, ...]:
        """Each tool once, as the page that says most about it has it, in order of appearance."""
        best: dict[str, ToolFacts] = {}
        for entry in self.entries:
            for tool in entry.facts.tools:
                known = best.get(tool.slug)
                if known is None or _fullness(tool) > _fullness(known):
                    best[tool.slug] = tool
        return tuple(best.values())

    @cached_property
    def shipped(self) -> tuple[ToolFacts, ...]:
        """The tools the panel ships."""
        return tuple(tool for tool in self.tools if verdict_of(tool) is Verdict.ship)

    @cached_property
    def skipped(self) -> tuple[ToolFacts, ...]:
        """The tools the panel skips."""
        return tuple(tool for tool in self.tools if verdict_of(tool) is Verdict.skip)

    @cached_property
    def mixed(self) -> tuple[ToolFacts, ...]:
        """The tools that divide the panel."""
        return tuple(tool for tool in self.tools if verdict_of(tool) is Verdict.mixed)

    @cached_property
    def dissents(self) -> tuple[Dissent, ...]:
        """Everyone known to stand against the panel's word on a tool."""
        return tuple(dissent for tool in self.tools for dissent in dissents_on(tool))

    @property
    def is_counted(self) -> bool:
        """Whether every page says how many ship and how many skip."""
        return all(None not in split_of(tool) for tool in self.tools)

    @property
    def is_priced(self) -> bool:
        """Whether every page says if its tools are free to start."""
        return all(free(tool) is not None for tool in self.tools)

    @property
    def is_free(self) -> bool:
        """Whether every tool is known to be free to start."""
        return all(free(tool) for tool in self.tools)

    def licence_of(self, tools: Iterable[ToolFacts]) -> str | None:
        """The licence that all of *tools* name in their price or tagline; None if they differ."""
        shared: set[str] | None = None
        for tool in tools:
            named = {
                name
                for pattern, name in _LICENCES
                if pattern.search(f"{tool.pricing or ''} {tool.tagline or ''}")
            }
            shared = named if shared is None else shared & named
        return min(shared) if shared else None


def week(entries: Sequence[Entry]) -> Week:
    """*entries* ready to be counted."""
    return Week(tuple(entries))


def verdict_of(tool: ToolFacts) -> Verdict | None:
    """The panel's word: the page's own, else what its figures leave no doubt about, else None."""
    if tool.panel.verdict is not None:
        return tool.panel.verdict
    ships, skips = split_of(tool)
    if ships is not None and skips is not None:
        return _majority(ships, skips)
    if tool.panel.ship_percent in {0, 100}:
        return Verdict.ship if tool.panel.ship_percent else Verdict.skip
    return None


def split_of(tool: ToolFacts) -> tuple[int | None, int | None]:
    """How many ship and how many skip: as the page counts, else as its reviewers say."""
    if tool.panel.ships is not None or tool.panel.skips is not None:
        return tool.panel.ships, tool.panel.skips
    verdicts = [review.verdict for review in tool.reviews]
    if not verdicts or None in verdicts:
        return None, None
    return verdicts.count(Verdict.ship), verdicts.count(Verdict.skip)


def dissents_on(tool: ToolFacts) -> tuple[Dissent, ...]:
    """Who is against the panel's word on *tool*; nobody when that word is mixed or unknown."""
    panel = verdict_of(tool)
    if panel not in {Verdict.ship, Verdict.skip}:
        return ()
    minority = Verdict.skip if panel is Verdict.ship else Verdict.ship
    named = [r for r in tool.reviews if r.verdict is minority]
    if named:
        return tuple(Dissent(tool.name, review.reviewer, minority) for review in named)
    counted = _count(tool.panel, minority)
    return tuple(Dissent(tool.name, None, minority) for _ in range(counted))


def free(tool: ToolFacts) -> bool | None:
    """Whether one can start without paying; None when the page does not say."""
    word = (tool.entry or tool.pricing or "").casefold()
    if not word:
        return None
    return word.startswith(("free", "open source", "open-source", "$0"))


def _majority(ships: int, skips: int) -> Verdict | None:
    if ships == skips:
        return Verdict.mixed if ships else None
    return Verdict.ship if ships > skips else Verdict.skip


def _count(panel: PanelFacts, verdict: Verdict) -> int:
    return (panel.skips if verdict is Verdict.skip else panel.ships) or 0


def _fullness(tool: ToolFacts) -> int:
    said = sum(value is not None for value in tool.panel.__dict__.values())
    said += sum(value is not None for value in tool.__dict__.values())
    return said + sum(review.verdict is not None for review in tool.reviews)
