"""The store learns from pages: once, from any of them, and without forgetting."""

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Engine, text
from sqlmodel import Session, SQLModel, col, create_engine, func, select

from digests.facts import ComparisonFacts, PanelFacts, ReviewFacts, ToolFacts, Verdict, slug_of
from digests.reading.exchange import json_line, read_json
from digests.reading.pages import read_page
from digests.store.comparisons import (
    Comparison,
    Review,
    Revision,
    Tool,
    every_comparison,
    facts_of,
    latest_revision,
    revisions_between,
)
from digests.store.intake import TakenAs, take_in
from newsletter.database import engine, unit_of_work
from tests.support.facts_strategies import comparisons

EXAMPLES: Final = Path(__file__).parent.parent / "newsletter" / "examples"
FULL: Final = read_page((EXAMPLES / "smolvlm2-2b-vs-mistral-8b-instruct-v3.txt").read_text())
EXTRACT: Final = read_page((EXAMPLES / "smolvlm2-2b-vs-mistral-large-3.txt").read_text())
OTHER: Final = read_page((EXAMPLES / "smolvlm2-vs-mistral-3-small.txt").read_text())


def a_tool(name: str = "Cursor", **said: Any) -> ToolFacts:
    return ToolFacts(name=name, **said)


def a_page(left: ToolFacts, right: ToolFacts | None = None, **said: Any) -> ComparisonFacts:
    right = right or a_tool("Zed")
    title = f"{left.name} vs {right.name}"
    return ComparisonFacts(
        **{"slug": slug_of(title), "title": title, "tools": (left, right), **said}
    )


def a_review(reviewer: str | None = "Builder", **said: Any) -> ReviewFacts:
    return ReviewFacts(**{"reviewer": reviewer, "text": f"{reviewer} has a view.", **said})


def test_a_new_page_is_its_comparisons_first_revision(session: Session, now: datetime) -> None:
    taken = take_in(session, FULL, source="page.txt", now=now)

    revision = latest_revision(session, FULL.slug)
    assert (taken.outcome, taken.revision, taken.changes) == (TakenAs.new, 1, ())
    assert revision is not None
    assert (revision.number, revision.material, revision.changes) == (1, True, [])
    assert (revision.source, revision.taken_in_at) == ("page.txt", now)
    assert revision.fingerprint == FULL.fingerprint


def test_what_a_page_says_is_what_the_store_says(session: Session, now: datetime) -> None:
    for page in (FULL, OTHER):
        take_in(session, page, source="page.txt", now=now)

    assert facts_of(session, FULL.slug) == FULL
    assert facts_of(session, OTHER.slug) == OTHER
    assert facts_of(session, "nothing-vs-nobody") is None


def test_the_same_page_twice_changes_nothing(session: Session, now: datetime) -> None:
    take_in(session, FULL, source="page.txt", now=now)
    before = _everything(session)

    again = take_in(session, FULL, source="page.txt", now=now + timedelta(days=1))

    assert (again.outcome, again.revision) == (TakenAs.unchanged, 1)
    assert _everything(session) == before


def test_the_same_tool_on_three_pages_is_one_tool(session: Session, now: datetime) -> None:
    for other in ("Zed", "Windsurf", "Copilot"):
        take_in(session, a_page(a_tool("Cursor"), a_tool(other)), source="x", now=now)

    slugs = sorted(session.exec(select(Tool.slug)))
    assert slugs == ["copilot", "cursor", "windsurf", "zed"]


def test_a_review_belongs_to_its_tool_and_not_to_the_page(session: Session, now: datetime) -> None:
    take_in(session, FULL, source="full.txt", now=now)
    take_in(session, EXTRACT, source="extract.txt", now=now)

    known = facts_of(session, EXTRACT.slug)
    assert known is not None
    assert known.tools[0].reviews == FULL.tools[0].reviews
    assert {review.score for review in known.tools[1].reviews} == {None}


