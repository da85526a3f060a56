"""One deed for many people at once: chosen in one statement, done piece by piece, and taken back.

Whom it is about is settled when it begins and named by number; what the filter was is forgotten,
for it may hold an address. Each piece is one transaction that moves some people and marks them, so
that whoever dies in the middle leaves the rest to the next one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, cast

from sqlalchemy import Column, CursorResult, Enum, Select, delete, exists, func, literal, update
from sqlalchemy import select as columns
from sqlmodel import Field, Session, SQLModel, col, select

from subscribers import looking
from subscribers.barring import keep_all_out, let_all_in
from subscribers.looking import Wanted
from subscribers.models import BIG, Subscriber, SubscriberStatus, Suppression
from subscribers.subscription import BY_OPERATOR, reinstate, retire_all, suppressed_for

#: People in one piece.
AT_ONCE: Final = 1000
#: How long a deed can be taken back; then it is forgotten whom it was about.
KEPT: Final = timedelta(days=30)


class Deed(StrEnum):
    """What is done to them."""

    take_off = "take off"
    keep_out = "keep out"
    let_in = "let in"


class BulkStatus(StrEnum):
    """Where a deed stands."""

    running = "running"
    done = "done"
    undoing = "undoing"
    undone = "undone"


#: Taken back while it runs, a deed goes no further: what was not done yet is left alone.
_NEXT: Final[dict[BulkStatus, frozenset[BulkStatus]]] = {
    BulkStatus.running: frozenset({BulkStatus.done, BulkStatus.undoing}),
    BulkStatus.done: frozenset({BulkStatus.undoing}),
    BulkStatus.undoing: frozenset({BulkStatus.undone}),
    BulkStatus.undone: frozenset(),
}


def _words(kind: type[StrEnum]) -> Enum:
    return Enum(kind, native_enum=False, length=16, values_callable=lambda e: [m.value for m in e])


class BulkAction(SQLModel, table=True):
    """One deed: what, by whom, and how far it is."""

    __tablename__ = "bulk_action"

    id: int | None = Field(default=None, primary_key=True)
    deed: Deed = Field(sa_column=Column(_words(Deed), nullable=False))
    status: BulkStatus = Field(
        default=BulkStatus.running, sa_column=Column(_words(BulkStatus), nullable=False, index=True)
    )
    why: str = Field(default="", max_length=300)
    by: str = Field(max_length=120)
    at: datetime
    people: int  # whom it is about
    done: int = 0  # of these, so far
    undone: int = 0  # for whom it was taken back


class BulkChange(SQLModel, table=True):
    """One person whom a deed is about; ``was`` is where they stood, when it moved them."""

    __tablename__ = "bulk_change"

    action_id: int = Field(primary_key=True)
    subscriber_id: int = Field(primary_key=True, sa_type=BIG, index=True)
    is_done: bool = False
    was: str | None = Field(default=None, max_length=16)


class NobodyToDoItTo(Exception):
    """Nobody of those who were asked for would be changed."""

    def __init__(self) -> None:
        super().__init__(
            "That would change nobody: they are all so already, or nobody is like that."
        )


class TooLate(Exception):
    """It is taken back already, or too long ago."""

    def __init__(self) -> None:
        super().__init__(
            f"That cannot be taken back: it is already, or it is more than {KEPT.days} days ago."
        )


def count(session: Session, wanted: Wanted, deed: Deed) -> tuple[int, int]:
    """How many people there are like that, and how many of them *deed* would change."""
    there, changed = (
        session.execute(columns(func.count()).select_from(asked.subquery())).scalar_one()
        for asked in (looking.numbers(session, wanted), _eligible(session, wanted, deed))
    )
    return there, changed


def begin(  # noqa: PLR0913 - what, to whom, why, by whom and when
    session: Session, wanted: Wanted, deed: Deed, *, why: str, by: str, now: datetime
) -> BulkAction:
    """Settle whom it is about, in one statement. Raises NobodyToDoItTo."""
    action = BulkAction(deed=deed, why=why[:300], by=by[:120], at=now, people=0)
    session.add(action)
    session.flush()
    table = SQLModel.metadata.tables["bulk_change"]
    chosen = _eligible(session, wanted, deed).subquery()
    settled = session.execute(
        table.insert()
        .from_select(
            ["action_id", "subscriber_id", "is_done"],
            columns(literal(action.id), chosen.c.id, literal(value=False)),
        )
        .execution_options(preserve_rowcount=True)
    )
    action.people = cast("CursorResult[Any]", settled).rowcount
    if not action.people:
        raise NobodyToDoItTo
    return action


def go_on(session: Session) -> BulkAction | None:
    """Do the next piece of the oldest deed that is not finished, or take one back; None without any."""
    action = session.exec(
        select(BulkAction)
        .where(col(BulkAction.status).in_((BulkStatus.running, BulkStatus.undoing)))
        .order_by(col(BulkAction.id))
        .limit(1)
        .with_for_update(skip_locked=True)  # another worker is at it
    ).first()
    if action is None:
        return None
    piece = _piece(session, action)
    people = [row.subscriber_id for row in piece]
    if action.status is BulkStatus.running:
        if not people:
            _move(action, BulkStatus.done)
            return action
        _do(session, action, people)
        _mark(session, action, piece)
        action.done += len(people)
    else:
        if not people:
            _move(action, BulkStatus.undone)
            return action
        action.undone += _undo(session, action, piece)
        _unmark(session, action, people)
    return action


def undo(session: Session, action_id: int, *, now: datetime) -> BulkAction:
    """Take it back, piece by piece as it was done. Raises TooLate."""
    action = session.get(BulkAction, action_id, with_for_update=True)
    if action is None or action.at < now - KEPT or BulkStatus.undoing not in _NEXT[action.status]:
        raise TooLate
    _move(action, BulkStatus.undoing)
    return action


def latest(session: Session, *, count: int = 10) -> Sequence[BulkAction]:
    """The latest of them."""
    return session.exec(select(BulkAction).order_by(col(BulkAction.id).desc()).limit(count)).all()


def of_person(session: Session, subscriber_id: int) -> Sequence[BulkAction]:
    """What was done to one person together with others, and stands."""
    return session.exec(
        select(BulkAction)
        .join(BulkChange, col(BulkChange.action_id) == col(BulkAction.id))
        .where(col(BulkChange.subscriber_id) == subscriber_id, col(BulkChange.is_done))
        .order_by(col(BulkAction.id))
    ).all()


def forget(session: Session, *, now: datetime) -> int:
    """Whom deeds were about that can no longer be taken back; returns how many lines."""
    old = columns(col(BulkAction.id)).where(col(BulkAction.at) < now - KEPT)
    gone = session.execute(
        delete(BulkChange)
        .where(col(BulkChange.action_id).in_(old))
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", gone).rowcount


def _eligible(session: Session, wanted: Wanted, deed: Deed) -> Select[Any]:
    """Those whom it would change."""
    like_that = looking.numbers(session, wanted)
    match deed:
        case Deed.take_off:
            mailed = (SubscriberStatus.pending, SubscriberStatus.active)
            return like_that.where(col(Subscriber.status).in_(mailed))
        case Deed.keep_out:
            known = col(Suppression.address_key) == col(Subscriber.address_key)
            return like_that.where(~exists().where(known))
        case Deed.let_in:
            return like_that.where(suppressed_for(BY_OPERATOR))


def _piece(session: Session, action: BulkAction) -> Sequence[Any]:
    """The next ones, locked, with where they stand and where they stood."""
    return session.execute(
        columns(
            col(BulkChange.subscriber_id),
            col(BulkChange.was),
            col(Subscriber.status),
        )
        .join(Subscriber, col(Subscriber.id) == col(BulkChange.subscriber_id))
        .where(
            col(BulkChange.action_id) == action.id,
            col(BulkChange.is_done).is_(action.status is BulkStatus.undoing),
        )
        .order_by(col(BulkChange.subscriber_id))
        .limit(AT_ONCE)
        .with_for_update()
    ).all()


def _do(session: Session, action: BulkAction, people: Sequence[int]) -> None:
    if action.deed is Deed.let_in:
        let_all_in(session, people)
        return
    if action.deed is Deed.keep_out:
        keep_all_out(session, people, detail=action.why, at=action.at)
    retire_all(session, people, how=BY_OPERATOR, now=action.at)


def _undo(session: Session, action: BulkAction, piece: Sequence[Any]) -> int:
    """As if it had not been; returns for how many."""
    people = [row.subscriber_id for row in piece]
    if action.deed is Deed.let_in:
        # Whoever has come back since by their own word stays.
        away = [row.subscriber_id for row in piece if row.status is not SubscriberStatus.active]
        return keep_all_out(session, away, detail=action.why, at=action.at)
    back = 0
    if action.deed is Deed.keep_out:
        back = let_all_in(session, people, since=action.at)
    moved = 0
    for was in (SubscriberStatus.pending, SubscriberStatus.active):
        them = [row.subscriber_id for row in piece if row.was == was]
        if them:
            moved += reinstate(session, them, was=was, how=BY_OPERATOR, at=action.at)
    return max(back, moved)


def _mark(session: Session, action: BulkAction, piece: Sequence[Any]) -> None:
    """They are done, and where they stood before."""
    mailed = {SubscriberStatus.pending, SubscriberStatus.active}
    by_was: dict[str | None, list[int]] = {}
    for row in piece:
        moved = row.status in mailed and action.deed is not Deed.let_in
        by_was.setdefault(str(row.status) if moved else None, []).append(row.subscriber_id)
    for was, people in by_was.items():
        session.execute(
            update(BulkChange)
            .where(
                col(BulkChange.action_id) == action.id, col(BulkChange.subscriber_id).in_(people)
            )
            .values(is_done=True, was=was)
            .execution_options(synchronize_session=False)
        )


def _unmark(session: Session, action: BulkAction, people: Sequence[int]) -> None:
    session.execute(
        update(BulkChange)
        .where(col(BulkChange.action_id) == action.id, col(BulkChange.subscriber_id).in_(people))
        .values(is_done=False)
        .execution_options(synchronize_session=False)
    )


def _move(action: BulkAction, wanted: BulkStatus) -> None:
    if wanted not in _NEXT[action.status]:
        raise TooLate
    action.status = wanted
