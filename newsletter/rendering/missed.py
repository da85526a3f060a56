"""What readers missed of earlier editions, as words for the mail: each comparison in two lines."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from markupsafe import Markup

from digests.edition import Entry, Missed
from newsletter.rendering.card import Side, card


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: its title, where it stands in full, and the panel on both tools."""

    title: str
    link: Markup | None
    panel: str


@dataclass(frozen=True, slots=True)
class Earlier:
    """One edition, ready to be set. *more* is empty when all of it is here."""

    head: str
    link: Markup | None
    rows: tuple[Row, ...]
    more: str


def earlier(
    editions: Iterable[Missed], link: Callable[[str], Markup | None], *, archive: str
) -> list[Earlier]:
    """*editions* as they stand in the mail; *archive* is where each has its page, by its issue."""
    return [
        Earlier(
            head=f"No. {one.number} · {one.dated.day} {one.dated:%B %Y}",
            link=link(f"{archive}/{one.issue}"),
            rows=tuple(_row(entry, link) for entry in one.entries),
            more=_more(one.more, behind=bool(one.entries)),
        )
        for one in editions
    ]


def _row(entry: Entry, link: Callable[[str], Markup | None]) -> Row:
    said = card(entry)
    return Row(said.title, link(said.address), " · ".join(filter(None, map(_panel, said.sides))))


def _panel(side: Side) -> str:
    words = [str(side.verdict) if side.verdict else "", f"{side.percent} {side.of_panel}"]
    known = ", ".join(word for word in words if word.strip() and (side.percent or word == words[0]))
    return f"{side.name}: {known}" if known else ""


def _more(count: int, *, behind: bool) -> str:
    if not count:
        return ""
    noun = "comparison" if count == 1 else "comparisons"
    return f"and {count} more {noun} in the archive" if behind else f"{count} {noun} in the archive"
