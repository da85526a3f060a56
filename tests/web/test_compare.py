"""The page behind “Read the full comparison”: every fact of the page it came from."""

import re
from datetime import datetime
from html import unescape
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from digests.facts import ComparisonFacts, ReviewFacts, ToolFacts
from digests.store import intake
from newsletter.database import unit_of_work
from newsletter.web.site.compare import scorecard
from tests.web.scene import DATA, Sent


@pytest.mark.parametrize("path", sorted(DATA.glob("*.json")), ids=lambda path: path.stem)
def test_every_fact_of_a_real_page_stands_on_it(web: TestClient, now: datetime, path: Path) -> None:
    facts = ComparisonFacts.model_validate_json(path.read_bytes())
    with unit_of_work() as session:
        intake.take_in(session, facts, source=path.name, now=now)

    page = unescape(web.get(f"/compare/{facts.slug}").text)

    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    for tool in facts.tools:
        said = [
            tool.name, tool.category, tool.tagline, tool.entry, tool.description,
            tool.pricing, tool.best_for, tool.community,
        ]  # fmt: skip
        for fact in filter(None, said):
            assert " ".join(fact.split()) in words
        panel, split = tool.panel, ""
        if panel.ships is not None:
            split = f" · {panel.ships} ship / {panel.skips} skip"
        assert f"{(panel.verdict or '').capitalize()}{split}" in words
        assert panel.ship_percent is None or f"{panel.ship_percent:.0f}%" in words
        for review in tool.reviews:
            assert " ".join(review.text.split()) in words
            if review.score is not None:
                assert f"{review.score}/100 {review.verdict}" in words
            assert (review.reviewer or "") in words


def test_the_mail_leads_there(web: TestClient, sent: Sent) -> None:
    mail = web.get(f"/v/{sent.view}").text
    address = re.search(r"http://127\.0\.0\.1:8000(/compare/[a-z0-9-]+)", mail)

    assert address is not None
    assert web.get(address[1]).status_code == 200


def test_a_comparison_that_is_not_there_is_told_calmly(web: TestClient) -> None:
    answer = web.get("/compare/nothing-vs-nobody")

    assert answer.status_code == 404
    assert "There is no comparison at this address." in answer.text


def test_what_a_page_says_is_never_markup(web: TestClient, now: datetime) -> None:
    facts = ComparisonFacts(
        slug="a-vs-b",
        title="<script>alert(1)</script> vs B",
        tools=(ToolFacts(name='"><img src=x>'), ToolFacts(name="B", community="</td><b>")),
    )
    with unit_of_work() as session:
        intake.take_in(session, facts, source="a test", now=now)

    page = web.get("/compare/a-vs-b").text

    for markup in ("<script>", "<img", "</td><b>"):
        assert markup not in page


def test_reviewers_sit_side_by_side_by_name_and_nameless_ones_by_place() -> None:
    left = ToolFacts(
        name="A",
        reviews=(ReviewFacts(reviewer="Builder", text="a"), ReviewFacts(text="b")),
    )
    right = ToolFacts(
        name="B",
        reviews=(
            ReviewFacts(reviewer="Founder", text="c"),
            ReviewFacts(text="d"),
            ReviewFacts(reviewer="builder", text="e"),
        ),
    )

    seats = [
        (seat.reviewer, seat.left and seat.left.text, seat.right and seat.right.text)
        for seat in scorecard(left, right)
    ]

    assert seats == [("Builder", "a", "e"), ("", "b", "d"), ("Founder", None, "c")]
