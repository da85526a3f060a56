"""Clicks: where a mailed link leads, and what is kept of its being followed."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from sqlalchemy import select
from sqlmodel import Session, col

from digests.models import Batch, Delivery, Rendition
from newsletter import links
from newsletter.feedback import reclassing
from newsletter.links import CopyRef, Purpose
from subscribers import engagement
from subscribers.engagement import Observation

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
            reclassing.clicks_of(session, digest_id, people)
    return new


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
