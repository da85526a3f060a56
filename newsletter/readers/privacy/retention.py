"""What is kept for a period goes when it is over; after an erasure the database's files are cleaned."""

from datetime import datetime, timedelta
from typing import Any, Final, cast

import structlog
from sqlalchemy import CursorResult, delete, text
from sqlmodel import col, select

from digests.models import Digest
from newsletter.database import engine, unit_of_work
from newsletter.esp import EventKind
from newsletter.feedback.recording import WebhookToken
from newsletter.readers.privacy.requests import erase
from newsletter.service_mail import LetterStatus, ServiceMail
from newsletter.settings import settings
from newsletter.tickets import Ticket
from subscribers import moving, privacy
from subscribers.privacy import Why

log = structlog.get_logger()

_AT_ONCE: Final = 500  # people in one transaction
_WATCHED: Final = (str(EventKind.opened), str(EventKind.clicked))
_SETTLED: Final = (LetterStatus.accepted, LetterStatus.rejected, LetterStatus.excluded)
_TOKENS_FOR: Final = timedelta(days=30)  # a provider repeats a webhook for days, not for weeks
#: Where an erased person's words were: what PostgreSQL is asked to reclaim.
_TABLES: Final = (
    "subscriber, address_change, service_mail, ticket, vote, bookmark, suppression, "
    "list_upload_piece"
)


def keep_to_the_periods(*, now: datetime) -> dict[str, int]:
    """Let go of what has been kept for its period; returns how much of what. Safe at any time, and twice."""
    gone = {
        "people": _people(now=now),
        "events": _events(now=now),
        "letters": _letters(now=now),
        "links": _links(now=now),
    }
    with unit_of_work() as session:
        moving.forget_old(session, now=now)
        session.execute(delete(WebhookToken).where(col(WebhookToken.seen_at) < now - _TOKENS_FOR))
    gone = {what: count for what, count in gone.items() if count}
    if gone:
        log.info("periods.kept", **gone)
    return gone


def scrub(*, now: datetime) -> int:
    """Leave no trace of erased people in the database's own files; returns after how many erasures.

    A deleted row's bytes stay in a file until something is written over them.
    """
    with unit_of_work() as session:
        waiting = privacy.unscrubbed(session)
    if not waiting:
        return 0
    store = engine()
    with store.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        if store.dialect.name == "sqlite":
            bare = connection.connection
            # Twice: what the write-ahead log holds goes into the file, the file is written anew,
            # and the log of that is cut off.
            for statement in (
                "PRAGMA wal_checkpoint(TRUNCATE)",
                "VACUUM",
                "PRAGMA wal_checkpoint(TRUNCATE)",
            ):
                bare.execute(statement).fetchall()
        else:
            connection.execute(text(f"VACUUM {_TABLES}"))
    with unit_of_work() as session:
        privacy.scrubbed(session, waiting, now=now)
    log.info("files.scrubbed", erasures=len(waiting))
    return len(waiting)


def _people(*, now: datetime) -> int:
    if not settings().keep.gone:
        return 0
    before, count = now - timedelta(days=settings().keep.gone), 0
    while True:
        with unit_of_work() as session:
            people = privacy.gone_before(session, before, at_most=_AT_ONCE)
            for who in people:
                count += erase(session, who, why=Why.period, now=now)
        if len(people) < _AT_ONCE:
            return count


def _events(*, now: datetime) -> int:
    """Opens and clicks, an edition at a time: none of its own is older than the edition."""
    if not settings().keep.events:
        return 0
    before, count = now - timedelta(days=settings().keep.events), 0
    with unit_of_work() as session:
        old = session.exec(select(Digest.id).where(col(Digest.started_at) < before)).all()
    for digest_id in (0, *old):
        with unit_of_work() as session:
            count += privacy.forget_observations(
                session, digest_id or 0, kinds=_WATCHED, before=before
            )
    return count


def _letters(*, now: datetime) -> int:
    if not settings().keep.letters:
        return 0
    before = now - timedelta(days=settings().keep.letters)
    with unit_of_work() as session:
        gone = session.execute(
            delete(ServiceMail).where(
                col(ServiceMail.status).in_(_SETTLED), col(ServiceMail.settled_at) < before
            )
        )
        return cast("CursorResult[Any]", gone).rowcount


def _links(*, now: datetime) -> int:
    if not settings().keep.links:
        return 0
    before = now - timedelta(days=settings().keep.links)
    with unit_of_work() as session:
        gone = session.execute(delete(Ticket).where(col(Ticket.expires_at) < before))
        return cast("CursorResult[Any]", gone).rowcount
