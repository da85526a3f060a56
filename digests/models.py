"""The tables of an edition: what it says, who approved it, and the ledger of its copies."""

from datetime import date, datetime, time
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Column, Enum, Index, Integer, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel


class DigestStatus(StrEnum):
    """Where an edition stands; moved only by ``digests.lifecycle``."""

    draft = "draft"
    approved = "approved"
    sending = "sending"
    paused = "paused"
    sent = "sent"
    cancelled = "cancelled"


class BatchStatus(StrEnum):
    """Where one call's worth of copies stands; moved only by the ledger."""

    planned = "planned"
    claimed = "claimed"  # a worker has it until its lease runs out
    accepted = "accepted"
    rejected = "rejected"  # every copy in it was refused or excluded
    uncertain = "uncertain"  # the provider may have it: settled by proof, never by trying again


class Outcome(StrEnum):
    """A copy's own fate, where it differs from its batch's."""

    accepted = "accepted"  # proven for this copy while its batch was still uncertain
    rejected = "rejected"
    excluded = "excluded"


def words(kind: type[StrEnum]) -> Enum:
    """A column of *kind* kept as plain words, so that a new member needs no ALTER TYPE."""
    return Enum(kind, native_enum=False, length=16, values_callable=lambda e: [m.value for m in e])


#: 64-bit keys; SQLite numbers rows by itself only in a column declared INTEGER.
BIG: Final = BigInteger().with_variant(Integer, "sqlite")


class Digest(SQLModel, table=True):
    """One edition: its window of the store, its words, its approval and its send."""

    id: int | None = Field(default=None, primary_key=True)
    issue: str = Field(unique=True, max_length=40)  # 2026-W48
    number: int  # the 48 in it
    occurrence_id: int | None = Field(default=None, foreign_key="occurrence.id", unique=True)
    zone: str = Field(max_length=64)  # where its schedule lives: the date on the mail
    window_start: datetime  # the revisions of [window_start, window_end) were candidates
    window_end: datetime
    send_at: datetime
    late_after: datetime  # not started after this moment
    status: DigestStatus = Field(
        default=DigestStatus.draft,
        sa_column=Column(words(DigestStatus), nullable=False, index=True),
    )
    subject: str = Field(max_length=300)
    preheader: str = Field(max_length=300)
    opening: str = Field(sa_column=Column(Text, nullable=False))  # Markdown
    assembled_at: datetime
    content_hash: str | None = Field(default=None, max_length=64)  # of the renditions approved
    approved_by: str | None = Field(default=None, max_length=200)
    approved_at: datetime | None = None
    audience: int | None = None  # how many people were considered when sending started
    wave: int = 0  # batches of later waves wait: 0 is the canary
    wave_at: datetime | None = None  # when the wave in ``wave`` was let go
    started_at: datetime | None = None
    finished_at: datetime | None = None
    paused_reason: str | None = Field(default=None, max_length=500)
    tolerated: dict[str, int] | None = Field(
        default=None, sa_column=Column(JSON(none_as_null=True))
    )  # the signs a person had seen when they let a stopped send go on
    local_day: date | None = None  # with ``local_at``: everyone at that time in their own zone
    local_at: time | None = None
    corrects_id: int | None = Field(default=None, foreign_key="digest.id")
    corrects_hash: str | None = Field(default=None, max_length=64)  # only readers of that rendition
    version: int = Field(default=1, sa_column_kwargs={"server_default": "1"})  # its newest one
    approval_word: str | None = Field(default=None, max_length=500)  # why despite the warnings
    renditions: dict[str, str] | None = Field(
        default=None, sa_column=Column(JSON(none_as_null=True))
    )  # the content hash of each that was approved, by topics; None: of everything alone
    audience_rule: str | None = Field(default=None, max_length=64)  # whom it was approved for
    announced_at: datetime | None = None  # when the editors were told that it is ready
    deadline_met_at: datetime | None = None  # when its schedule's policy acted on it
    owed_bit: int | None = None  # by which readers whom it passed over are owed it
    catches_up: list[int] | None = Field(
        default=None, sa_column=Column(JSON(none_as_null=True))
    )  # the editions that its approved renditions bring to those who missed them
    crossed_off_at: datetime | None = None  # when all of its readers had had theirs noted
    archived_at: datetime | None = None  # its ledger and events are gone; its books are here
    books: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class DigestItem(SQLModel, table=True):
    """One comparison in one edition. A revision appears in one edition: the column is unique."""

    __tablename__ = "digest_item"
    __table_args__ = (UniqueConstraint("digest_id", "position"),)

    id: int | None = Field(default=None, primary_key=True)
    digest_id: int = Field(foreign_key="digest.id")
    revision_id: int = Field(foreign_key="revision.id", unique=True)
    position: int
    pinned: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    note: str | None = Field(default=None, sa_column=Column(Text))  # an editor's, in Markdown
    quotes: list[str] | None = Field(
        default=None, sa_column=Column(JSON(none_as_null=True))
    )  # the seats an editor chose to quote; None leaves it to ``wording``


