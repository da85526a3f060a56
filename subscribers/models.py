"""The tables of people: who reads, what they agreed to, and who must not be mailed."""

from datetime import date, datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import BigInteger, Column, Enum, Index, Integer, LargeBinary, text
from sqlmodel import Field, SQLModel

#: 64-bit keys; SQLite numbers rows by itself only in a column declared INTEGER.
BIG: Final = BigInteger().with_variant(Integer, "sqlite")


class SubscriberStatus(StrEnum):
    """Where a person stands; moved only by ``subscribers.subscription``."""

    pending = "pending"  # joined, and not yet confirmed
    active = "active"
    unsubscribed = "unsubscribed"
    bounced = "bounced"
    complained = "complained"


class Subscriber(SQLModel, table=True):
    """One person. The address lives in this table and nowhere else.

    ``address_key`` is a keyed hash of the address in its normal form: it makes
    the address unique, and joins with suppressions without either table
    holding the other's secret. Both are NULL once the person was erased.
    """

    __table_args__ = (
        # Readers who are owed an edition, without looking at all of the list.
        Index(
            "ix_subscriber_owed",
            "id",
            postgresql_where=text("owed <> 0"),
            sqlite_where=text("owed <> 0"),
        ),
        # Who came and who went since a moment.
        Index(
            "ix_subscriber_came",
            "confirmed_at",
            postgresql_where=text("status = 'active'"),
            sqlite_where=text("status = 'active'"),
        ),
        Index(
            "ix_subscriber_went",
            "left_at",
            postgresql_where=text("left_at IS NOT NULL"),
            sqlite_where=text("left_at IS NOT NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG)
    address: str | None = Field(default=None, max_length=320)  # as typed
    address_key: bytes | None = Field(
        default=None, sa_column=Column(LargeBinary(16), unique=True, nullable=True)
    )
    name: str | None = Field(default=None, max_length=200)
    status: SubscriberStatus = Field(
        default=SubscriberStatus.pending,
        sa_column=Column(
            Enum(
                SubscriberStatus,
                native_enum=False,
                length=16,
                values_callable=lambda e: [m.value for m in e],
            ),
            nullable=False,
            index=True,
        ),
    )
    zone: str = Field(default="UTC", max_length=64)
    source: str = Field(default="", max_length=200)  # the page on which they joined
    joined_at: datetime
    confirmed_at: datetime | None = None
    left_at: datetime | None = None
    left_how: str | None = Field(default=None, max_length=40)
    left_digest_id: int | None = None
    topics: int = Field(
        default=-1, sa_type=BIG, sa_column_kwargs={"server_default": "-1"}
    )  # a bit for each topic; -1 is everything, and whatever comes to be
    pace: str = Field(
        default="weekly", max_length=16, sa_column_kwargs={"server_default": "weekly"}
    )  # one of ``subscribers.pace``
    paused_until: date | None = None  # editions dated before this day pass them over
    owed: int = Field(
        default=0, sa_type=BIG, sa_column_kwargs={"server_default": "0"}
    )  # a bit for each edition that passed them over, until they have had it
    address_since: datetime | None = None  # when it took the place of another
    former_key: bytes | None = Field(
        default=None, sa_column=Column(LargeBinary(16), nullable=True)
    )  # of that other one: what still comes back from there is not about this one
    tracking: bool = True  # False: neither opens nor clicks of this person are recorded


class Consent(SQLModel, table=True):
    """What a person agreed to, when and where. Rows are added and never changed."""

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG)
    subscriber_id: int = Field(foreign_key="subscriber.id", index=True, sa_type=BIG)
    kind: str = Field(max_length=20)  # joined, confirmed, left
    happened_at: datetime
    page: str = Field(default="", max_length=300)
    wording: str = Field(default="", max_length=1000)


class Suppression(SQLModel, table=True):
    """A keyed hash of an address that must not be mailed; it outlives erasure."""

    address_key: bytes = Field(sa_column=Column(LargeBinary(16), primary_key=True))
    reason: str = Field(max_length=40)  # hard bounce, soft bounces, complaint, erased, operator
    since: datetime
    detail: str = Field(default="", max_length=300)
