"""The log of changes: whoever changes something writes it here, in the same transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import ColumnElement, and_
from sqlalchemy.orm import Mapped
from sqlmodel import Session, col, select

from newsletter.accounts.models import AuditEntry


def note(  # noqa: PLR0913 - who, what, to what, before, after, when
    session: Session,
    *,
    by: str,
    action: str,
    subject: str = "",
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    now: datetime,
) -> None:
    """Keep that *by* did *action* (``schedule.moved``) to *subject*: what was, and what is now.

    Moments and other values that JSON does not know are kept as words. Never hand
    it a secret or a reader's address: this log is read by many and kept for ever.
    """
    session.add(
        AuditEntry(
            at=now,
            by=by[:120],
            action=action,
            subject=subject[:200],
            before=_plain(before),
            after=_plain(after),
        )
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines of the log: of whom, which action (or its beginning, ``digest``), about what."""

    by: str = ""
    action: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Leaf:
    """Some lines, the latest first; *older* is where the next ones begin, None at the end."""

    entries: Sequence[AuditEntry]
    older: int | None


def read(session: Session, wanted: Wanted, *, before: int | None = None, count: int = 50) -> Leaf:
    """The latest *count* lines of the log, or those that are older than the line *before*.

    By key and never by offset: the last page costs what the first does.
    """
    query = select(AuditEntry).order_by(col(AuditEntry.id).desc()).limit(count + 1)
    if before is not None:
        query = query.where(col(AuditEntry.id) < before)
    if wanted.by:
        query = query.where(col(AuditEntry.by) == wanted.by)
    if wanted.action:
        query = query.where(_begins(col(AuditEntry.action), wanted.action))
    if wanted.subject:
        query = query.where(col(AuditEntry.subject) == wanted.subject)
    found = list(session.exec(query))
    more = len(found) > count
    return Leaf(found[:count], found[count - 1].id if more else None)


def _begins(column: Mapped[str], words: str) -> ColumnElement[bool]:
    """``digest`` finds ``digest.moved``, and ``digest.moved`` itself."""
    if "." in words:
        return column == words
    return and_(column >= f"{words}.", column < f"{words}/")


def _plain(values: Mapping[str, object] | None) -> dict[str, object] | None:
    if values is None:
        return None
    kept: dict[str, object] = orjson.loads(orjson.dumps(dict(values), default=str))
    return kept
