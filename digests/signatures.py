"""Whose name stands under an edition: bound to its content and to whom it goes, so a change voids it.

Nothing has to be taken back when an edition changes: a signature under another
content or another audience counts for nothing.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, Text, delete
from sqlmodel import Field, Session, SQLModel, col, select

from digests.lifecycle import DigestError
from digests.models import Digest, words


class Verdict(StrEnum):
    """What somebody has said about an edition."""

    approved = "approved"
    refused = "refused"


class Signature(SQLModel, table=True):
    """The last word of one person about one edition, and what exactly it was about."""

    __tablename__ = "digest_signature"

    digest_id: int = Field(primary_key=True, foreign_key="digest.id")
    by: str = Field(primary_key=True, max_length=200)
    verdict: Verdict = Field(sa_column=Column(words(Verdict), nullable=False))
    content_hash: str = Field(max_length=64)
    audience_rule: str = Field(max_length=64)
    said: str | None = Field(default=None, sa_column=Column(Text))  # the word, or the reason
    at: datetime


class RefusedAsItStands(DigestError):
    """An editor has sent it back, and nothing in it has changed since."""

    def __init__(self, issue: str, by: str, reason: str) -> None:
        super().__init__(
            f"{by} has refused {issue} as it stands: {reason} Change it first, or ask {by} "
            "to approve it after all."
        )
        self.issue, self.by = issue, by


def sign(  # noqa: PLR0913 - whose word, on what
    session: Session,
    digest: Digest,
    verdict: Verdict,
    *,
    by: str,
    content_hash: str,
    audience_rule: str,
    said: str | None,
    now: datetime,
) -> None:
    """Keep *by*'s word; it takes the place of what they have said before."""
    session.merge(
        Signature(
            digest_id=digest.id or 0,
            by=by[:200],
            verdict=verdict,
            content_hash=content_hash,
            audience_rule=audience_rule,
            said=said,
            at=now,
        )
    )
    session.flush()


def approvals(
    session: Session, digest: Digest, *, content_hash: str, audience_rule: str
) -> list[Signature]:
    """Who has approved exactly this, first come first."""
    return list(
        session.exec(
            select(Signature)
            .where(
                col(Signature.digest_id) == digest.id,
                col(Signature.verdict) == Verdict.approved,
                col(Signature.content_hash) == content_hash,
                col(Signature.audience_rule) == audience_rule,
            )
            .order_by(col(Signature.at), col(Signature.by))
        )
    )


def refusal(session: Session, digest: Digest) -> Signature | None:
    """The last refusal, whatever has changed since; compare its hash."""
    return session.exec(
        select(Signature)
        .where(col(Signature.digest_id) == digest.id, col(Signature.verdict) == Verdict.refused)
        .order_by(col(Signature.at).desc())
        .limit(1)
    ).first()


def standing_refusal(session: Session, digest: Digest, *, content_hash: str) -> Signature | None:
    """The last refusal, if nothing has changed since: it was about exactly *content_hash*."""
    found = refusal(session, digest)
    return found if found is not None and found.content_hash == content_hash else None


def refuse_what_is_refused(session: Session, digest: Digest, *, by: str, content_hash: str) -> None:
    """Raise RefusedAsItStands when somebody other than *by* has refused exactly this content."""
    found = standing_refusal(session, digest, content_hash=content_hash)
    if found is not None and found.by != by:
        raise RefusedAsItStands(digest.issue, found.by, found.said or "")


def forget(session: Session, digest: Digest) -> None:
    """Let no name stand under *digest*: whoever takes an approval back takes all of them."""
    session.execute(delete(Signature).where(col(Signature.digest_id) == digest.id))