@pytest.mark.parametrize("order", list(permutations([FULL, EXTRACT, OTHER])))
def test_the_order_in_which_pages_come_makes_no_difference(
    order: Sequence[ComparisonFacts], fresh: Session, now: datetime
) -> None:
    for page in order:
        take_in(fresh, page, source="x", now=now)

    assert facts_of(fresh, FULL.slug) == FULL
    extract = facts_of(fresh, EXTRACT.slug)
    assert extract is not None
    assert extract.tools[0] == FULL.tools[0]
    assert fresh.exec(select(func.count(col(Review.id)))).one() == 20


def test_an_extract_erases_nothing_that_a_full_page_said(session: Session, now: datetime) -> None:
    full = a_page(a_tool(pricing="$20/mo", reviews=(a_review(score=80, verdict=Verdict.ship),)))
    less = a_page(a_tool(reviews=(a_review(None, text="Builder has a view."),)))
    take_in(session, full, source="x", now=now)

    taken = take_in(session, less, source="x", now=now)

    assert taken.outcome is TakenAs.unchanged
    assert facts_of(session, full.slug) == full


def test_a_nameless_review_that_gets_its_name_is_completed_and_is_no_news(
    session: Session, now: datetime
) -> None:
    text = "It ships.\nTwice."
    take_in(session, a_page(a_tool(reviews=(a_review(None, text=text),))), source="x", now=now)

    said = a_review("Skeptic", text="It ships.\n\nTwice.", score=70, verdict=Verdict.ship)
    taken = take_in(session, a_page(a_tool(reviews=(said,))), source="x", now=now)

    known = facts_of(session, taken.slug)
    assert known is not None
    assert known.tools[0].reviews == (said,)
    assert (taken.outcome, taken.changes) == (TakenAs.revised, ())
    assert revisions_between(session, now, now + timedelta(1))[0].number == 1


def test_a_review_in_the_marks_of_another_shape_is_the_same_review(
    session: Session, now: datetime
) -> None:
    marked = a_review(text="\u201cShip it.\u201d")
    take_in(session, a_page(a_tool(reviews=(marked,))), source="x", now=now)

    bare = a_review(None, text="Ship it.")
    taken = take_in(session, a_page(a_tool(reviews=(bare,))), source="x", now=now)

    assert taken.outcome is TakenAs.unchanged


def test_two_reviewers_may_say_the_same(session: Session, now: datetime) -> None:
    twice = (a_review(None, text="Ship it."), a_review(None, text="Ship it."))
    take_in(session, a_page(a_tool(reviews=twice)), source="x", now=now)
    named = (a_review("Builder", text="Ship it."), a_review("Founder", text="Ship it."))

    take_in(session, a_page(a_tool(reviews=named)), source="x", now=now)

    known = facts_of(session, "cursor-vs-zed")
    assert known is not None
    assert known.tools[0].reviews == named


def test_an_extract_whose_nameless_review_was_edited_does_not_keep_both(
    session: Session, now: datetime
) -> None:
    before = tuple(a_review(None, text=words) for words in ("One.", "Tow."))
    after = tuple(a_review(None, text=words) for words in ("One.", "Two."))
    take_in(session, a_page(a_tool(reviews=before)), source="x", now=now)

    take_in(session, a_page(a_tool(reviews=after)), source="x", now=now)

    known = facts_of(session, "cursor-vs-zed")
    assert known is not None
    assert known.tools[0].reviews == after


def test_a_new_reviewer_stands_where_the_page_has_them(session: Session, now: datetime) -> None:
    take_in(
        session,
        a_page(a_tool(reviews=(a_review("Builder"), a_review("Founder")))),
        source="x",
        now=now,
    )
    three = (a_review("Builder"), a_review("Skeptic"), a_review("Founder"))

    take_in(session, a_page(a_tool(reviews=three)), source="x", now=now)

    known = facts_of(session, "cursor-vs-zed")
    assert known is not None
    assert [review.reviewer for review in known.tools[0].reviews] == [
        "Builder",
        "Skeptic",
        "Founder",
    ]


