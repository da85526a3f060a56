"""What readers made of the week, as words for the mail: percent beside percent, and the widest gap."""

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from digests.facts import Verdict
from digests.week_said import ToolSaid, WeekSaid
from newsletter.rendering.inert import line


@dataclass(frozen=True, slots=True)
class Row:
    """One tool: what the panel says, what readers say, and the colour of what they say."""

    name: str
    panel: str
    community: str
    votes: str
    tone: Verdict


@dataclass(frozen=True, slots=True)
class Week:
    """Ready to be set. *widest* is empty where panel and readers nowhere differ."""

    tools: tuple[Row, ...]
    title: str
    widest: str
    link: Markup | None


def week(
    said: WeekSaid | None, link: Callable[[str], Markup | None], *, address: str
) -> Week | None:
    """*said* as the words that stand in the mail; *address* has ``{slug}`` in it."""
    if said is None:
        return None
    return Week(
        tools=tuple(_row(tool) for tool in said.tools),
        title=line(said.widest_title),
        widest=_apart(said.widest) if said.widest else "",
        link=link(address.replace("{slug}", said.widest_slug)) if said.widest else None,
    )


def _row(tool: ToolSaid) -> Row:
    panel = "" if tool.panel is None else f"{tool.panel:.3g}%"
    return Row(
        name=line(tool.name),
        panel=panel or (tool.panel_verdict or "\u2013"),
        community=f"{tool.community}% ship",
        votes=f"{tool.votes:,}+ votes",
        tone=tool.community_verdict,
    )


def _apart(tool: ToolSaid) -> str:
    return (
        f"{tool.panel or 0:.3g}% of the panel and {tool.community}% of readers "
        f"would ship {line(tool.name)}."
    )
