"""A tool somebody keeps was compared: one line leads their copy, out of one question for a batch."""

from datetime import datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import event
from sqlmodel import Session, col, select

from digests import lifecycle
from digests.ledger import claims, planning
from digests.models import Digest, DigestItem, Rendition
from digests.store import community, intake
from digests.store.comparisons import Tool, latest_revision
from newsletter import links
from newsletter.copies import kept
from newsletter.copies.composing import Composed, compose
from newsletter.database import engine
from newsletter.links import Purpose
from subscribers.audience import audience
from tests.support.editions import FIELDS, an_approved_digest, readers
from tests.support.mails import a_pair, a_tool
from tests.test_rendering import MERGE

LEASE = timedelta(minutes=2)


def a_sending_edition_of(
    session: Session, left: str, right: str, *, now: datetime
) -> tuple[Digest, dict[str, int]]:
    facts = a_pair(a_tool(left), a_tool(right))
    intake.take_in(session, facts, source="a test", now=now - timedelta(hours=1))
    digest = an_approved_digest(session, now=now)
    revision = latest_revision(session, facts.slug)
    assert revision is not None
    session.add(DigestItem(digest_id=digest.id or 0, revision_id=revision.id or 0, position=0))
    tools = {tool.slug: tool.id or 0 for tool in session.exec(select(Tool))}
    return digest, tools


def composed(session: Session, digest: Digest, *, now: datetime) -> Composed:
    rendition = session.exec(select(Rendition).where(col(Rendition.digest_id) == digest.id)).one()
    count = planning.plan(
        session,
        digest,
        audience(),
        renditions={"all": rendition.id or 0},
        batch_size=10,
        canary_share=0.0,
        now=now,
    )
    lifecycle.start(session, digest, audience=count, wave=1, now=now)
    session.flush()
    claim = claims.claim(session, digest.id or 0, worker="w", lease_until=now + LEASE, now=now)
    assert claim is not None
    return compose(session, claim)


def test_a_kept_tool_leads_its_readers_copy_and_nobody_elses(
    session: Session, now: datetime
) -> None:
    ada, grace, linus = readers(session, 3, now=now)
    digest, tools = a_sending_edition_of(session, "One", "Two & <Three>", now=now)
    before = now - timedelta(minutes=1)
    for tool in tools.values():
        community.keep(session, subscriber_id=ada.id or 0, tool_id=tool, now=before)
    elsewhere = a_pair(a_tool("Four"), a_tool("Five"))
    intake.take_in(session, elsewhere, source="a test", now=before)
    four = session.exec(select(Tool).where(col(Tool.slug) == "four")).one().id or 0
    community.keep(session, subscriber_id=grace.id or 0, tool_id=four, now=before)
    too_late = now + timedelta(seconds=1)
    community.keep(session, subscriber_id=linus.id or 0, tool_id=tools["one"], now=too_late)

    copies = composed(session, digest, now=now).copies

    lines = [copy.values[FIELDS.index("kept")] for copy in copies]
    assert lines == [
        "You keep One and Two + \u2039Three\u203a: compared this week.", "", "",
    ]  # fmt: skip
    for copy, person in zip(copies, (ada, grace, linus), strict=True):
        named = links.copy_of(copy.values[FIELDS.index("verdict")], Purpose.verdict)
        assert named == links.CopyRef(digest.id or 0, person.id or 0)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_older_rendition_is_composed_as_it_was_approved_and_asks_for_nothing_more(
    session: Session, now: datetime
) -> None:
    readers(session, 2, now=now)
    digest, _ = a_sending_edition_of(session, "One", "Two", now=now)
    rendition = session.exec(select(Rendition).where(col(Rendition.digest_id) == digest.id)).one()
    rendition.fields = FIELDS[:6]
    session.flush()
    asked: list[str] = []
    event.listen(engine(), "before_cursor_execute", lambda *said: asked.append(str(said[2])))

    copies = composed(session, digest, now=now).copies

    assert {len(copy.values) for copy in copies} == {6}
    assert not any("FROM bookmark" in statement for statement in asked)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
@example(["{{x}} %recipient.y% <% z %> *|M|* [%open%] -kept-"])
@example(["x" * 300, "<b>&amp;</b>", "a\r\nBcc: b@c"])
def test_a_name_in_the_line_is_only_a_name(names: list[str]) -> None:
    line = kept.said(names)

    assert not set(line) & set("<>&\"'`\\\r\n\x00")
    assert not MERGE.search(line)
    assert len(line) <= 240


def test_the_line_names_two_and_counts_the_rest() -> None:
    assert kept.said(["One"]) == "You keep One: compared this week."
    assert (
        kept.said(["One", "Two", "Three"]) == "You keep One, Two and one more: compared this week."
    )
    assert kept.said(list("abcd")) == "You keep a, b and 2 more: compared this week."
