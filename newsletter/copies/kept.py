"""The line that leads a digest for whoever keeps a tool that it compares: the same in HTML and in text."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, select, union
from sqlmodel import Session, col

from digests.models import Digest, DigestItem
from digests.store.ballots import Bookmark
from digests.store.comparisons import Comparison, Revision, Tool
from newsletter.rendering.inert import inert, line

#: Names in one line; providers limit what may be filled in, and a reader reads no more.
MOST_NAMES: Final = 2
_LONGEST_NAME: Final = 60  # characters
#: The same value stands in HTML and in plain text: what markup means is written otherwise.
_PLAIN: Final = str.maketrans(
    {"<": "\u2039", ">": "\u203a", "&": "+", '"': "\u201d", "'": "\u2019", "`": "\u2019", "\\": "/"}
)

_PAIRS: Final = (
    select(col(Comparison.left_tool_id), col(Comparison.right_tool_id))
    .join(Revision, col(Revision.comparison_id) == col(Comparison.id))
    .join(DigestItem, col(DigestItem.revision_id) == col(Revision.id))
    .where(col(DigestItem.digest_id) == bindparam("its_digest"))
    .subquery()
)
# Built once: it runs for every batch. One stretch of the bookmarks' own order, not a look for each.
_KEPT: Final = (
    select(col(Bookmark.subscriber_id), col(Tool.name))
    .join(Tool, col(Tool.id) == col(Bookmark.tool_id))
    .where(
        col(Bookmark.subscriber_id).between(bindparam("first"), bindparam("last")),
        col(Bookmark.tool_id).in_(union(select(_PAIRS.c[0]), select(_PAIRS.c[1]))),
        # What is kept once the send has started changes no copy: the same claim, the same bytes.
        col(Bookmark.kept_at)
        < select(col(Digest.started_at))
        .where(col(Digest.id) == bindparam("its_digest"))
        .scalar_subquery(),
    )
    .order_by(col(Bookmark.subscriber_id), col(Bookmark.kept_at), col(Bookmark.tool_id))
)
#: Whether anybody keeps a tool of the edition, before anybody's copy is made.
_ANYBODY: Final = (
    select(col(Bookmark.tool_id))
    .where(col(Bookmark.tool_id).in_(union(select(_PAIRS.c[0]), select(_PAIRS.c[1]))))
    .limit(1)
)


def lines(session: Session, digest_id: int, *, first: int, last: int) -> dict[int, str]:
    """The line of everybody from *first* to *last* who keeps a tool that the edition compares."""
    names: dict[int, list[str]] = {}
    rows = session.connection().execute(
        _KEPT, {"its_digest": digest_id, "first": first, "last": last}
    )
    for subscriber_id, name in rows:
        names.setdefault(subscriber_id, []).append(name)
    return {one: said(tools) for one, tools in names.items()}


def longest(session: Session, digest_id: int, tools: Sequence[str]) -> str:
    """The longest line that anybody's copy could begin with; empty while nobody keeps any of *tools*."""
    if not tools or session.execute(_ANYBODY, {"its_digest": digest_id}).first() is None:
        return ""
    by_length = sorted(dict.fromkeys(tools), key=lambda name: -len(_plain(name).encode()))
    return said(by_length)


def said(tools: Sequence[str]) -> str:
    """*You keep SmolVLM2 and one more: compared this week.* Safe in HTML, text, headers and JSON."""
    named = [_plain(name) for name in tools[:MOST_NAMES]]
    if more := len(tools) - len(named):
        named.append("one more" if more == 1 else f"{more} more")
    listed = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    return f"You keep {listed}: compared this week."


def _plain(name: str) -> str:
    short = line(name)
    if len(short) > _LONGEST_NAME:
        short = f"{short[:_LONGEST_NAME].rstrip()}\u2026"
    return inert(short).translate(_PLAIN)