MATERIAL: Final = {
    "a price": (
        {"pricing": "Free"},
        {"pricing": "$20/mo"},
        "Cursor\u2019s price changed from \u201cFree\u201d to \u201c$20/mo\u201d.",
    ),
    "an entry": (
        {"entry": "Free"},
        {"entry": "Paid"},
        "Cursor\u2019s entry changed from Free to Paid.",
    ),
    "a score": (
        {"reviews": (a_review("Founder", score=52),)},
        {"reviews": (a_review("Founder", score=61),)},
        "Founder\u2019s score for Cursor went from 52 to 61.",
    ),
    "a reviewer's verdict": (
        {"reviews": (a_review("Founder", verdict=Verdict.skip),)},
        {"reviews": (a_review("Founder", verdict=Verdict.ship),)},
        "Founder\u2019s verdict on Cursor went from skip to ship.",
    ),
    "the panel's verdict": (
        {"panel": PanelFacts(verdict=Verdict.ship)},
        {"panel": PanelFacts(verdict=Verdict.skip)},
        "The panel\u2019s verdict on Cursor went from ship to skip.",
    ),
    "the panel's share": (
        {"panel": PanelFacts(ship_percent=75)},
        {"panel": PanelFacts(ship_percent=66.7)},
        "The panel\u2019s ship share for Cursor went from 75% to 66.7%.",
    ),
}


@pytest.mark.parametrize(("before", "after", "sentence"), MATERIAL.values(), ids=MATERIAL)
def test_a_known_value_that_became_another_is_news(
    before: dict[str, Any], after: dict[str, Any], sentence: str, fresh: Session, now: datetime
) -> None:
    take_in(fresh, a_page(a_tool(**before)), source="x", now=now)

    taken = take_in(fresh, a_page(a_tool(**after)), source="x", now=now)

    revision = latest_revision(fresh, taken.slug)
    assert revision is not None
    assert taken.changes == (sentence,)
    assert (revision.number, revision.material, revision.changes) == (2, True, [sentence])


@pytest.mark.parametrize(("before", "after", "sentence"), MATERIAL.values(), ids=MATERIAL)
def test_learning_what_was_unknown_is_a_revision_but_no_news(
    before: dict[str, Any], after: dict[str, Any], sentence: str, fresh: Session, now: datetime
) -> None:
    take_in(fresh, a_page(a_tool()), source="x", now=now)

    taken = take_in(fresh, a_page(a_tool(**after)), source="x", now=now)

    revision = latest_revision(fresh, taken.slug)
    assert revision is not None
    assert (taken.outcome, taken.changes, revision.material) == (TakenAs.revised, (), False)


@pytest.mark.parametrize(
    "reworded", [{"tagline": "Edits faster"}, {"description": "It edits."}, {"pricing": "FREE"}]
)
def test_other_words_are_a_revision_but_no_news(
    reworded: dict[str, Any], fresh: Session, now: datetime
) -> None:
    said = {"tagline": "Edits", "description": "An editor.", "pricing": "Free"}
    take_in(fresh, a_page(a_tool(**said)), source="x", now=now)

    taken = take_in(fresh, a_page(a_tool(**{**said, **reworded})), source="x", now=now)

    assert (taken.outcome, taken.changes) == (TakenAs.revised, ())


def test_a_changed_tool_revises_every_comparison_it_is_in(session: Session, now: datetime) -> None:
    cheap, dear = a_tool(pricing="Free"), a_tool(pricing="$20/mo")
    take_in(session, a_page(cheap, a_tool("Zed")), source="x", now=now)
    take_in(session, a_page(a_tool("Windsurf"), cheap), source="x", now=now)
    take_in(session, a_page(a_tool("Windsurf"), a_tool("Zed")), source="x", now=now)

    taken = take_in(session, a_page(dear, a_tool("Zed")), source="x", now=now)

    other = latest_revision(session, "windsurf-vs-cursor")
    untouched = latest_revision(session, "windsurf-vs-zed")
    assert taken.others == ("windsurf-vs-cursor",)
    assert other is not None
    assert untouched is not None
    assert other.changes == list(taken.changes)
    assert (other.number, untouched.number) == (2, 1)


def test_pages_that_disagree_about_a_tool_settle_and_do_not_flap(
    session: Session, now: datetime
) -> None:
    """Two pages of one site, one of them stale: importing the folder every night is no news."""
    stale = a_page(a_tool(pricing="Free"), a_tool("Zed"))
    fresh = a_page(a_tool(pricing="$20/mo"), a_tool("Windsurf"))
    for page in (stale, fresh):
        take_in(session, page, source="x", now=now)
    before = _everything(session)

    nights = [take_in(session, page, source="x", now=now) for page in (stale, fresh, stale)]

    assert {night.outcome for night in nights} == {TakenAs.unchanged}
    assert _everything(session) == before


