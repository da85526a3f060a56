"""Voting and keeping, from a mail or a page: whose link it is, how it came, and what stands.

A link names a person's copy of an edition and is good for their verdicts alone.
Opening it changes nothing, whoever opens it; the button on its page does.
"""

import hashlib
import hmac
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import func
from sqlmodel import Session, col, select

from digests.facts import Verdict
from digests.store import community
from digests.store.ballots import Bookmark
from digests.store.community import Circumstances, NoSuchTool, Said
from digests.store.comparisons import Comparison, Tool
from digests.store.standings import Figure, Rules, figures
from newsletter import links
from newsletter.knocking import network_of
from newsletter.links import CopyRef, Purpose
from newsletter.settings import settings
from subscribers.models import Subscriber

#: What calls itself a program. A person's browser never does.
_PROGRAMS: Final = re.compile(
    r"bot\b|crawl|spider|scan|preview|fetch|curl|wget|python|okhttp|java/|go-http", re.IGNORECASE
)
_NONE_IN_TIME: Final = -1.0


class Choice(StrEnum):
    """What a button says."""

    ship = "ship"
    skip = "skip"
    take_back = "take-back"
    keep = "keep"
    let_go = "let-go"


class NoSuchChoice(community.CommunityError):
    """A form or a link that was put together by hand."""

    def __init__(self) -> None:
        super().__init__("Say ship, skip or keep; the mail has a link for each.")


@dataclass(frozen=True, slots=True)
class Ballot:
    """One tool as one reader sees it before they press. *said* is their word, if they gave one."""

    tool: Tool
    figure: Figure | None
    said: Said | None
    kept: bool
    page: tuple[str, str] | None  # slug and title of the newest comparison with it


@dataclass(frozen=True, slots=True)
class How:
    """How a press came: the caller's network, what it calls itself, and the stamp of its page."""

    host: str
    agent: str
    stamp: str


def reader_of(session: Session, token: str) -> CopyRef | None:
    """Whose link *token* is; None for one that is not ours, or whose person was erased."""
    copy = links.copy_of(token, Purpose.verdict)
    if copy is None:
        return None
    person = session.get(Subscriber, copy.subscriber_id)
    return copy if person is not None and person.address is not None else None


def link_for(subscriber_id: int) -> str:
    """A reader's own link to vote with, that belongs to no edition."""
    return links.own(subscriber_id, Purpose.verdict)


def ballot(session: Session, slug: str, reader: CopyRef) -> Ballot:
    """What *reader* sees of the tool *slug*. Raises NoSuchTool."""
    tool = session.exec(select(Tool).where(col(Tool.slug) == slug)).first()
    if tool is None or tool.id is None:
        raise NoSuchTool(slug)
    return ballots(session, [tool], reader)[0]


def ballots(session: Session, tools: Collection[Tool], reader: CopyRef) -> list[Ballot]:
    """The same of several *tools*, in their order."""
    ids = [tool.id or 0 for tool in tools]
    known = figures(session, ids)
    said = community.votes_of(session, reader.subscriber_id, ids)
    kept = community.kept_of(session, reader.subscriber_id, ids)
    pages = _pages(session, ids)
    return [
        Ballot(
            tool=tool,
            figure=known.get(tool.id or 0),
            said=said.get(tool.id or 0),
            kept=(tool.id or 0) in kept,
            page=pages.get(tool.id or 0),
        )
        for tool in tools
    ]


def ballots_on(session: Session, slugs: Collection[str], reader: CopyRef) -> list[Ballot]:
    """The same of the tools called *slugs*, in that order; of those that the store has."""
    known = {tool.slug: tool for tool in _tools(session, slugs)}
    return ballots(session, [known[slug] for slug in slugs if slug in known], reader)


def shown_figures(session: Session, slugs: Collection[str]) -> dict[str, Figure]:
    """The community's figure of each of *slugs* that has one, by slug."""
    tools = {tool.id or 0: tool.slug for tool in _tools(session, slugs)}
    return {tools[one]: figure for one, figure in figures(session, tools).items()}


