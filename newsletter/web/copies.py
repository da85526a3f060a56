"""One reader's copy of an edition as a page: the stored bytes with that reader's own links in them."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from sqlmodel import Session, col, select

from digests.models import Batch, Delivery, Rendition
from newsletter import links
from newsletter.copies import kept
from newsletter.links import CopyRef, Purpose
from subscribers.models import Subscriber

#: The open pixel, before its link is filled in. Its address is the only one with this path.
_PIXEL: Final = re.compile(r"<img\b[^>]*/o/\[%[^>]*>", re.IGNORECASE)
_GAP: Final = re.compile(r"\[%([A-Za-z0-9_]+)%\]")


def html_of(session: Session, copy: CopyRef) -> str | None:
    """The HTML that this reader was mailed, without the pixel; None when it is no longer kept."""
    frozen = _rendition(session, copy)
    if frozen is None:
        return None
    person = session.get(Subscriber, copy.subscriber_id)
    joined = person.joined_at.date() if person else None
    return filled(
        frozen.html,
        frozen.fields,
        copy,
        joined_on=f"{joined.day} {joined:%B %Y}" if joined else "an earlier day",
        keeps=_line_of(session, copy),
    )


def filled(
    html: str, fields: Sequence[str], copy: CopyRef, *, joined_on: str, keeps: str = ""
) -> str:
    """*html* with *copy*'s values in the places of *fields*, and without the pixel.

    The values stand in the order in which the sender fills them in: the links in
    the order of their purposes, the day on which the reader joined, then the link
    for votes and the line about what the reader keeps.
    """
    tags = links.signer().all_for(copy.digest_id, copy.subscriber_id)
    *tokens, verdict = (links.token(tags, purpose) for purpose in Purpose)
    # An edition that was frozen before a later value was thought of has fewer fields.
    values: Mapping[str, str] = dict(
        zip(fields, (*tokens, joined_on, verdict, keeps), strict=False)
    )
    return _GAP.sub(lambda gap: values.get(gap[1], gap[0]), _PIXEL.sub("", html))


def _line_of(session: Session, copy: CopyRef) -> str:
    one = copy.subscriber_id
    return kept.lines(session, copy.digest_id, first=one, last=one).get(one, "")


def _rendition(session: Session, copy: CopyRef) -> Rendition | None:
    """The rendition in this reader's batch, else the one for readers of everything."""
    mailed = session.exec(
        select(Rendition)
        .join(Batch, col(Batch.rendition_id) == col(Rendition.id))
        .join(
            Delivery,
            (col(Delivery.digest_id) == col(Batch.digest_id))
            & (col(Delivery.batch) == col(Batch.number)),
        )
        .where(
            col(Delivery.digest_id) == copy.digest_id,
            col(Delivery.subscriber_id) == copy.subscriber_id,
        )
    ).first()
    return (
        mailed
        or session.exec(
            select(Rendition).where(
                col(Rendition.digest_id) == copy.digest_id, col(Rendition.topics) == "all"
            )
        ).first()
    )