def test_a_price_that_goes_back_is_news_again(session: Session, now: datetime) -> None:
    prices = ("$10", "$20", "$10")
    taken = [
        take_in(session, a_page(a_tool(pricing=price)), source="x", now=now) for price in prices
    ]

    assert [one.revision for one in taken] == [1, 2, 3]
    assert taken[2].changes == (
        "Cursor\u2019s price changed from \u201c$20\u201d to \u201c$10\u201d.",
    )


def test_a_split_that_the_pages_new_share_contradicts_is_no_longer_known(
    session: Session, now: datetime
) -> None:
    whole = PanelFacts(verdict=Verdict.ship, ship_percent=75, ships=3, skips=1)
    take_in(session, a_page(a_tool(panel=whole)), source="x", now=now)

    take_in(session, a_page(a_tool(panel=PanelFacts(ship_percent=25))), source="x", now=now)

    known = facts_of(session, "cursor-vs-zed")
    assert known is not None
    assert known.tools[0].panel == PanelFacts(ship_percent=25)


def test_another_tool_in_an_old_place_is_news(session: Session, now: datetime) -> None:
    slug = "the-pair"
    take_in(session, a_page(a_tool(), a_tool("Zed"), slug=slug), source="x", now=now)

    taken = take_in(session, a_page(a_tool(), a_tool("Helix"), slug=slug), source="x", now=now)

    assert taken.changes == ("Helix takes the place of Zed.",)


def test_the_news_of_a_window_is_each_comparisons_latest_material_revision(
    session: Session, now: datetime
) -> None:
    day = timedelta(days=1)
    for number, price in enumerate(("$1", "$2", "$3", "$3")):
        words = f"Words {number}"
        page = a_page(a_tool(pricing=price, tagline=words))
        take_in(session, page, source="x", now=now + number * day)
    take_in(session, a_page(a_tool("A"), a_tool("B")), source="x", now=now + 2 * day)

    def news(start: int, end: int) -> list[tuple[str, int]]:
        found = revisions_between(session, now + start * day, now + end * day)
        return [(revision.facts["slug"], revision.number) for revision in found]

    assert news(0, 2) == [("cursor-vs-zed", 2)]
    assert news(0, 9) == [("a-vs-b", 1), ("cursor-vs-zed", 3)]
    assert news(3, 9) == []


def test_the_window_is_found_by_its_index(session: Session, now: datetime) -> None:
    take_in(session, FULL, source="x", now=now)
    session.connection().execute(text("ANALYZE"))
    postgresql = session.get_bind().dialect.name == "postgresql"
    if postgresql:  # it would rather read a table of one row as a whole
        session.connection().execute(text("SET LOCAL enable_seqscan = off"))
    query = select(Revision.id).where(col(Revision.material), col(Revision.taken_in_at) >= now)
    words = query.order_by(col(Revision.taken_in_at).desc()).compile(
        session.get_bind(), compile_kwargs={"literal_binds": True}
    )

    explain = "EXPLAIN" if postgresql else "EXPLAIN QUERY PLAN"
    plan = str(session.connection().execute(text(f"{explain} {words}")).all())

    assert "ix_revision_news" in plan


