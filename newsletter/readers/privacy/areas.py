"""The areas that hold something about a person: what each knows of them, and how it forgets them.

Whatever keeps a person's number in a table belongs to an area here: a test asks
every table. ``known`` gives plain facts, one dictionary for each thing, whose
keys are words that people read; ``forget`` runs in the transaction that erases.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import delete, or_, update
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

from digests.models import Batch, Delivery, Digest
from digests.store import community
from digests.topics import EVERYTHING, listed
from newsletter import tickets
from newsletter.esp import EventKind
from newsletter.readers import voting
from newsletter.service_mail import ServiceMail
from newsletter.tickets import Purpose, Ticket
from subscribers import bulk, moving, privacy
from subscribers.moving import AddressChange

Fact = dict[str, str | int | bool | datetime | None]

_KINDS: Final = tuple(str(kind) for kind in EventKind)
#: Tickets that are about a reader; those of the staff name accounts by the same numbers.
READERS_TICKETS: Final = tuple(
    str(purpose) for purpose in Purpose if purpose is not Purpose.sign_in
)


@dataclass(frozen=True, slots=True)
class Area:
    """One area: its heading, its tables, what it knows and how it forgets."""

    title: str
    name: str  # its key in the JSON
    tables: frozenset[str]
    known: Callable[[Session, int], Sequence[Fact]]
    forget: Callable[[Session, int, datetime], None]


def _person(session: Session, who: int) -> Sequence[Fact]:
    found = privacy.of_person(session, who)
    if found is None:
        return ()
    person = found.person
    return (
        {
            "number": who,
            "address": person.address,
            "name": person.name,
            "status": str(person.status),
            "time zone": person.zone,
            "joined": person.joined_at,
            "joined on": person.source or None,
            "confirmed": person.confirmed_at,
            "topics": _topics(session, person.topics),
            "pace": person.pace,
            "paused until": person.paused_until.isoformat() if person.paused_until else None,
            "address since": person.address_since,
            "editions missed for it": person.owed.bit_count() or None,
            "left": person.left_at,
            "left by": person.left_how,
            "opens and clicks recorded": person.tracking,
            "not mailed because": found.suppression.reason if found.suppression else None,
        },
    )


def _moves(session: Session, who: int) -> Sequence[Fact]:
    return [
        {
            "address": change.address,
            "asked": change.asked_at,
            "until": change.until,
            "the old address agreed": change.old_said_at,
            "the new address agreed": change.new_said_at,
        }
        for change in session.exec(
            select(AddressChange).where(col(AddressChange.subscriber_id) == who)
        )
    ]


def _forget_moves(session: Session, who: int, _now: datetime) -> None:
    moving.drop(session, who)
    moving.drop_wishes_for_their_address(session, who)


def _topics(session: Session, choice: int) -> str:
    if choice == EVERYTHING:
        return "everything"
    return ", ".join(topic.name for topic in listed(session) if topic.mask & choice)


def _consents(session: Session, who: int) -> Sequence[Fact]:
    found = privacy.of_person(session, who)
    return [
        {"what": row.kind, "when": row.happened_at, "where": row.page, "wording": row.wording}
        for row in (found.consents if found else ())
    ]


def _in_bulk(session: Session, who: int) -> Sequence[Fact]:
    return [
        {"what an operator did": str(action.deed), "when": action.at, "why": action.why or None}
        for action in bulk.of_person(session, who)
    ]


def _editions(session: Session, who: int) -> Sequence[Fact]:
    rows = session.execute(
        columns(
            col(Digest.issue),
            col(Digest.subject),
            col(Digest.send_at),
            col(Delivery.outcome),
            col(Delivery.reason),
            col(Batch.status),
        )
        .join(Delivery, col(Delivery.digest_id) == col(Digest.id))
        .outerjoin(
            Batch,
            (col(Batch.digest_id) == col(Digest.id)) & (col(Batch.number) == col(Delivery.batch)),
        )
        .where(col(Delivery.subscriber_id) == who)
        .order_by(col(Digest.send_at).desc())
    )
    return [
        {
            "edition": issue,
            "subject": subject,
            "due": due,
            "what became of it": str(outcome or status or "planned"),
            "why": reason,
        }
        for issue, subject, due, outcome, reason, status in rows
    ]


def _seen(session: Session, who: int) -> Sequence[Fact]:
    digests = _digests(session)
    return [
        {
            "edition": digests.get(row.digest_id),
            "what": row.kind.replace("_", " "),
            "when": row.occurred_at,
            "by": str(row.reader),
            "details": row.reason,
        }
        for row in privacy.seen_of(session, who, digests=[0, *digests], kinds=_KINDS)
    ]


def _forget_seen(session: Session, who: int, _now: datetime) -> None:
    privacy.forget_words(session, who, digests=[0, *_digests(session)], kinds=_KINDS)


def _votes(session: Session, who: int) -> Sequence[Fact]:
    return [
        {"tool": tool, "verdict": str(said.verdict), "when": said.cast_at}
        for tool, said in community.of_person(session, who).votes
    ]


def _kept(session: Session, who: int) -> Sequence[Fact]:
    return [
        {"tool": tool, "since": since}
        for tool, since in community.of_person(session, who).bookmarks
    ]


def _forget_votes(session: Session, who: int, now: datetime) -> None:
    community.forget(session, who, rules=voting.rules(), now=now)


def _letters(session: Session, who: int) -> Sequence[Fact]:
    rows = session.exec(
        select(ServiceMail)
        .where(col(ServiceMail.subscriber_id) == who)
        .order_by(col(ServiceMail.id).desc())
    )
    return [
        {
            "letter": row.kind.replace("_", " "),
            "written": row.written_at,
            "what became of it": str(row.status),
            "why": row.reason,
        }
        for row in rows
    ]


def _forget_letters(session: Session, who: int, _now: datetime) -> None:
    """What they were to say goes at once; those still waiting are excluded when they are claimed."""
    session.execute(
        update(ServiceMail)
        .where(col(ServiceMail.subscriber_id) == who)
        .values(values=None, reason=None)
        .execution_options(synchronize_session=False)
    )


def _links(session: Session, who: int) -> Sequence[Fact]:
    rows = session.exec(
        select(Ticket)
        .where(col(Ticket.purpose).in_(READERS_TICKETS), col(Ticket.subject) == str(who))
        .order_by(col(Ticket.issued_at).desc())
    )
    return [
        {
            "link for": row.purpose.replace("_", " "),
            "mailed": row.issued_at,
            "good until": row.expires_at,
            "used": row.spent_at,
        }
        for row in rows
    ]


def _forget_links(session: Session, who: int, _now: datetime) -> None:
    """All but the one that was used for it, so that pressing again is told what has happened."""
    session.execute(
        delete(Ticket)
        .where(
            col(Ticket.purpose).in_(READERS_TICKETS),
            col(Ticket.subject) == str(who),
            or_(col(Ticket.purpose) != str(tickets.Purpose.erase), col(Ticket.spent_at).is_(None)),
        )
        .execution_options(synchronize_session=False)
    )


def _stays(_session: Session, _who: int, _now: datetime) -> None:
    """Rows that name nobody once the person's own row does not: they keep the books right."""


