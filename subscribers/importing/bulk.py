"""Many candidates taken in with a handful of statements, whatever the list was like before."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Result, func, insert, literal, select, text
from sqlmodel import Session, SQLModel, col

from subscribers.importing.candidates import Candidate
from subscribers.importing.columns import There
from subscribers.models import Consent, Subscriber, SubscriberStatus, Suppression


class Fate(StrEnum):
    """What becomes of a line."""

    added = "added"  # gets the next edition
    left_there = "left_there"  # new here, and gone from the list they come from: noted, not mailed
    known = "known"  # on the list already, and left exactly as they are
    stays_away = "stays_away"  # left, bounced or complained here: only they themselves come back
    suppressed = "suppressed"  # erased, or kept out by an operator
    unconfirmed = "unconfirmed"  # never confirmed there; nothing is kept
    repeated = "repeated"  # on an earlier line of the file
    refused = "refused"  # nobody can be read from the line


@dataclass(frozen=True, slots=True)
class Terms:
    """What is kept as everybody's consent: where it was given, and to what."""

    page: str
    wording: str
    origin: str = ""


_STATUS: Final[dict[There, SubscriberStatus]] = {
    There.wanted: SubscriberStatus.active,
    There.left: SubscriberStatus.unsubscribed,
    There.bounced: SubscriberStatus.bounced,
    There.complained: SubscriberStatus.complained,
}
_KIND: Final = "imported"

# One statement makes the people and their records; whoever came in between is left as they are.
_ON_POSTGRESQL: Final = text(
    """
    WITH came AS (
        INSERT INTO subscriber (address, address_key, name, status, zone, source, joined_at,
                                confirmed_at, left_at, left_how, topics, tracking)
        SELECT address, key, name, status, zone, :page, joined_at,
               CASE WHEN status = 'active' THEN CAST(:now AS timestamptz) END,
               CASE WHEN status <> 'active' THEN CAST(:now AS timestamptz) END,
               CASE WHEN status <> 'active' THEN CAST(:how AS varchar) END, -1, true
        FROM unnest(CAST(:addresses AS text[]), CAST(:keys AS bytea[]), CAST(:names AS text[]),
                    CAST(:statuses AS text[]), CAST(:zones AS text[]),
                    CAST(:moments AS timestamptz[]))
             AS new (address, key, name, status, zone, joined_at)
        ON CONFLICT (address_key) DO NOTHING
        RETURNING id, joined_at, status
    ), kept AS (
        INSERT INTO consent (subscriber_id, kind, happened_at, page, wording)
        SELECT id, :kind, joined_at, :page, :wording FROM came
    )
    SELECT status, count(*) FROM came GROUP BY status
    """
)

_ON_SQLITE: Final = (
    "INSERT OR IGNORE INTO subscriber (address, address_key, name, status, zone, source, joined_at,"
    " confirmed_at, left_at, left_how, topics, tracking)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, -1, 1)"
)
_AS_STORED: Final = "%Y-%m-%d %H:%M:%S.%f"


def sort_out(session: Session, batch: Sequence[Candidate]) -> tuple[list[Candidate], Counter[Fate]]:
    """Those of *batch* who are new, and what becomes of the others. Two questions."""
    fates: Counter[Fate] = Counter()
    keys = [one.key for one in batch]
    suppressed = set(
        session.execute(
            select(col(Suppression.address_key)).where(col(Suppression.address_key).in_(keys))
        ).scalars()
    )
    known: dict[bytes, SubscriberStatus] = {
        row[0]: row[1]
        for row in session.execute(
            select(col(Subscriber.address_key), col(Subscriber.status)).where(
                col(Subscriber.address_key).in_(keys)
            )
        )
    }
    new = []
    for one in batch:
        status = known.get(one.key)
        if status in {SubscriberStatus.active, SubscriberStatus.pending}:
            fates[Fate.known] += 1
        elif status is not None:
            fates[Fate.stays_away] += 1
        elif one.key in suppressed:
            fates[Fate.suppressed] += 1
        elif one.there is There.unconfirmed:
            fates[Fate.unconfirmed] += 1
        else:
            new.append(one)
    return new, fates


def rehearse(session: Session, batch: Sequence[Candidate]) -> Counter[Fate]:
    """What ``take`` would do; changes nothing."""
    new, fates = sort_out(session, batch)
    fates.update(_fate(_STATUS[one.there]) for one in new)
    return fates


def take(
    session: Session, batch: Sequence[Candidate], terms: Terms, *, now: datetime
) -> Counter[Fate]:
    """Take *batch* in; nobody's address may stand in it twice."""
    new, fates = sort_out(session, batch)
    if not new:
        return fates
    how = f"left at {terms.origin}" if terms.origin else "left elsewhere"
    insert_all = _on_postgresql if session.get_bind().dialect.name == "postgresql" else _on_sqlite
    came = insert_all(session, new, terms, how[:40], now)
    for status, count in came.items():
        fates[_fate(SubscriberStatus(status))] += count
    fates[Fate.known] += len(new) - came.total()  # who joined at this very moment
    return +fates


def _on_postgresql(
    session: Session, new: Sequence[Candidate], terms: Terms, how: str, now: datetime
) -> Counter[str]:
    rows = session.connection().execute(
        _ON_POSTGRESQL,
        {
            "addresses": [one.address for one in new],
            "keys": [one.key for one in new],
            "names": [one.name for one in new],
            "statuses": [_STATUS[one.there].value for one in new],
            "zones": [one.zone for one in new],
            "moments": [one.joined_at for one in new],
            "page": terms.page[:200],
            "wording": terms.wording[:1000],
            "how": how,
            "kind": _KIND,
            "now": now,
        },
    )
    return _counted(rows)


def _on_sqlite(
    session: Session, new: Sequence[Candidate], terms: Terms, how: str, now: datetime
) -> Counter[str]:
    """Nobody else writes meanwhile, and rows are numbered upwards.

    The driver's own statement: SQLAlchemy would look at each value of each row, at twice the cost.
    """
    page = terms.page[:200]
    person = SQLModel.metadata.tables["subscriber"]
    before = session.execute(select(func.coalesce(func.max(person.c.id), 0))).scalar_one()
    came = now.strftime(_AS_STORED)
    session.connection().exec_driver_sql(
        _ON_SQLITE,
        [
            (
                *(one.address, one.key, one.name, _STATUS[one.there].value, one.zone, page),
                one.joined_at.strftime(_AS_STORED),
                *((came, None, None) if one.there is There.wanted else (None, came, how)),
            )
            for one in new
        ],
    )
    session.connection().execute(
        insert(SQLModel.metadata.tables[str(Consent.__tablename__)]).from_select(
            ["subscriber_id", "kind", "happened_at", "page", "wording"],
            select(
                person.c.id,
                literal(_KIND),
                person.c.joined_at,
                literal(terms.page[:300]),
                literal(terms.wording[:1000]),
            ).where(person.c.id > before),
        )
    )
    return _counted(
        session.execute(
            select(person.c.status, func.count())
            .where(person.c.id > before)
            .group_by(person.c.status)
        )
    )


def _counted(rows: Result[Any, Any]) -> Counter[str]:
    return Counter({str(row[0]): int(row[1]) for row in rows})


def _fate(status: SubscriberStatus) -> Fate:
    return Fate.added if status is SubscriberStatus.active else Fate.left_there
