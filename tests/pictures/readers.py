"""Pictures of the readers' pages for docs/pictures: ``python -m tests.pictures.readers [FOLDER]``."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlmodel import Session, col, select

from digests.facts import ComparisonFacts, Verdict
from digests.models import Digest
from digests.store import intake
from digests.store.ballots import Standing
from digests.store.comparisons import Tool
from digests.store.listing import show_community
from newsletter import database
from newsletter.demo import INVENTIONS, take_in_examples
from newsletter.links import Purpose
from subscribers.models import Subscriber
from tests.pictures.camera import Picture, take_all
from tests.web.scene import ADA, DATA, a_reader, a_sent_edition, link

NOW: Final = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
_PHONE: Final = (390, 844)
_WIDE: Final = (1200, 860)
#: What readers say of tools: percent who ship, and at least so many votes.
_SAID: Final = {"smolvlm2": (62, 140), "mistral-3-small": (35, 1200), "smolvlm2-2b": (71, 310)}


def scene() -> None:
    """An edition has just come to Ada; a panel has thought anew, and readers have voted."""
    with database.unit_of_work() as session:
        _as_it_was(session, now=NOW - timedelta(weeks=5))
        take_in_examples(session, now=NOW - timedelta(days=2), folder=INVENTIONS)
        a_sent_edition(session, a_reader(session, now=NOW), now=NOW)
        for tool in session.exec(select(Tool).where(col(Tool.slug).in_(_SAID))):
            percent, votes = _SAID[tool.slug]
            found = session.get(Standing, tool.id) or Standing(tool_id=tool.id or 0)
            found.shown_percent, found.shown_votes, found.shown_at = percent, votes, NOW
            session.add(found)
            show_community(session, found.tool_id, percent)


def _as_it_was(session: Session, *, now: datetime) -> None:
    """A page as it stood before one of the panel changed their mind."""
    facts = ComparisonFacts.model_validate_json(
        (DATA / "smolvlm2-vs-mistral-3-small.json").read_bytes()
    )
    left, right = facts.tools
    assert left.panel is not None
    fewer = left.panel.model_copy(update={"ship_percent": 75, "ships": 3, "skips": 1})
    *others, last = left.reviews
    earlier = left.model_copy(
        update={
            "panel": fewer,
            "reviews": (*others, last.model_copy(update={"verdict": Verdict.skip, "score": 48})),
        }
    )
    intake.take_in(
        session, facts.model_copy(update={"tools": (earlier, right)}), source="site", now=now
    )


def pictures() -> Iterator[Picture]:
    """Asked for once the scene is there: a reader's links are made of its secret."""
    with database.reading() as session:
        digest = session.exec(select(Digest)).one()
        ada = session.exec(select(Subscriber).where(col(Subscriber.address) == ADA)).one()
        own = {purpose: link(purpose, digest, ada) for purpose in Purpose}
    pair = "/compare/smolvlm2-vs-mistral-3-small"
    yield "page-leave", f"/u/{own[Purpose.unsubscribe]}", _PHONE, "light"
    yield "page-choices", f"/p/{own[Purpose.preferences]}", _PHONE, "dark"
    yield "page-privacy", "/privacy", _PHONE, "light"
    yield "page-verdict", f"/b/{own[Purpose.verdict]}/smolvlm2/ship", _WIDE, "light"
    yield "page-browse", "/compare", _WIDE, "light"
    yield "page-browse-phone-dark", "/compare", _PHONE, "dark"
    yield "page-compare", pair, (1200, 1100), "light"
    yield "page-compare-phone-dark", pair, _PHONE, "dark"
    yield "page-tool", "/tools/smolvlm2", (1200, 1100), "light"
    yield "page-archive", f"/archive/{digest.issue}", (1200, 860), "light"
    yield "archive-card", f"/archive/{digest.issue}.png", (1200, 630), "light"


if __name__ == "__main__":
    take_all(pictures(), scene, now=NOW)
