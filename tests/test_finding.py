"""Finding comparisons in three orders; how a tool moved; the week's figures; what the migration lists."""

from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, col, select

from digests.facts import ComparisonFacts, ToolFacts, Verdict
from digests.making import community_week
from digests.store import history, intake
from digests.store.comparisons import Tool
from digests.store.finding import BadCursor, Sort, Wanted, categories, find
from digests.store.listing import Listing, show_community
from digests.store.standings import held_standing
from tests.support.editions import a_draft
from tests.support.mails import SHIP, SKIP, a_pair, a_tool

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
SEVERAL = 7


def take_in(session: Session, facts: ComparisonFacts, *, now: datetime) -> None:
    intake.take_in(session, facts, source="a test", now=now)


def slugs(session: Session, wanted: Wanted) -> list[str]:
    return [row.slug for row in find(session, wanted).rows]


def show(session: Session, slug: str, percent: int, *, votes: int = 20, now: datetime) -> None:
    """A figure as enough votes would have left it."""
    tool = session.exec(select(Tool).where(col(Tool.slug) == slug)).one()
    standing = held_standing(session, tool.id or 0)
    standing.shown_percent, standing.shown_votes, standing.shown_at = percent, votes, now
    show_community(session, tool.id or 0, percent)
    session.expire_all()


def test_every_page_is_reached_once_in_every_order(session: Session, now: datetime) -> None:
    for n in range(SEVERAL):
        facts = a_pair(a_tool(f"Left {n}"), a_tool(f"Right {n}", verdicts=(SHIP, SKIP)))
        take_in(session, facts, now=now + timedelta(hours=n // 2))
        show(session, f"left-{n}", 50, now=now)

    for sort in Sort:
        seen: list[str] = []
        after = ""
        while True:
            page = find(session, Wanted(sort=sort, after=after, at_most=2))
            seen += [row.slug for row in page.rows]
            if not (after := page.next):
                break
        assert sorted(seen) == sorted(f"left-{n}-vs-right-{n}" for n in range(SEVERAL))


def test_words_find_names_titles_and_categories_whatever_their_case(
    session: Session, now: datetime
) -> None:
    take_in(session, a_pair(a_tool("Äpfel 100%"), a_tool("Birnen")), now=now)
    take_in(session, a_pair(a_tool("Cherry_8"), a_tool("Damson")), now=now)

    assert slugs(session, Wanted(words="äPFEL developer")) == slugs(session, Wanted(words="100%"))
    assert len(slugs(session, Wanted(words="100%"))) == 1
    assert slugs(session, Wanted(words="cherry_8")) == ["cherry-8-vs-damson"]
    assert slugs(session, Wanted(words="cherry damson nothing")) == []
    assert slugs(session, Wanted(words="%")) == slugs(
        session, Wanted(words="100%")
    )  # a sign, not a wildcard


@on_sqlite
def test_the_most_divided_panel_leads_and_panel_against_community_has_its_own_order(
    session: Session, now: datetime
) -> None:
    take_in(session, a_pair(a_tool("Agreed"), a_tool("Also")), now=now)
    take_in(session, a_pair(a_tool("Even", verdicts=(SHIP, SKIP)), a_tool("Odd")), now=now)
    take_in(
        session,
        a_pair(a_tool("Three", verdicts=(SHIP, SHIP, SHIP, SKIP)), a_tool("Four")),
        now=now,
    )
    show(session, "agreed", 30, now=now)
    show(session, "odd", 90, now=now)

    assert slugs(session, Wanted(sort=Sort.divided)) == [
        "even-vs-odd",
        "three-vs-four",
        "agreed-vs-also",
    ]
    assert slugs(session, Wanted(sort=Sort.gap)) == ["agreed-vs-also", "even-vs-odd"]


@on_sqlite
def test_a_category_finds_either_side_and_is_named_once(session: Session, now: datetime) -> None:
    chat = ToolFacts(name="Chat", category="Assistants")
    take_in(session, a_pair(a_tool("Code"), chat), now=now)
    take_in(session, a_pair(a_tool("More"), a_tool("Less")), now=now)

    assert slugs(session, Wanted(category="Assistants")) == ["code-vs-chat"]
    assert categories(session) == ["Assistants", "Developer Tools"]


@pytest.mark.parametrize("after", ["x", "~", "2026-01-01~1", "1~1", "9" * 40 + "~1"])
@on_sqlite
def test_a_page_that_no_page_led_to_is_refused(session: Session, after: str) -> None:
    with pytest.raises(BadCursor):
        find(session, Wanted(after=after))


@on_sqlite
def test_a_revision_moves_its_row_and_its_tools_history(session: Session, now: datetime) -> None:
    before = a_pair(a_tool("One", verdicts=(SHIP, SHIP, SHIP, SHIP)), a_tool("Two"))
    after = a_pair(a_tool("One", verdicts=(SHIP, SKIP, SKIP, SKIP)), a_tool("Two"))
    take_in(session, before, now=now)
    take_in(session, after, now=now + timedelta(days=7))
    take_in(session, after, now=now + timedelta(days=8))

    row = session.exec(select(Listing)).one()
    assert row.listed_at == now + timedelta(days=7)
    assert row.left_panel == 25
    moves = history.moves_of(session, row.left_tool_id)
    assert [(move.percent, move.verdict, move.at) for move in moves] == [
        (100, Verdict.ship, now),
        (25, Verdict.skip, now + timedelta(days=7)),
    ]
    assert len(history.moves_of(session, row.right_tool_id)) == 1


def test_an_edition_keeps_the_weeks_figures_as_they_were_when_it_was_made(
    session: Session, now: datetime
) -> None:
    take_in(session, a_pair(a_tool("Agreed"), a_tool("Also")), now=now)
    take_in(session, a_pair(a_tool("Old"), a_tool("Older")), now=now)
    digest = a_draft(session, now=now)
    assert community_week.freeze(session, digest, now=now) is None
    show(session, "agreed", 35, votes=40, now=now)
    show(session, "also", 90, now=now)
    show(session, "old", 50, now=now - timedelta(days=30))

    said = community_week.freeze(session, digest, now=now)
    show(session, "agreed", 80, now=now)

    assert said is not None
    assert [(tool.name, tool.panel, tool.community, tool.votes) for tool in said.tools] == [
        ("Agreed", 100, 35, 40),
        ("Also", 100, 90, 20),
    ]
    assert said.widest is not None
    assert (said.widest.name, said.widest.gap, said.widest_slug) == ("Agreed", 65, "agreed-vs-also")
    assert community_week.frozen(session, digest.id or 0) == said
