"""What the read API says, as values: the schemas of its OpenAPI are made of these."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from digests.facts import ComparisonFacts, ToolFacts, Verdict
from digests.store.comparisons import Tool
from digests.store.history import Change, ToolMove
from digests.store.listing import Listing, panel_percent
from digests.store.standings import Figure
from digests.words.tally import verdict_of


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True)


class Refusal(_Said):
    """What was wrong, in one sentence."""

    detail: str


class Readers(_Said):
    """The readers' verdict: percent that ship, in steps of five, and at least how many voted."""

    percent: int
    votes: int


class Side(_Said):
    """One tool of a comparison in a list. null: no page has said."""

    slug: str
    name: str
    verdict: Verdict | None
    panel_percent: float | None
    readers_percent: int | None


class Listed(_Said):
    """A comparison in a list. *gap*: the widest distance of panel and readers, in percentage points."""

    slug: str
    title: str
    summary: str | None
    address: str = Field(description="the comparison's page")
    categories: list[str]
    sides: list[Side]
    gap: int | None
    revision: int
    published_at: datetime | None
    changed_at: datetime = Field(description="when it last said something new")


class Comparisons(_Said):
    """A page of comparisons. *next* is the ``after`` of the page that follows, null on the last one."""

    comparisons: list[Listed]
    next: str | None


class Changed(_Said):
    """What one revision changed, in sentences."""

    revision: int
    at: datetime
    changes: list[str]


class Compared(_Said):
    """One comparison in full."""

    address: str = Field(description="the comparison's page")
    revision: int
    facts: ComparisonFacts
    readers: dict[str, Readers] = Field(description="by the tool's slug; only where enough voted")
    history: list[Changed]


class ListedTool(_Said):
    """A tool in a list. null: no page has said."""

    slug: str
    name: str
    category: str | None
    tagline: str | None
    verdict: Verdict | None
    panel_percent: float | None


class Tools(_Said):
    """A page of tools. *next* is the ``after`` of the page that follows, null on the last one."""

    tools: list[ListedTool]
    next: str | None


class Moved(_Said):
    """Where the panel stood on a tool from *at* on."""

    at: datetime
    verdict: Verdict | None
    percent: float | None
    ships: int | None
    skips: int | None


class ToolInFull(_Said):
    """One tool in full."""

    slug: str
    address: str = Field(description="the tool's page")
    facts: ToolFacts
    readers: Readers | None
    moves: list[Moved] = Field(description="oldest first")


class Categories(_Said):
    """Every category in which a comparison stands, by name."""

    categories: list[str]


def listed(row: Listing, address: str) -> Listed:
    """*row* as the API says it; *address* is the comparison's page."""
    shown = (row.left_shown, row.right_shown)
    return Listed(
        slug=row.slug,
        title=row.title,
        summary=row.summary,
        address=address,
        categories=[name for name in (row.category, row.other_category) if name],
        sides=[
            Side(
                slug=side["slug"],
                name=side["name"],
                verdict=side["verdict"],
                panel_percent=side["percent"],
                readers_percent=readers,
            )
            for side, readers in zip(row.sides, shown, strict=True)
        ],
        gap=row.gap,
        revision=row.revision,
        published_at=row.published_at,
        changed_at=row.listed_at,
    )


def readers(figure: Figure | None) -> Readers | None:
    """The figure that is shown, where one is."""
    return Readers(percent=figure.percent, votes=figure.votes) if figure else None


def changed(one: Change) -> Changed:
    """A revision's changes."""
    return Changed(revision=one.number, at=one.at, changes=list(one.sentences))


def moved(one: ToolMove) -> Moved:
    """A move of the panel's word."""
    return Moved(
        at=one.at, verdict=one.verdict, percent=one.percent, ships=one.ships, skips=one.skips
    )


def listed_tool(tool: Tool, facts: ToolFacts) -> ListedTool:
    """A tool as it stands in a list."""
    return ListedTool(
        slug=tool.slug,
        name=facts.name,
        category=facts.category,
        tagline=facts.tagline,
        verdict=verdict_of(facts),
        panel_percent=panel_percent(facts),
    )