def test_what_goes_out_as_json_lines_comes_in_again_as_it_was(
    session: Session, fresh: Session, now: datetime
) -> None:
    for page in (EXTRACT, FULL, OTHER):
        take_in(session, page, source="x", now=now)
    lines = [json_line(facts) for facts in every_comparison(session)]
    before = _everything(session)

    again = [take_in(session, read_json(line.encode()), source="x", now=now) for line in lines]
    for line in lines:
        take_in(fresh, read_json(line.encode()), source="x", now=now)

    assert {one.outcome for one in again} == {TakenAs.unchanged}
    assert _everything(session) == before
    assert [json_line(facts) for facts in every_comparison(fresh)] == lines


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(first=comparisons(), second=comparisons())
def test_any_pages_taken_in_any_number_of_times_settle_at_once(
    first: ComparisonFacts, second: ComparisonFacts, now: datetime
) -> None:
    store = _empty_store()
    with Session(store) as session:
        for page in (first, second):
            take_in(session, page, source="x", now=now)
        before = _everything(session)

        outcomes = {
            take_in(session, page, source="x", now=now).outcome for page in (second, first, second)
        }

        assert first.slug == second.slug or outcomes == {TakenAs.unchanged}
        assert first.slug == second.slug or _everything(session) == before
        if not {tool.slug for tool in first.tools} & {tool.slug for tool in second.tools}:
            assert facts_of(session, first.slug) == first
    store.dispose()


def test_many_processes_at_one_moment_double_nothing(database: str, now: datetime) -> None:
    """Eight callers, the same pages in different orders, and tools that the pages share."""
    pages = [FULL, EXTRACT, OTHER, *(a_page(a_tool(), a_tool(f"T{n}")) for n in range(4))]
    engine()  # before the threads ask for it at once
    together = threading.Barrier(8)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            together.wait(timeout=30)
            for page in pages[number % 3 :] + pages[: number % 3]:
                with unit_of_work() as session:
                    take_in(session, page, source=str(number), now=now)
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            failures.append(error)

    _run_together([threading.Thread(target=work, args=(number,)) for number in range(8)])

    assert failures == []
    with unit_of_work() as session:
        assert session.exec(select(func.count(col(Comparison.id)))).one() == len(pages)
        assert session.exec(select(func.count(col(Tool.id)))).one() == 5 + 5
        assert session.exec(select(func.count(col(Review.id)))).one() == 20
        assert facts_of(session, FULL.slug) == FULL
        news = session.exec(select(Revision).where(col(Revision.material))).all()
        assert sorted(revision.number for revision in news) == [1] * len(pages)


def test_changes_to_one_tool_from_two_sides_all_arrive(database: str, now: datetime) -> None:
    """Two comparisons of one tool change it at the same moment: neither loses the other's word."""
    with unit_of_work() as session:
        take_in(session, a_page(a_tool(), a_tool("Zed")), source="x", now=now)
        take_in(session, a_page(a_tool(), a_tool("Helix")), source="x", now=now)
    together = threading.Barrier(2)
    failures: list[BaseException] = []

    def work(other: str, said: dict[str, str]) -> None:
        try:
            together.wait(timeout=30)
            with unit_of_work() as session:
                page = a_page(a_tool(**said), a_tool(other))
                take_in(session, page, source="x", now=now)
        except BaseException as error:  # noqa: BLE001 - as above
            failures.append(error)

    _run_together(
        [
            threading.Thread(target=work, args=("Zed", {"pricing": "$20"})),
            threading.Thread(target=work, args=("Helix", {"category": "Editors"})),
        ]
    )

    assert failures == []
    with unit_of_work() as session:
        for slug in ("cursor-vs-zed", "cursor-vs-helix"):
            known = facts_of(session, slug)
            assert known is not None
            assert (known.tools[0].pricing, known.tools[0].category) == ("$20", "Editors")


@pytest.fixture
def fresh() -> Any:
    """A session on an empty store in memory: for claims that no database can tell apart."""
    store = _empty_store()
    with Session(store) as session:
        yield session
    store.dispose()


def _empty_store() -> Engine:
    store = create_engine("sqlite://")
    tables = [
        SQLModel.metadata.tables[name]
        for name in (
            *("tool", "review", "comparison", "revision"),
            *("listing", "standing", "tool_move", "topic"),
        )
    ]
    SQLModel.metadata.create_all(store, tables=tables)
    return store


def _everything(session: Session) -> list[list[str]]:
    """All that a reader of the store could tell apart, as it stands in the rows."""
    session.flush()
    session.expire_all()
    return [
        [repr(row) for row in session.exec(query)]
        for query in (
            select(Tool).order_by(col(Tool.id)),
            select(Review).order_by(col(Review.id)),
            select(Revision).order_by(col(Revision.id)),
        )
    ]


def _run_together(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