def press(  # noqa: PLR0913 - who, what, how it came and when
    session: Session,
    *,
    token: str,
    reader: CopyRef,
    slug: str,
    choice: str,
    how: How,
    now: datetime,
) -> None:
    """Do what the button says; the same press twice changes nothing more.

    Raises NoSuchTool, NoSuchChoice and KeepsTooMany.
    """
    tool = session.exec(select(Tool.id).where(col(Tool.slug) == slug)).first()
    if tool is None:
        raise NoSuchTool(slug)
    who = {"subscriber_id": reader.subscriber_id, "tool_id": tool}
    match choice:
        case Choice.ship | Choice.skip:
            community.cast(
                session,
                **who,
                verdict=Verdict(choice),
                how=_circumstances(token, reader, how, now=now),
                rules=rules(),
                now=now,
            )
        case Choice.take_back:
            community.take_back(session, **who, rules=rules(), now=now)
        case Choice.keep:
            community.keep(session, **who, now=now)
        case Choice.let_go:
            community.let_go(session, **who)
        case _:
            raise NoSuchChoice


def everything_of(session: Session, reader: CopyRef) -> list[Ballot]:
    """All that *reader* keeps or has voted on: what they keep first, the newest first."""
    kept = select(Bookmark.tool_id).where(col(Bookmark.subscriber_id) == reader.subscriber_id)
    voted = [said.tool_id for said in community.all_votes_of(session, reader.subscriber_id)]
    order = [*session.exec(kept.order_by(col(Bookmark.kept_at).desc())), *voted]
    ids = list(dict.fromkeys(order))
    tools = {
        tool.id: tool for tool in session.exec(select(Tool).where(col(Tool.id).in_(ids))).all()
    }
    return ballots(session, [tools[one] for one in ids if one in tools], reader)


def rules() -> Rules:
    """The limits that this installation has set."""
    known = settings().votes
    return Rules(enough=known.enough, step=known.step, burst=known.burst, network=known.network)


def stamp(token: str, *, now: datetime) -> str:
    """When a page with a button was made, for the press to bring back: milliseconds and a proof."""
    moment = f"{round(now.timestamp() * 1000):x}"
    return f"{moment}-{_mac(token, moment)}"


def _tools(session: Session, slugs: Collection[str]) -> Sequence[Tool]:
    return session.exec(select(Tool).where(col(Tool.slug).in_(slugs))).all()


def _circumstances(token: str, reader: CopyRef, how: How, *, now: datetime) -> Circumstances:
    since = _seconds_since(how.stamp, token, now=now)
    return Circumstances(
        digest_id=reader.digest_id or None,
        network=_network(how.host, now=now),
        machine=since < settings().votes.haste or bool(_PROGRAMS.search(how.agent)),
    )


def _seconds_since(given: str, token: str, *, now: datetime) -> float:
    """Seconds since the page of *given* was made; less than nothing when no page of ours made it."""
    moment, _, mac = given.partition("-")
    if not hmac.compare_digest(mac.encode(), _mac(token, moment).encode()):
        return _NONE_IN_TIME
    return now.timestamp() - int(moment, 16) / 1000


def _network(host: str, *, now: datetime) -> bytes | None:
    """A name for the caller's network that tells nothing and is another one tomorrow."""
    if not host:
        return None
    return hashlib.blake2b(
        f"{network_of(host)} {now:%Y-%m-%d}".encode(), digest_size=16, key=_key(b"network")
    ).digest()


def _mac(token: str, moment: str) -> str:
    said = f"{token} {moment}".encode()
    return hashlib.blake2b(said, digest_size=9, key=_key(b"stamp")).hexdigest()


def _key(purpose: bytes) -> bytes:
    secret = settings().link_secret.get_secret_value().encode()
    return hashlib.blake2b(secret, digest_size=32, person=b"votes " + purpose).digest()


def _pages(session: Session, ids: Collection[int]) -> dict[int, tuple[str, str]]:
    """The newest comparison with each tool, in two statements however many tools there are."""
    newest: dict[int, int] = {}
    for side in (col(Comparison.left_tool_id), col(Comparison.right_tool_id)):
        rows = session.execute(
            select(side, func.max(Comparison.id)).where(side.in_(ids)).group_by(side)
        )
        for tool_id, comparison_id in rows:
            newest[tool_id] = max(newest.get(tool_id, 0), comparison_id)
    named = {
        comparison_id: (slug, title)
        for comparison_id, slug, title in session.exec(
            select(Comparison.id, Comparison.slug, Comparison.title).where(
                col(Comparison.id).in_(newest.values())
            )
        )
    }
    return {tool_id: named[one] for tool_id, one in newest.items() if one in named}
