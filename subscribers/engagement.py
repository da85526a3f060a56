"""What people did with what they got: each observation kept once, whatever the order."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Column, Enum, Index, func, text
from sqlalchemy.dialects import sqlite
from sqlmodel import Field, Session, SQLModel, col, select

from subscribers.models import BIG, Subscriber

#: What is only known of a reader who lets us know it.
TRACKING: Final = frozenset({"opened", "clicked"})


class Reader(StrEnum):
    """Who was behind an open or a click."""

    person = "person"
    machine = "machine"
    unknown = "unknown"


class Engagement(SQLModel, table=True):
    """One observation about one person's copy of one edition; the primary key makes it count once.

    ``digest_id`` is 0 for what belongs to no edition. Partitioned like the ledger.
    """

    __table_args__ = (
        Index("ix_engagement_kind", "digest_id", "kind", "subscriber_id"),
        {"postgresql_partition_by": "LIST (digest_id)"},
    )

    digest_id: int = Field(primary_key=True)
    event_key: str = Field(primary_key=True, max_length=240)
    subscriber_id: int | None = Field(default=None, sa_type=BIG)
    kind: str = Field(max_length=20)
    occurred_at: datetime
    recorded_at: datetime
    provider: str = Field(default="", max_length=20)  # empty for our own pixel, links and pages
    reader: Reader = Field(
        default=Reader.unknown,
        sa_column=Column(
            Enum(
                Reader, native_enum=False, length=10, values_callable=lambda e: [m.value for m in e]
            ),
            nullable=False,
        ),
    )
    why: str = Field(default="", max_length=100)  # what the class of reader rests on
    reason: str | None = Field(default=None, max_length=300)  # a bounce's words, a click's link


class Observation(NamedTuple):
    """An engagement before it is stored; *key* is unique within the digest."""

    digest_id: int
    key: str
    subscriber_id: int | None
    kind: str
    occurred_at: datetime
    provider: str = ""
    reader: Reader = Reader.unknown
    why: str = ""
    reason: str | None = None


#: One value for all of them: a parameter for each costs several times what storing does. What is
#: usual goes without saying, since every word of it is read once more.
_ON_POSTGRESQL: Final = text(
    """
    INSERT INTO engagement (digest_id, event_key, subscriber_id, kind, occurred_at, recorded_at,
                            provider, reader, why, reason)
    SELECT d, e, s, k, t, :now, COALESCE(p, ''), COALESCE(r, 'unknown'), COALESCE(w, ''), y
    FROM json_to_recordset(CAST(:rows AS json))
         AS seen (d integer, e text, s bigint, k text, t timestamptz, p text, r text, w text, y text)
    WHERE k NOT IN ('opened', 'clicked')
       OR EXISTS (SELECT 1 FROM subscriber WHERE subscriber.id = seen.s AND tracking)
    ON CONFLICT DO NOTHING
    """
)


def record(session: Session, observations: Sequence[Observation], *, now: datetime) -> int:
    """Keep what is new among *observations*, all or none; returns how many were new.

    Opens and clicks only of readers who may be tracked: this is the one door they come by.
    """
    if not observations:
        return 0
    if session.get_bind().dialect.name == "postgresql":
        brief = orjson.dumps([_brief(seen) for seen in observations], default=str).decode()
        return session.connection().execute(_ON_POSTGRESQL, {"rows": brief, "now": now}).rowcount
    tracked = _tracked(session, observations)
    # Executed with the rows, not built with them: a statement of a thousand rows has to be
    # compiled anew for each size, which costs ten times what storing them does.
    rows = [
        {
            "digest_id": seen.digest_id,
            "event_key": seen.key[:240],
            "subscriber_id": seen.subscriber_id,
            "kind": seen.kind,
            "occurred_at": seen.occurred_at,
            "recorded_at": now,
            "provider": seen.provider,
            "reader": seen.reader,
            "why": seen.why,
            "reason": seen.reason[:300] if seen.reason else None,
        }
        for seen in observations
        if seen.kind not in TRACKING or seen.subscriber_id in tracked
    ]
    if not rows:
        return 0
    stored = session.connection().execute(
        sqlite.insert(SQLModel.metadata.tables["engagement"])
        .on_conflict_do_nothing()
        .execution_options(preserve_rowcount=True),
        rows,
    )
    return stored.rowcount


def _brief(seen: Observation) -> dict[str, Any]:
    brief: dict[str, Any] = {
        "d": seen.digest_id,
        "e": seen.key[:240],
        "s": seen.subscriber_id,
        "k": seen.kind,
        "t": seen.occurred_at,
    }
    if seen.provider:
        brief["p"] = seen.provider
    if seen.reader is not Reader.unknown:
        brief["r"] = seen.reader
    if seen.why:
        brief["w"] = seen.why
    if seen.reason:
        brief["y"] = seen.reason[:300]
    return brief


def _tracked(session: Session, observations: Sequence[Observation]) -> set[int | None]:
    people = {seen.subscriber_id for seen in observations if seen.kind in TRACKING}
    wanted = select(col(Subscriber.id)).where(col(Subscriber.id).in_(people), Subscriber.tracking)
    return set(session.exec(wanted)) if people else set()


def known(session: Session, observations: Sequence[Observation]) -> set[tuple[int, str]]:
    """Which of *observations* are stored already, as (digest_id, key)."""
    if not observations:
        return set()
    rows = session.exec(
        select(Engagement.digest_id, Engagement.event_key).where(
            col(Engagement.digest_id).in_({seen.digest_id for seen in observations}),
            col(Engagement.event_key).in_({seen.key[:240] for seen in observations}),
        )
    )
    return {(digest_id, key) for digest_id, key in rows}


def people_by_kind(session: Session, digest_id: int) -> dict[str, int]:
    """How many different people did each thing with that edition; a person counts once a kind."""
    rows = session.exec(
        select(Engagement.kind, func.count(func.distinct(col(Engagement.subscriber_id))))
        .where(col(Engagement.digest_id) == digest_id, col(Engagement.subscriber_id).is_not(None))
        .group_by(col(Engagement.kind))
    )
    return {kind: count for kind, count in rows}  # noqa: C416 - rows are tuples of their own type
