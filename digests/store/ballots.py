"""The tables of what readers say: votes, what they add up to, and tools kept for later.

People are numbers here: ``subscriber_id`` names somebody whom only ``subscribers`` knows.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from digests.facts import Verdict
from digests.models import BIG, words


class Doubt(StrEnum):
    """Why a vote is held out of the count until an operator has looked."""

    burst = "burst"  # too many of one mind on one tool within a minute
    network = "network"  # too many on one tool from one network within a day
    machine = "machine"  # pressed by a program, or quicker than a person could


class Ruling(StrEnum):
    """What an operator decided about a vote that was held out."""

    counts = "counts"
    stays_out = "stays_out"


class Vote(SQLModel, table=True):
    """One person's ship or skip on one tool; the constraint makes it one.

    *verdict* is None once it was taken back, while the figure on the pages still
    holds it. *published* is what that figure holds of this vote, and *stale*
    says that the two differ. *network* is a keyed hash that turns every day,
    and is wiped the day after.
    """

    __table_args__ = (
        UniqueConstraint("subscriber_id", "tool_id"),
        Index("ix_vote_recent", "tool_id", "cast_at"),
        Index(
            "ix_vote_stale",
            "tool_id",
            postgresql_where=text("stale"),
            sqlite_where=text("stale = 1"),
        ),
        Index(
            "ix_vote_held",
            "held",
            "tool_id",
            postgresql_where=text("held IS NOT NULL"),
            sqlite_where=text("held IS NOT NULL"),
        ),
        Index(
            "ix_vote_network",
            "tool_id",
            "network",
            postgresql_where=text("network IS NOT NULL"),
            sqlite_where=text("network IS NOT NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG)
    subscriber_id: int = Field(sa_type=BIG)
    tool_id: int = Field(foreign_key="tool.id", sa_type=BIG)
    verdict: Verdict | None = Field(default=None, sa_column=Column(words(Verdict)))
    published: Verdict | None = Field(default=None, sa_column=Column(words(Verdict)))
    stale: bool = False
    cast_at: datetime
    digest_id: int | None = None  # the edition whose link brought them
    network: bytes | None = Field(default=None, sa_column=Column(LargeBinary(16)))
    held: Doubt | None = Field(default=None, sa_column=Column(words(Doubt)))
    ruling: Ruling | None = Field(default=None, sa_column=Column(words(Ruling)))
    ruled_by: str | None = Field(default=None, max_length=200)
    ruled_at: datetime | None = None

    @property
    def counted(self) -> Verdict | None:
        """What it adds to the count; None while it is held out, or taken back."""
        return self.verdict if self.held is None or self.ruling is Ruling.counts else None

    @property
    def waits(self) -> bool:
        """Whether an operator is to look at it."""
        return self.verdict is not None and self.held is not None and self.ruling is None


class Standing(SQLModel, table=True):
    """What the votes on one tool add up to, and the figure that the pages show of it.

    *ships* and *skips* are exact and never shown to readers. *moves*: how many
    people's votes differ from what the shown figure holds. Its row is the lock
    under which the votes on its tool change.
    """

    tool_id: int = Field(primary_key=True, foreign_key="tool.id", sa_type=BIG)
    ships: int = 0
    skips: int = 0
    waiting: int = 0
    moves: int = 0
    shown_percent: int | None = None
    shown_votes: int | None = None
    shown_at: datetime | None = Field(default=None, index=True)


class Bookmark(SQLModel, table=True):
    """A tool that somebody keeps for later."""

    __table_args__ = (Index("ix_bookmark_tool_id", "tool_id"),)

    subscriber_id: int = Field(primary_key=True, sa_type=BIG)
    tool_id: int = Field(primary_key=True, foreign_key="tool.id", sa_type=BIG)
    kept_at: datetime
