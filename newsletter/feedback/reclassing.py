"""Who was behind opens and clicks, asked again: by what came beside them, and by rules that improved.

Only what is kept is asked: the word that says why, the moment, the neighbours, and when the
provider took the copy. Neither an address nor a program's name is.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, select, update
from sqlmodel import Session, col

from digests.models import Batch, Delivery
from newsletter import links
from newsletter.esp import Event, EventKind
from subscribers.classing import AT_ONCE, MACHINES, Classed, Click, opened, persons
from subscribers.engagement import Engagement, Reader

_KINDS: Final = (EventKind.opened, EventKind.clicked)


def clicks_of(session: Session, digest_id: int, people: Sequence[int]) -> int:
    """Class every click of *people* in one edition by the rules as they are now; how many changed."""
    accepted = _accepted(session, digest_id, people)
    # A copy's clicks by who told of them: our links and the provider's are different ones.
    clicks: dict[tuple[int, str], list[tuple[Click, Any]]] = defaultdict(list)
    for row in _kept(session, digest_id, people, EventKind.clicked):
        if row.provider:  # its trait, where it has one, is the reason of its class
            trait = row.why if row.reader is Reader.machine and row.why in MACHINES else ""
        else:
            trait = row.event_key.split(":")[3]
        link = row.reason or "" if row.provider else int(row.reason)
        click = Click(link, row.occurred_at, trait)
        clicks[row.subscriber_id, row.provider].append((click, row))
    found: list[tuple[Any, Classed]] = []
    for (person, _), known in clicks.items():
        classes = persons({click for click, _ in known}, accepted_at=accepted.get(person))
        found += [(row, classes[click]) for click, row in known]
    return _write(session, digest_id, found)


def opens_of(session: Session, digest_id: int, people: Sequence[int]) -> int:
    """The same of their opens."""
    accepted = _accepted(session, digest_id, people)
    found = [
        (
            row,
            opened(
                row.occurred_at,
                reader=row.reader,
                why=row.why,
                accepted_at=accepted.get(row.subscriber_id),
            ),
        )
        for row in _kept(session, digest_id, people, EventKind.opened)
    ]
    return _write(session, digest_id, found)


def told(session: Session, events: Sequence[Event]) -> None:
    """Class what a provider told of, now that it is kept beside what else is known of the same copies."""
    clicked: dict[int, set[int]] = defaultdict(set)
    looked: dict[int, dict[int, datetime]] = defaultdict(dict)
    for event in events:
        if event.kind not in _KINDS:
            continue
        if (copy := links.copy_of_ref(event.delivery or "")) is None:
            continue
        if event.kind is EventKind.clicked:
            clicked[copy.digest_id].add(copy.subscriber_id)
        elif not event.machine:
            looked[copy.digest_id][copy.subscriber_id] = event.occurred_at
    for digest_id, people in clicked.items():
        clicks_of(session, digest_id, sorted(people))
    for digest_id, moments in looked.items():
        # Most of the time no batch of the edition is so young, and then no copy is looked up.
        since = min(moments.values()) - AT_ONCE
        young = (col(Batch.digest_id) == digest_id, col(Batch.settled_at) > since)
        if session.scalar(select(col(Batch.number)).where(*young).limit(1)) is not None:
            opens_of(session, digest_id, sorted(moments))


def edition(session: Session, digest_id: int, *, at_most: int = 1000) -> int:
    """Everybody who opened or clicked in one edition; how many opens and clicks changed their class."""
    changed, last = 0, 0
    while people := list(
        session.scalars(
            select(col(Engagement.subscriber_id))
            .where(
                col(Engagement.digest_id) == digest_id,
                col(Engagement.kind).in_(_KINDS),
                col(Engagement.subscriber_id) > last,
            )
            .distinct()
            .order_by(col(Engagement.subscriber_id))
            .limit(at_most)
        )
    ):
        known = [person for person in people if person]
        changed += clicks_of(session, digest_id, known) + opens_of(session, digest_id, known)
        last = people[-1] or 0
    return changed


def _accepted(
    session: Session, digest_id: int, people: Sequence[int]
) -> dict[int, datetime | None]:
    """When the provider took the copy of each of *people*."""
    rows = session.execute(
        select(col(Delivery.subscriber_id), col(Batch.settled_at))
        .join(
            Batch,
            (col(Batch.digest_id) == col(Delivery.digest_id))
            & (col(Batch.number) == col(Delivery.batch)),
        )
        .where(col(Delivery.digest_id) == digest_id, col(Delivery.subscriber_id).in_(people))
    )
    return {row.subscriber_id: row.settled_at for row in rows}


def _kept(
    session: Session, digest_id: int, people: Sequence[int], kind: EventKind
) -> Sequence[Any]:
    return session.execute(
        select(
            col(Engagement.subscriber_id),
            col(Engagement.provider),
            col(Engagement.event_key),
            col(Engagement.reason),
            col(Engagement.occurred_at),
            col(Engagement.why),
            col(Engagement.reader),
        ).where(
            col(Engagement.digest_id) == digest_id,
            col(Engagement.kind) == kind,
            col(Engagement.subscriber_id).in_(people),
        )
    ).all()


def _write(session: Session, digest_id: int, found: Sequence[tuple[Any, Classed]]) -> int:
    """Keep the classes that are not those of before; how many."""
    changes = [
        {
            "its_digest": digest_id,
            "its_key": row.event_key,
            "its_reader": now.reader,
            "its_why": now.why,
        }
        for row, now in found
        if (now.reader, now.why) != (row.reader, row.why)
    ]
    if changes:
        session.connection().execute(
            update(Engagement)
            .where(
                col(Engagement.digest_id) == bindparam("its_digest"),
                col(Engagement.event_key) == bindparam("its_key"),
            )
            .values(reader=bindparam("its_reader"), why=bindparam("its_why")),
            changes,
        )
    return len(changes)