#: In the order in which people read them. The person's own row is forgotten last, by ``erasing``.
AREAS: Final[tuple[Area, ...]] = (
    Area("You", "person", frozenset({"subscriber", "suppression", "erasure"}), _person, _stays),
    Area(
        "A change of address",
        "address change",
        frozenset({"address_change"}),
        _moves,
        _forget_moves,
    ),
    Area("What you agreed to", "consents", frozenset({"consent"}), _consents, _stays),
    Area("What was done to many at once", "bulk", frozenset({"bulk_change"}), _in_bulk, _stays),
    Area("Editions", "editions", frozenset({"delivery"}), _editions, _stays),
    Area("What happened to them", "events", frozenset({"engagement"}), _seen, _forget_seen),
    Area("Your verdicts", "votes", frozenset({"vote"}), _votes, _forget_votes),
    Area("Tools you keep", "bookmarks", frozenset({"bookmark"}), _kept, _stays),
    Area("Letters", "letters", frozenset({"service_mail"}), _letters, _forget_letters),
    Area("Mailed links", "links", frozenset({"ticket"}), _links, _forget_links),
)


def _digests(session: Session) -> dict[int, str]:
    """Every edition that has gone to anybody, by number."""
    rows = session.exec(select(Digest.id, Digest.issue).where(col(Digest.started_at).is_not(None)))
    return {number: issue for number, issue in rows if number is not None}