class LeftOut(SQLModel, table=True):
    """A comparison that an editor left out of one edition. It stays available for any other."""

    __tablename__ = "left_out"

    digest_id: int = Field(primary_key=True, foreign_key="digest.id")
    revision_id: int = Field(primary_key=True, foreign_key="revision.id", index=True)
    reason: str = Field(max_length=300)
    by: str = Field(max_length=200)
    at: datetime


class DigestVersion(SQLModel, table=True):
    """One state of an edition's content. Rows are added, once for each number, and never changed."""

    __tablename__ = "digest_version"

    digest_id: int = Field(primary_key=True, foreign_key="digest.id")
    number: int = Field(primary_key=True)
    at: datetime
    by: str = Field(max_length=200)
    what: str = Field(max_length=500)  # in a sentence, since the version before
    snapshot: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class Rendition(SQLModel, table=True):
    """The compiled mail for the readers who share a choice of topics, frozen at approval."""

    __table_args__ = (UniqueConstraint("digest_id", "topics"),)

    id: int | None = Field(default=None, primary_key=True)
    digest_id: int = Field(foreign_key="digest.id")
    topics: str = Field(default="all", max_length=500)
    subject: str = Field(max_length=300)
    preheader: str = Field(max_length=300)
    html: str = Field(sa_column=Column(Text, nullable=False))
    text: str = Field(sa_column=Column(Text, nullable=False))
    fields: list[str] = Field(sa_column=Column(JSON, nullable=False))
    headers: list[list[str]] = Field(sa_column=Column(JSON, nullable=False))
    links: list[str] = Field(sa_column=Column(JSON, nullable=False))
    content_hash: str = Field(max_length=64, index=True)
    rendered_at: datetime


class Batch(SQLModel, table=True):
    """What one call hands to a provider. Its deliveries share its fate, save those with their own.

    So accepting a thousand copies changes one row. ``fence`` counts the claims:
    a worker that wakes up late holds an older number and settles nothing.
    """

    __table_args__ = (Index("ix_batch_status", "digest_id", "status", "number"),)

    digest_id: int = Field(primary_key=True, foreign_key="digest.id")
    number: int = Field(primary_key=True, sa_type=BIG)
    rendition_id: int = Field(foreign_key="rendition.id")
    size: int  # how many deliveries name it
    wave: int = 1
    not_before: datetime | None = None
    status: BatchStatus = Field(
        default=BatchStatus.planned, sa_column=Column(words(BatchStatus), nullable=False)
    )
    key: str = Field(max_length=36)  # the idempotency key, the same for every attempt
    fence: int = 0
    attempts: int = 0
    put_off: int = 0  # how often the provider took its neighbours and put these copies off
    claimed_by: str | None = Field(default=None, max_length=80)
    lease_until: datetime | None = None
    posted_at: datetime | None = None  # the intent: from here on the provider may have it
    first_posted_at: datetime | None = None
    provider: str | None = Field(default=None, max_length=20)
    body_hash: str | None = Field(default=None, max_length=64)  # of the bytes last posted
    settled_at: datetime | None = None
    message_ids: list[str] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    reason: str | None = Field(default=None, max_length=500)  # the last answer, in words
    evidence: list[dict[str, Any]] | None = Field(
        default=None, sa_column=Column(JSON(none_as_null=True))
    )  # how an uncertain batch was settled
    checked_at: datetime | None = None  # when the provider was last asked about it


class Delivery(SQLModel, table=True):
    """The one copy that one subscriber gets of one edition; the primary key is the promise.

    No foreign keys: the table is partitioned by edition on PostgreSQL, so that
    an old edition's ledger is dropped in one statement, and a check for each of
    a million rows would cost more than the rows. ``outcome`` is NULL while the
    copy shares its batch's fate.
    """

    __table_args__ = (
        Index("ix_delivery_batch", "digest_id", "batch"),
        Index(
            "ix_delivery_outcome",
            "digest_id",
            "outcome",
            postgresql_where=text("outcome IS NOT NULL"),
            sqlite_where=text("outcome IS NOT NULL"),
        ),
        {"postgresql_partition_by": "LIST (digest_id)"},
    )

    digest_id: int = Field(primary_key=True)
    subscriber_id: int = Field(primary_key=True, sa_type=BIG)
    batch: int | None = Field(default=None, sa_type=BIG)
    outcome: Outcome | None = Field(default=None, sa_column=Column(words(Outcome)))
    reason: str | None = Field(default=None, max_length=300)
    decided_at: datetime | None = None


class Halt(SQLModel, table=True):
    """The kill switch: while a row is here, nothing is claimed and nothing is posted."""

    id: int = Field(default=1, primary_key=True)
    by: str = Field(max_length=200)
    reason: str = Field(max_length=500)
    halted_at: datetime
