"""What readers say of tools: one vote for a person and tool, and the tools they keep."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, delete, func, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel, col, select

from digests.facts import Verdict
from digests.store.ballots import Bookmark, Doubt, Standing, Vote
from digests.store.comparisons import Tool
from digests.store.standings import Rules, held_standing, publish_if_due, put, strike

#: Within this time votes of one mind are a burst; from one network they add up for a day.
BURST_WITHIN: Final = timedelta(minutes=1)
#: A network's hash is of no use on another day, and is wiped.
NETWORK_KEPT_FOR: Final = timedelta(days=1)
MOST_KEPT: Final = 500  # tools that one person may keep

#: Conditions on the votes that came with one.
Near = tuple[ColumnElement[bool], ...]


class CommunityError(Exception):
    """Base of what is wrong with a vote or a bookmark."""


class NoSuchTool(CommunityError):
    """No page has compared a tool of that number."""

    def __init__(self, tool: object) -> None:
        super().__init__("There is no such tool in our comparisons.")
        self.tool = tool


class KeepsTooMany(CommunityError):
    """A list of one's own that nobody could read."""

    def __init__(self) -> None:
        super().__init__(f"You keep {MOST_KEPT} tools already; let one go before you keep another.")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """How a vote came. *network* is a hash; *machine*: a program pressed the button, or seems to have."""

    digest_id: int | None = None
    network: bytes | None = None
    machine: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """One person's vote as they see it; *held* when it waits for an operator's look."""

    tool_id: int
    verdict: Verdict
    cast_at: datetime
    held: Doubt | None = None


@dataclass(frozen=True, slots=True)
class OfPerson:
    """Everything kept about one person here, for their page and their export."""

    votes: tuple[tuple[str, Said], ...]  # with the tool's name
    bookmarks: tuple[tuple[str, datetime], ...]


def cast(  # noqa: PLR0913 - who, what, and how it came
    session: Session,
    *,
    subscriber_id: int,
    tool_id: int,
    verdict: Verdict,
    how: Circumstances,
    rules: Rules,
    now: datetime,
) -> Vote:
    """Take this person's word on this tool from now on. The same word twice changes nothing.

    It may be held out of the count; what an operator has ruled once stands, and a
    program never changes what stands. Raises NoSuchTool.
    """
    if session.get(Tool, tool_id) is None:
        raise NoSuchTool(tool_id)
    standing = held_standing(session, tool_id)
    vote = _vote(session, subscriber_id, tool_id)
    if vote is not None and vote.verdict is not None and (how.machine or vote.verdict is verdict):
        return vote  # no program takes a person's word away
    if vote is None:
        vote = Vote(subscriber_id=subscriber_id, tool_id=tool_id, cast_at=now)
        session.add(vote)
    came = {"cast_at": now, "digest_id": how.digest_id, "network": how.network}
    put(standing, vote, verdict=verdict, **came)
    if vote.held is None and vote.ruling is None:
        put(standing, vote, held=Doubt.machine if how.machine else None)
    if vote.held is None and vote.ruling is None:
        put(standing, vote, held=_doubt(session, standing, vote, rules, now=now))
    session.flush()
    publish_if_due(session, standing, rules, now=now)
    return vote


def take_back(
    session: Session, *, subscriber_id: int, tool_id: int, rules: Rules, now: datetime
) -> bool:
    """No word on this tool any more; False when there was none."""
    standing = held_standing(session, tool_id) if session.get(Tool, tool_id) else None
    vote = _vote(session, subscriber_id, tool_id)
    if standing is None or vote is None or vote.verdict is None:
        return False
    if vote.published is None and vote.held is None:
        strike(session, standing, vote)
    else:  # kept until the shown figure has moved on, and so that a ruling is not shaken off
        put(standing, vote, verdict=None, cast_at=now, network=None)
    session.flush()
    publish_if_due(session, standing, rules, now=now)
    return True


def keep(session: Session, *, subscriber_id: int, tool_id: int, now: datetime) -> bool:
    """Keep the tool for later; False when it is kept already. Raises NoSuchTool, KeepsTooMany."""
    if session.get(Tool, tool_id) is None:
        raise NoSuchTool(tool_id)
    held = session.exec(
        select(func.count())
        .select_from(Bookmark)
        .where(col(Bookmark.subscriber_id) == subscriber_id)
    ).one()
    if held >= MOST_KEPT and session.get(Bookmark, (subscriber_id, tool_id)) is None:
        raise KeepsTooMany
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    made = session.connection().execute(
        dialect.insert(SQLModel.metadata.tables["bookmark"])
        .on_conflict_do_nothing()
        .execution_options(preserve_rowcount=True),
        {"subscriber_id": subscriber_id, "tool_id": tool_id, "kept_at": now},
    )
    return made.rowcount == 1


def let_go(session: Session, *, subscriber_id: int, tool_id: int) -> bool:
    """Keep it no longer; False when it was not kept."""
    gone = session.connection().execute(
        delete(Bookmark).where(
            col(Bookmark.subscriber_id) == subscriber_id, col(Bookmark.tool_id) == tool_id
        )
    )
    return gone.rowcount == 1


