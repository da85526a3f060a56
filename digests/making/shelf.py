"""What could be taken into an edition: what was left out, what found no place, and what is older."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import exists, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from digests.facts import slug_of
from digests.models import Digest, DigestItem, LeftOut
from digests.store.comparisons import Comparison, Revision, Tool

_TOOLS_FOUND: Final = 40


@dataclass(frozen=True, slots=True)
class OnShelf:
    """A comparison that no edition has. *left_out* tells by whom and why, if it was."""

    revision_id: int
    title: str
    slug: str
    taken_in_at: datetime
    left_out: str = ""


def shelf(
    session: Session, digest: Digest, *, search: str = "", at_most: int = 12
) -> list[OnShelf]:
    """The newest comparisons that *digest* could take in; those it left out itself come first.

    *search* is the beginning of a tool's name: it finds older ones too. Only the
    latest revision of a comparison, and only if no edition carries that one or a later one.
    """
    own = [] if search else _left_out_of(session, digest)
    later, carried = aliased(Revision), aliased(Revision)
    query = (
        select(Revision.id, Comparison.title, Comparison.slug, Revision.taken_in_at)
        .join(Comparison, col(Comparison.id) == col(Revision.comparison_id))
        .where(
            col(Revision.material),
            ~exists().where(
                col(later.comparison_id) == col(Revision.comparison_id),
                col(later.number) > col(Revision.number),
                col(later.material),
            ),
            ~exists().where(
                col(carried.comparison_id) == col(Revision.comparison_id),
                col(carried.number) >= col(Revision.number),
                col(carried.id) == col(DigestItem.revision_id),
            ),
            col(Revision.id).not_in([one.revision_id for one in own]),
        )
        .order_by(col(Revision.taken_in_at).desc(), col(Revision.id).desc())
        .limit(at_most)
    )
    if search:
        tools = _tools_called(session, search)
        query = query.where(
            or_(col(Comparison.left_tool_id).in_(tools), col(Comparison.right_tool_id).in_(tools))
        )
    found = [OnShelf(one or 0, title, slug, at) for one, title, slug, at in session.exec(query)]
    return own + found


def _left_out_of(session: Session, digest: Digest) -> list[OnShelf]:
    """What editors left out of this very edition and no other has taken since."""
    rows = session.exec(
        select(LeftOut, Comparison.title, Comparison.slug, Revision.taken_in_at)
        .join(Revision, col(Revision.id) == col(LeftOut.revision_id))
        .join(Comparison, col(Comparison.id) == col(Revision.comparison_id))
        .where(
            col(LeftOut.digest_id) == digest.id,
            ~exists().where(col(DigestItem.revision_id) == col(LeftOut.revision_id)),
        )
        .order_by(col(LeftOut.at).desc())
    )
    return [
        OnShelf(one.revision_id, title, slug, taken_in_at, left_out=f"{one.by}: {one.reason}")
        for one, title, slug, taken_in_at in rows
    ]


def _tools_called(session: Session, search: str) -> list[int | None]:
    """Tools whose name begins with *search*; by the index on slugs, however large the store."""
    wanted = slug_of(search)
    return list(
        session.exec(
            select(Tool.id)
            .where(col(Tool.slug) >= wanted, col(Tool.slug) < wanted + "{")
            .where(col(Tool.slug).startswith(wanted, autoescape=True))
            .limit(_TOOLS_FOUND)
        )
    )
