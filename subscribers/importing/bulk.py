"""Many candidates taken in with a handful of statements, whatever the list was like before."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, cast

import orjson
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CursorResult,
    LargeBinary,
    Result,
    any_,
    exists,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped
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


class _Came(NamedTuple):
    """What became of the candidates that a statement was given."""

    counts: Counter[str]  # who came, by status
    not_so: set[bytes]  # the keys of those who did not


_STATUS: Final[dict[There, SubscriberStatus]] = {
    There.wanted: SubscriberStatus.active,
    There.left: SubscriberStatus.unsubscribed,
    There.bounced: SubscriberStatus.bounced,
    There.complained: SubscriberStatus.complained,
}
#: What a list says of somebody who is no reader of it any more.
GONE: Final = frozenset(_STATUS) - {There.wanted}
_KIND: Final = "imported"

# One statement makes the people and their records; whoever came in between is left as they are.
# What comes back is a count, and the keys of those who did not come: while another thread reads
# on, each piece that goes over the wire waits for its turn.
_ON_POSTGRESQL: Final = text(
    """
    WITH new AS (
        SELECT a AS address, decode(k, 'hex') AS key, n AS name, COALESCE(s, 'active') AS status,
               COALESCE(z, 'UTC') AS zone, j AS joined_at
        FROM json_to_recordset(CAST(:people AS json))
             AS rows (a text, k text, n text, s text, z text, j timestamptz)
    ), came AS (
        INSERT INTO subscriber (address, address_key, name, status, zone, source, joined_at,
                                confirmed_at, left_at, left_how, topics, tracking)
        SELECT address, key, name, status, zone, :page, joined_at,
               CASE WHEN status = 'active' THEN CAST(:now AS timestamptz) END,
               CASE WHEN status <> 'active' THEN CAST(:now AS timestamptz) END,
               CASE WHEN status <> 'active' THEN CAST(:how AS varchar) END, -1, true
        FROM new
        WHERE NOT EXISTS (SELECT FROM suppression WHERE address_key = key)
        ON CONFLICT (address_key) DO NOTHING
        RETURNING id, address_key, joined_at, status
    ), kept AS (
        INSERT INTO consent (subscriber_id, kind, happened_at, page, wording)
        SELECT id, :kind, joined_at, :page, :wording FROM came
    )
    SELECT status, count(*), NULL FROM came GROUP BY status
    UNION ALL
    SELECT NULL, 1, key FROM new WHERE NOT EXISTS (SELECT FROM came WHERE address_key = key)
    """
)

_ON_SQLITE: Final = (
    "INSERT OR IGNORE INTO subscriber (address, address_key, name, status, zone, source, joined_at,"
    " confirmed_at, left_at, left_how, topics, tracking)"
    " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, -1, 1"
    " WHERE NOT EXISTS (SELECT 1 FROM suppression WHERE address_key = ?2)"
)


def rehearse(session: Session, batch: Sequence[Candidate]) -> Counter[Fate]:
    """What ``take`` would do; changes nothing."""
    new, fates = _sort_out(session, batch)
    fates.update(_fate(_STATUS[one.there]) for one in new)
    return fates


def take(
    session: Session, batch: Sequence[Candidate], terms: Terms, *, now: datetime
) -> Counter[Fate]:
    """Take *batch* in; nobody's address may stand in it twice.

    Only those who did not come are asked about, so that a list of new people costs no question.
    """
    insert_all = _on_postgresql if session.get_bind().dialect.name == "postgresql" else _on_sqlite
    may_come = [one for one in batch if one.there is not There.unconfirmed]
    came = (
        insert_all(session, may_come, terms, _how(terms), now)
        if may_come
        else _Came(Counter(), set())
    )
    late, fates = _sort_out(
        session,
        [one for one in batch if one.there is There.unconfirmed or one.key in came.not_so],
    )
    fates[Fate.known] += len(late)  # who joined at this very moment
    for status, count in came.counts.items():
        fates[_fate(SubscriberStatus(status))] += count
    return +fates


def withdraw(
    session: Session, gone: Sequence[Candidate], terms: Terms, *, since: datetime, now: datetime
) -> int:
    """Take those of *gone* back whom this import has brought; how many. It began at *since*.

    Whoever was on the list before it, or has said anything here themselves, is left as they are.
    """
    own_word = exists().where(
        col(Consent.subscriber_id) == col(Subscriber.id), col(Consent.kind) != _KIND
    )
    withdrawn = 0
    for there in {one.there for one in gone}:
        keys = [one.key for one in gone if one.there is there]
        done = session.execute(
            update(Subscriber)
            .where(
                _is_among(session, col(Subscriber.address_key), keys),
                col(Subscriber.status) == SubscriberStatus.active,
                col(Subscriber.confirmed_at) >= since,
                ~own_word,
            )
            .values(status=_STATUS[there], confirmed_at=None, left_at=now, left_how=_how(terms))
            .execution_options(synchronize_session=False)
        )
        withdrawn += cast("CursorResult[Any]", done).rowcount
    return withdrawn


def _how(terms: Terms) -> str:
    return (f"left at {terms.origin}" if terms.origin else "left elsewhere")[:40]


def _sort_out(
    session: Session, batch: Sequence[Candidate]
) -> tuple[list[Candidate], Counter[Fate]]:
    """Those of *batch* who are new, and what becomes of the others. Two questions."""
    fates: Counter[Fate] = Counter()
    if not batch:
        return [], fates
    keys = [one.key for one in batch]
    suppressed = set(
        session.execute(
            select(col(Suppression.address_key)).where(
                _is_among(session, col(Suppression.address_key), keys)
            )
        ).scalars()
    )
    known = _by_key(
        session.execute(
            select(col(Subscriber.address_key), col(Subscriber.status)).where(
                _is_among(session, col(Subscriber.address_key), keys)
            )
        )
    )
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


def _on_postgresql(
    session: Session, new: Sequence[Candidate], terms: Terms, how: str, now: datetime
) -> _Came:
    rows = session.connection().execute(
        _ON_POSTGRESQL,
        {
            "people": orjson.dumps([_brief(one) for one in new], default=str).decode(),
            "page": terms.page[:200],
            "wording": terms.wording[:1000],
            "how": how,
            "kind": _KIND,
            "now": now,
        },
    )
    came = _Came(Counter(), set())
    for status, count, key in rows:
        if key is None:
            came.counts[status] += count
        else:
            came.not_so.add(bytes(key))
    return came


def _brief(one: Candidate) -> dict[str, Any]:
    """For the wire: what is usual goes without saying."""
    brief: dict[str, Any] = {"a": one.address, "k": one.key.hex(), "j": one.joined_at}
    if one.name:
        brief["n"] = one.name
    if one.there is not There.wanted:
        brief["s"] = _STATUS[one.there]
    if one.zone != "UTC":
        brief["z"] = one.zone
    return brief


def _on_sqlite(
    session: Session, new: Sequence[Candidate], terms: Terms, how: str, now: datetime
) -> _Came:
    """Nobody else writes meanwhile, and rows are numbered upwards.

    The driver's own statement: SQLAlchemy would look at each value of each row, at twice the cost.
    """
    page = terms.page[:200]
    person = SQLModel.metadata.tables["subscriber"]
    before = session.execute(select(func.coalesce(func.max(person.c.id), 0))).scalar_one()
    came = _as_stored(now)
    session.connection().exec_driver_sql(
        _ON_SQLITE,
        [
            (
                *(one.address, one.key, one.name, _STATUS[one.there].value, one.zone, page),
                _as_stored(one.joined_at),
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
    there = _by_key(
        session.execute(select(person.c.address_key, person.c.status).where(person.c.id > before))
    )
    return _Came(Counter(there.values()), {one.key for one in new if one.key not in there})


def _as_stored(moment: datetime) -> str:
    """A moment in UTC as SQLAlchemy writes it to SQLite."""
    return moment.isoformat(" ", "microseconds")[:26]


def _by_key(rows: Result[Any, Any]) -> dict[bytes, str]:
    return {bytes(row[0]): str(row[1]) for row in rows}


def _is_among(session: Session, column: Mapped[Any], keys: list[bytes]) -> ColumnElement[bool]:
    """One array and not a parameter for each key, where the database knows arrays."""
    if session.get_bind().dialect.name == "postgresql":
        return column == any_(literal(keys, ARRAY(LargeBinary)))
    return column.in_(keys)


def _fate(status: SubscriberStatus) -> Fate:
    return Fate.added if status is SubscriberStatus.active else Fate.left_there
