"""How the newest edition stands and when the next turn comes: what the front page tells a newcomer."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlmodel import Session, col, select

from digests.ledger.receipt import Receipt, receipt
from digests.making import assembly
from digests.models import Digest, DigestStatus
from digests.schedules import calendar, schedule_terms
from digests.schedules.hours import Hour
from digests.schedules.schedule import Approval
from newsletter.rendering.card import Card, card
from subscribers.engagement import people_by_kind


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of an edition. *at* is when it was reached.

    *state* is done, now, held (until a person acts), waiting or trouble.
    """

    name: str
    state: str
    words: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """The next turn of a schedule: its window closes at *cutoff_at*, and it goes at *send_at*.

    *digest* is its edition, once there is one.
    """

    schedule: str
    zone: str
    cutoff_at: datetime
    send_at: datetime
    hour: Hour
    waits_for_editor: bool
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """The newest edition and its books."""

    digest: Digest
    pairs: tuple[Card, ...]  # as the mail shows them
    books: Receipt
    opened: int
    left: int
    steps: tuple[Step, ...]


_OVER: Final = frozenset({DigestStatus.sent, DigestStatus.cancelled})


def standing(session: Session) -> Standing | None:
    """The edition that was assembled last, one that somebody has approved before a draft; or None."""
    digest = session.exec(
        select(Digest).order_by(
            col(Digest.status) == DigestStatus.draft,
            col(Digest.assembled_at).desc(),
            col(Digest.id).desc(),
        )
    ).first()
    if digest is None:
        return None
    pairs = tuple(
        card(entry)
        for entry in assembly.edition(session, digest, address="/compare/{slug}").entries
    )
    books = receipt(session, digest)
    people = people_by_kind(session, digest.id or 0)
    opened, left = people.get("opened", 0), people.get("unsubscribed", 0)
    return Standing(
        digest=digest,
        pairs=pairs,
        books=books,
        opened=opened,
        left=left,
        steps=(
            Step("Assembled", "done", _counted(len(pairs), "comparison"), digest.assembled_at),
            _approval(digest),
            _sending(digest, books),
            _reading(books, opened=opened, left=left),
            _closing(digest, books),
        ),
    )


def next_turn(session: Session, *, now: datetime) -> Turn | None:
    """The turn whose mail goes next, as the schedules' page has it; None when there is none."""
    going = (one for one in calendar.coming(session, count=1, now=now) if one.goes)
    if (one := next(going, None)) is None:
        return None
    by_editor = schedule_terms.by_name(session, one.schedule).approval is Approval.editor
    return Turn(
        schedule=one.schedule,
        zone=one.zone,
        cutoff_at=one.cutoff_at,
        send_at=one.send_at,
        hour=one.hour,
        waits_for_editor=one.state == DigestStatus.draft if one.digest else by_editor,
        digest=one.digest or "",
    )


def as_json(edition: Standing | None, turn: Turn | None) -> dict[str, Any]:
    """Both as plain values; moments in ISO 8601. *stamp* differs whenever anything else does."""
    plain = _plain(edition, turn)
    stamp = hashlib.blake2b(json.dumps(plain, sort_keys=True).encode(), digest_size=8)
    return {"stamp": stamp.hexdigest()} | plain


def _plain(edition: Standing | None, turn: Turn | None) -> dict[str, Any]:
    return {
        "digest": edition
        and {
            "issue": edition.digest.issue,
            "status": str(edition.digest.status),
            "subject": edition.digest.subject,
            "comparisons": len(edition.pairs),
            "opened": edition.opened,
            "unsubscribed": edition.left,
            "receipt": edition.books.as_json(),
            "steps": [
                {"name": step.name, "state": step.state, "words": step.words}
                for step in edition.steps
            ],
        },
        "next": turn
        and {
            "schedule": turn.schedule,
            "zone": turn.zone,
            "cutoff_at": turn.cutoff_at.isoformat(),
            "send_at": turn.send_at.isoformat(),
            "waits_for_editor": turn.waits_for_editor,
            "digest": turn.digest or None,
        },
    }


def _approval(digest: Digest) -> Step:
    if digest.approved_at is not None:
        return Step("Approved", "done", f"by {digest.approved_by}", digest.approved_at)
    if digest.status is DigestStatus.cancelled:
        return Step("Approved", "trouble", "never: it was cancelled", digest.finished_at)
    return Step("Approved", "held", "waits for an editor's name")


def _sending(digest: Digest, books: Receipt) -> Step:
    if digest.started_at is None:
        return Step("Sent", "waiting", "nothing has left yet")
    words = f"{books.accepted:,} of {books.audience:,} accepted"
    if books.rejected:
        words += f", {books.rejected:,} refused"
    if books.excluded:
        words += f", {books.excluded:,} excluded"
    if books.uncertain:
        return Step("Sent", "trouble", f"{words}, {books.uncertain:,} uncertain", digest.started_at)
    if digest.status is DigestStatus.paused:
        return Step(
            "Sent", "trouble", f"{words}; paused: {digest.paused_reason}", digest.started_at
        )
    return Step("Sent", "now" if books.planned else "done", words, digest.started_at)


def _reading(books: Receipt, *, opened: int, left: int) -> Step:
    if not books.accepted:
        return Step("Read", "waiting", "nobody has it yet")
    words = f"opened by {_counted(opened, 'reader')}, {left:,} unsubscribed"
    return Step("Read", "done" if opened else "now", words, None)


def _closing(digest: Digest, books: Receipt) -> Step:
    if digest.audience is None:
        return Step("Books closed", "waiting", "they open when sending starts")
    terms = {
        "accepted": books.accepted,
        "refused": books.rejected,
        "excluded": books.excluded,
        "uncertain": books.uncertain,
        "planned": books.planned,
    }
    shown = [f"{count:,} {name}" for name, count in terms.items() if count or name == "accepted"]
    words = f"{_counted(books.audience, 'reader')} = {' + '.join(shown)}"
    if not books.closes:
        return Step("Books closed", "trouble", f"{words}, over {books.counted:,} rows: no")
    if digest.status in _OVER and books.is_final:
        return Step("Books closed", "done", words, digest.finished_at)
    return Step("Books closed", "now", words)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
