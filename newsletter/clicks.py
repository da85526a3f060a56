"""Clicks: where a mailed link leads, and what is kept of its being followed."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from sqlalchemy import bindparam, select, update
from sqlmodel import Session, col

from digests.models import Batch, Delivery, Rendition
from newsletter import links
from newsletter.esp import Event, EventKind
from newsletter.links import CopyRef, Purpose
from subscribers import engagement
from subscribers.classing import MACHINES, Click, persons
from subscribers.engagement import Engagement, Observation, Reader

KIND: Final = "clicked"


class Followed(NamedTuple):
    """One link that was followed: the copy's, by its number, with the trait of who followed it."""

    link: str
    number: int
    trait: str


def target(session: Session, link: str, number: int) -> str | None:
    """The address that the *number*-th link of a copy leads to; None for what no mail of ours holds.

    Only ever an address that was stored with the edition: nothing in ours says where to go.
    """
    copy = links.copy_of(link, Purpose.click)
    if copy is None:
        return None
    known = _links_of(session, copy)
    return known[number] if number < len(known) else None


def record(session: Session, followed: Sequence[Followed], *, now: datetime) -> int:
    """Keep clicks and class them, together with what else was clicked in the same copies.

    Each link counts once for a copy and a trait, and a browser's once a minute: the person who
    comes after a scanner that calls itself a browser is not taken for it. Returns how many were new.
    """
    named = [(links.copy_of(one.link, Purpose.click), one) for one in followed]
    seen: dict[tuple[int, str], Observation] = {}
    for copy, one in named:
        if copy is None:
            continue
        when = "" if one.trait else f":{now:%Y%m%d%H%M}"
        key = f"click:{copy.subscriber_id}:{one.number}:{one.trait}{when}"
        seen[copy.digest_id, key] = Observation(
            digest_id=copy.digest_id,
            key=key,
            subscriber_id=copy.subscriber_id,
            kind=KIND,
            occurred_at=now,
            why=one.trait,
            reason=str(one.number),
        )
    new = engagement.record(session, list(seen.values()), now=now)
    if new:
        copies = {(one.digest_id, one.subscriber_id or 0) for one in seen.values()}
        for digest_id in {digest_id for digest_id, _ in copies}:
            people = sorted(person for of, person in copies if of == digest_id)
            reclass(session, digest_id, people)
    return new


def reclass(session: Session, digest_id: int, people: Sequence[int]) -> int:
    """Class every click of *people* in one edition by the rules as they are now; how many changed."""
    rows = session.execute(
        select(col(Delivery.subscriber_id), col(Batch.settled_at))
        .join(
            Batch,
            (col(Batch.digest_id) == col(Delivery.digest_id))
            & (col(Batch.number) == col(Delivery.batch)),
        )
        .where(col(Delivery.digest_id) == digest_id, col(Delivery.subscriber_id).in_(people))
    )
    accepted: dict[int, datetime | None] = {row.subscriber_id: row.settled_at for row in rows}
    # A copy's clicks by who told of them: our links and the provider's are different ones.
    clicks: dict[tuple[int, str], list[tuple[Click, str, str, str]]] = defaultdict(list)
    for person, provider, key, link, at, why, reader in session.execute(
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
            col(Engagement.kind) == KIND,
            col(Engagement.subscriber_id).in_(people),
        )
    ):
        if provider:  # its trait, where it has one, is the reason of its class
            trait = why if reader is Reader.machine and why in MACHINES else ""
        else:
            trait = key.split(":")[3]
        click = Click(link or "" if provider else int(link), at, trait)
        clicks[person, provider].append((click, key, why, reader))
    changes = []
    for (person, _), known in clicks.items():
        classes = persons({click for click, *_ in known}, accepted_at=accepted.get(person))
        for click, key, why, reader in known:
            found = classes[click]
            if (found.reader, found.why) != (reader, why):
                changes.append({"its_key": key, "its_reader": found.reader, "its_why": found.why})
    if changes:
        session.connection().execute(
            update(Engagement)
            .where(
                col(Engagement.digest_id) == bindparam("its_digest"),
                col(Engagement.event_key) == bindparam("its_key"),
            )
            .values(reader=bindparam("its_reader"), why=bindparam("its_why")),
            [change | {"its_digest": digest_id} for change in changes],
        )
    return len(changes)


def reclass_told(session: Session, events: Sequence[Event]) -> None:
    """Class the clicks that a provider told of, together with what else was clicked in the same copies."""
    copies = {
        copy
        for event in events
        if event.kind is EventKind.clicked and (copy := links.copy_of_ref(event.delivery or ""))
    }
    for digest_id in {copy.digest_id for copy in copies}:
        reclass(
            session, digest_id, [one.subscriber_id for one in copies if one.digest_id == digest_id]
        )


def reclass_edition(session: Session, digest_id: int, *, at_most: int = 1000) -> int:
    """The same of everybody who clicked in one edition; how many clicks changed their class."""
    changed, last = 0, 0
    while people := list(
        session.scalars(
            select(col(Engagement.subscriber_id))
            .where(
                col(Engagement.digest_id) == digest_id,
                col(Engagement.kind) == KIND,
                col(Engagement.subscriber_id) > last,
            )
            .distinct()
            .order_by(col(Engagement.subscriber_id))
            .limit(at_most)
        )
    ):
        changed += reclass(session, digest_id, [person for person in people if person])
        last = people[-1] or 0
    return changed


def _links_of(session: Session, copy: CopyRef) -> tuple[str, ...]:
    rendition_id = session.scalar(
        select(col(Batch.rendition_id))
        .join(
            Delivery,
            (col(Delivery.digest_id) == col(Batch.digest_id))
            & (col(Delivery.batch) == col(Batch.number)),
        )
        .where(
            col(Delivery.digest_id) == copy.digest_id,
            col(Delivery.subscriber_id) == copy.subscriber_id,
        )
    )
    if rendition_id is None:  # its ledger is archived: the edition's links are still here
        rendition_id = session.scalar(
            select(col(Rendition.id)).where(
                col(Rendition.digest_id) == copy.digest_id, col(Rendition.topics) == "all"
            )
        )
    return _kept_links(session, rendition_id) if rendition_id is not None else ()


def _kept_links(session: Session, rendition_id: int) -> tuple[str, ...]:
    if (known := _remembered().get(rendition_id)) is None:
        known = tuple(session.get_one(Rendition, rendition_id).links)
        if len(_remembered()) > _MOST_REMEMBERED:
            _remembered().clear()
        _remembered()[rendition_id] = known
    return known


_MOST_REMEMBERED: Final = 256


@lru_cache
def _remembered() -> dict[int, tuple[str, ...]]:
    """Frozen renditions' links never change."""
    return {}