def votes_of(session: Session, subscriber_id: int, tools: Collection[int]) -> dict[int, Said]:
    """What this person says of *tools*, by tool."""
    return {
        said.tool_id: said
        for _, said in _votes(session, subscriber_id, col(Vote.tool_id).in_(tools))
    }


def all_votes_of(session: Session, subscriber_id: int) -> list[Said]:
    """Everything this person says of tools, newest first."""
    return [said for _, said in _votes(session, subscriber_id)]


def kept_of(session: Session, subscriber_id: int, tools: Collection[int]) -> set[int]:
    """Which of *tools* this person keeps."""
    return set(
        session.exec(
            select(Bookmark.tool_id).where(
                col(Bookmark.subscriber_id) == subscriber_id, col(Bookmark.tool_id).in_(tools)
            )
        )
    )


def of_person(session: Session, subscriber_id: int) -> OfPerson:
    """Everything this person said and kept, newest first."""
    kept = session.exec(
        select(Tool.name, Bookmark.kept_at)
        .join(Bookmark, col(Bookmark.tool_id) == col(Tool.id))
        .where(col(Bookmark.subscriber_id) == subscriber_id)
        .order_by(col(Bookmark.kept_at).desc(), col(Tool.id))
    )
    return OfPerson(tuple(_votes(session, subscriber_id)), tuple((name, at) for name, at in kept))


def forget(
    session: Session, subscriber_id: int, *, rules: Rules | None = None, now: datetime
) -> int:
    """Erase what this person said and kept; their votes leave the count. Returns how many rows went."""
    rules = rules or Rules()
    gone = session.connection().execute(
        delete(Bookmark).where(col(Bookmark.subscriber_id) == subscriber_id)
    )
    # All locks first, in the order of the tools: nobody can wait for us while we wait for them.
    tools = session.exec(
        select(Vote.tool_id)
        .where(col(Vote.subscriber_id) == subscriber_id)
        .order_by(col(Vote.tool_id))
    ).all()
    standings = [held_standing(session, tool_id) for tool_id in tools]
    struck = 0
    for standing in standings:
        if (vote := _vote(session, subscriber_id, standing.tool_id)) is not None:
            strike(session, standing, vote)
            struck += 1
    session.flush()
    for standing in standings:
        publish_if_due(session, standing, rules, now=now)
    return struck + gone.rowcount


def wipe_networks(session: Session, *, now: datetime) -> int:
    """Forget from which network the votes of yesterday came; returns how many forgot."""
    wiped = session.connection().execute(
        update(Vote)
        .where(col(Vote.network).is_not(None), col(Vote.cast_at) < now - NETWORK_KEPT_FOR)
        .values(network=None)
    )
    return wiped.rowcount


def _vote(session: Session, subscriber_id: int, tool_id: int) -> Vote | None:
    return session.exec(
        select(Vote)
        .where(col(Vote.subscriber_id) == subscriber_id, col(Vote.tool_id) == tool_id)
        .execution_options(populate_existing=True)
    ).first()


def _votes(
    session: Session, subscriber_id: int, *only: ColumnElement[bool]
) -> list[tuple[str, Said]]:
    rows = session.exec(
        select(Tool.name, Vote)
        .join(Vote, col(Vote.tool_id) == col(Tool.id))
        .where(col(Vote.subscriber_id) == subscriber_id, col(Vote.verdict).is_not(None), *only)
        .order_by(col(Vote.cast_at).desc(), col(Tool.id))
    )
    return [
        (name, Said(vote.tool_id, vote.verdict, vote.cast_at, vote.held if vote.waits else None))
        for name, vote in rows
        if vote.verdict is not None
    ]


def _doubt(
    session: Session, standing: Standing, vote: Vote, rules: Rules, *, now: datetime
) -> Doubt | None:
    """Why this vote is to be held out; those that came with it are held out with it."""
    others = (
        col(Vote.tool_id) == vote.tool_id,
        col(Vote.verdict).is_not(None),
        col(Vote.ruling).is_(None),
        col(Vote.subscriber_id) != vote.subscriber_id,
    )
    if rules.network and vote.network is not None:
        near: Near = (*others, col(Vote.network) == vote.network)
        if _at_least(session, rules.network, near):
            return _hold(session, standing, Doubt.network, near)
    if rules.burst:
        since = now - BURST_WITHIN
        near = (*others, col(Vote.verdict) == vote.verdict, col(Vote.cast_at) > since)
        if _at_least(session, rules.burst, near):
            return _hold(session, standing, Doubt.burst, near)
    return None


def _at_least(session: Session, many: int, near: Near) -> bool:
    """Looks at no more than *many*, however long a storm lasts."""
    with session.no_autoflush:
        return len(session.exec(select(Vote.id).where(*near).limit(many)).all()) >= many


def _hold(session: Session, standing: Standing, doubt: Doubt, near: Near) -> Doubt:
    with session.no_autoflush:
        counted = session.exec(select(Vote).where(*near, col(Vote.held).is_(None))).all()
    for vote in counted:
        put(standing, vote, held=doubt)
    return doubt
