"""Mail that is not an edition: what was asked for, as a row; ``newsletter.posting`` sends it.

A row names the person and never holds an address: that is looked up when the
letter is claimed, together with whether they may have it. What is filled in
is kept until the letter is settled, and cleared then.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import JSON, Column, Index, LargeBinary
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel, col, select

from digests.models import BIG, words


class LetterStatus(StrEnum):
    """Where one letter stands; moved only by ``newsletter.posting``."""

    planned = "planned"
    claimed = "claimed"  # a worker has it until its lease runs out
    accepted = "accepted"
    rejected = "rejected"  # the provider refused it, or it cannot be put into its words
    excluded = "excluded"  # asked at claim: they must not have it, or it came too late to be of use
    uncertain = "uncertain"  # the provider may have it: settled by proof, never by trying again


class Kind(StrEnum):
    """What a letter is; its template pair has the same name."""

    confirm = "confirm"
    on_the_list = "on_the_list"
    welcome = "welcome"
    export_link = "export_link"
    erase_link = "erase_link"
    known = "known"
    move_from = "move_from"
    move_to = "move_to"
    alert = "alert"
    sign_in = "sign_in"
    invitation = "invitation"
    about_an_edition = "about_an_edition"
    test_copy = "test_copy"


@dataclass(frozen=True, slots=True)
class Form:
    """How letters of one kind go.

    *subject* and *preheader* may hold ``{publication}`` and the letter's own
    values. *useful_for*: not sent any later than this after it was written.
    *wanted*: only to people who get editions now. *asked_for* letters answer the
    person themselves, so a suppression does not hold them back, save an
    operator's. *as_written*: the values are the mail (subject, preheader, html,
    text) and there is no template.
    """

    subject: str = ""
    preheader: str = ""
    useful_for: timedelta = timedelta(days=1)
    wanted: bool = False
    asked_for: bool = False
    as_written: bool = False


FORMS: Final[dict[Kind, Form]] = {
    Kind.confirm: Form(
        subject="Confirm: {publication}",
        preheader="One press, and the next edition comes to you.",
        asked_for=True,
    ),
    Kind.on_the_list: Form(
        subject="You are on the list: {publication}",
        preheader="Nothing is to do; the next edition comes to you.",
        asked_for=True,
    ),
    Kind.export_link: Form(
        subject="What {publication} knows about you",
        preheader="One press, and the answer comes to this address.",
        useful_for=timedelta(days=2),
        asked_for=True,
    ),
    Kind.erase_link: Form(
        subject="To be erased from {publication}",
        preheader="One press, and nothing here leads to you any more.",
        useful_for=timedelta(days=2),
        asked_for=True,
    ),
    Kind.known: Form(
        subject="What {publication} knows about you: the answer",
        preheader="All of it, to read and as a file.",
        useful_for=timedelta(days=7),
        asked_for=True,
    ),
    Kind.welcome: Form(
        subject="Welcome to {publication}",
        preheader="What comes when, and how to change or leave it.",
        useful_for=timedelta(days=3),
        wanted=True,
    ),
    Kind.move_from: Form(
        subject="Change your address? {publication}",
        preheader="It takes a press here and one at the new address.",
        useful_for=timedelta(days=2),
        asked_for=True,
    ),
    Kind.move_to: Form(
        subject="Send it here? {publication}",
        preheader="It takes a press here and one at the old address.",
        useful_for=timedelta(days=2),
    ),
    Kind.alert: Form(
        subject="{what}",
        preheader="{remedy}",
        useful_for=timedelta(hours=12),
        asked_for=True,
    ),
    Kind.sign_in: Form(
        subject="Sign in to {publication}",
        preheader="The link works once, for a quarter of an hour.",
        useful_for=timedelta(minutes=15),
    ),
    Kind.invitation: Form(
        subject="{by} gave you an account: {publication}",
        preheader="The link works once, for three days.",
        useful_for=timedelta(days=3),
    ),
    Kind.about_an_edition: Form(subject="{subject}", useful_for=timedelta(days=2)),
    Kind.test_copy: Form(useful_for=timedelta(hours=1), as_written=True),
}


class ServiceMail(SQLModel, table=True):
    """One letter to one person: what it is to say, and how far it got. It holds no address."""

    __tablename__ = "service_mail"
    __table_args__ = (Index("ix_service_mail_status", "status", "id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG)
    kind: str = Field(max_length=30)
    subscriber_id: int | None = Field(default=None, sa_type=BIG, index=True)
    account_id: int | None = Field(default=None, sa_type=BIG, index=True)
    # For a letter to an address that is not the person's own yet: the row that holds it.
    other_id: int | None = Field(default=None, sa_type=BIG)
    values: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    once: bytes | None = Field(
        default=None, sa_column=Column(LargeBinary(32), unique=True, nullable=True)
    )
    written_at: datetime
    not_before: datetime
    useful_until: datetime
    status: LetterStatus = Field(
        default=LetterStatus.planned, sa_column=Column(words(LetterStatus), nullable=False)
    )
    key: str = Field(max_length=36)  # the idempotency key, the same for every attempt
    fence: int = 0
    attempts: int = 0
    claimed_by: str | None = Field(default=None, max_length=80)
    lease_until: datetime | None = None
    posted_at: datetime | None = None  # the intent: from here on the provider may have it
    first_posted_at: datetime | None = None
    provider: str | None = Field(default=None, max_length=20)
    body_hash: str | None = Field(default=None, max_length=64)
    message_id: str | None = Field(default=None, max_length=200)
    settled_at: datetime | None = None
    checked_at: datetime | None = None  # when the provider was last asked about it
    reason: str | None = Field(default=None, max_length=500)  # the last answer, in words
    told: str | None = Field(default=None, max_length=20)  # the last event about it
    told_at: datetime | None = None


def write(  # noqa: PLR0913 - to whom, and what
    session: Session,
    kind: Kind,
    *,
    now: datetime,
    subscriber_id: int | None = None,
    account_id: int | None = None,
    other_id: int | None = None,
    values: dict[str, Any] | None = None,
    once: str | None = None,
    not_before: datetime | None = None,
) -> int | None:
    """Write one letter; it goes within a tick of the commit. Returns its id.

    *values* are what its template names, as JSON: never an address. Of all
    letters with the same *once* only the first is written; the others are None.
    """
    if (subscriber_id is None) == (account_id is None):
        raise ValueError("a letter goes to one subscriber or to one account")
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    written = session.execute(
        dialect.insert(ServiceMail)
        .values(
            kind=str(kind),
            subscriber_id=subscriber_id,
            account_id=account_id,
            other_id=other_id,
            values=values or {},
            once=_fingerprint(once) if once else None,
            written_at=now,
            not_before=not_before or now,
            useful_until=(not_before or now) + FORMS[kind].useful_for,
            status=LetterStatus.planned,
            key=str(uuid4()),
            fence=0,
            attempts=0,
        )
        .on_conflict_do_nothing(index_elements=["once"])
        .returning(col(ServiceMail.id))
    )
    return written.scalar_one_or_none()


def last_written(
    session: Session, kind: Kind, *, subscriber_id: int | None = None, account_id: int | None = None
) -> datetime | None:
    """When that person was last written a letter of that kind; for those that go at a limited rate."""
    whose = (
        col(ServiceMail.account_id) == account_id
        if subscriber_id is None
        else col(ServiceMail.subscriber_id) == subscriber_id
    )
    return session.exec(
        select(ServiceMail.written_at)
        .where(whose, col(ServiceMail.kind) == str(kind))
        .order_by(col(ServiceMail.written_at).desc())
        .limit(1)
    ).first()


def _fingerprint(once: str) -> bytes:
    return hashlib.sha256(once.encode()).digest()
