"""The tables of the people who run the newsletter, of how they come in, and of what they changed."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

#: 64-bit keys; SQLite numbers rows by itself only in a column declared INTEGER.
BIG: Final = BigInteger().with_variant(Integer, "sqlite")


class Role(StrEnum):
    """What an account may do. Everybody who may come in may read the figures."""

    reader = "reader"  # of figures: reports, and nothing else
    editor = "editor"  # what goes out: the desk, approval
    operator = "operator"  # when, to whom, and whether at all; and who may come in


class Account(SQLModel, table=True):
    """Somebody who runs the newsletter. Never deleted: the log of changes names them."""

    id: int | None = Field(default=None, primary_key=True)
    address: str = Field(max_length=320, unique=True)  # in its normal form
    name: str = Field(max_length=120, unique=True)  # how the log of changes calls them
    roles: str = Field(max_length=80)  # in the order of Role, with a blank between two
    zone: str = Field(default="UTC", max_length=64)
    password: str | None = Field(default=None, max_length=200)  # argon2's own encoding
    code_secret: str | None = Field(
        default=None, max_length=64
    )  # of the second step, once it is on
    code_step: int | None = Field(
        default=None, sa_type=BIG
    )  # the last one taken: none is good twice
    added_at: datetime
    added_by: str = Field(max_length=120)
    disabled_at: datetime | None = None


class Login(SQLModel, table=True):
    """A browser that somebody has come in with. Only a hash of its token is kept; ending deletes it."""

    __tablename__ = "account_login"

    key: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    account_id: int = Field(foreign_key="account.id", index=True)
    how: str = Field(max_length=40)  # password, mailed link
    browser: str = Field(default="", max_length=300)
    begun_at: datetime
    seen_at: datetime
    ends_at: datetime
    awaits_code: bool = False  # the first step is done, the second is not: this opens nothing yet


class RecoveryCode(SQLModel, table=True):
    """One way in without the device that makes the codes; using it deletes it."""

    __tablename__ = "account_recovery"

    account_id: int = Field(foreign_key="account.id", primary_key=True)
    key: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))


class ApiToken(SQLModel, table=True):
    """A program's key to one account's roles. Shown once; only a hash of it is kept."""

    __tablename__ = "account_token"
    __table_args__ = (UniqueConstraint("account_id", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    key: bytes = Field(sa_column=Column(LargeBinary(32), unique=True, nullable=False))
    account_id: int = Field(foreign_key="account.id")
    name: str = Field(max_length=60)
    made_at: datetime
    used_at: datetime | None = None
    ends_at: datetime | None = None


class AuditEntry(SQLModel, table=True):
    """One change: who, when, what, and how it was before and after. Rows are only ever added."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_by", "by", "id"),
        Index("ix_audit_action", "action", "id"),
        Index("ix_audit_subject", "subject", "id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG)
    at: datetime
    by: str = Field(max_length=120)
    action: str = Field(max_length=60)
    subject: str = Field(default="", max_length=200)
    before: dict[str, Any] | None = Field(
        default=None, sa_column=Column(JSON(none_as_null=True), nullable=True)
    )
    after: dict[str, Any] | None = Field(
        default=None, sa_column=Column(JSON(none_as_null=True), nullable=True)
    )
