"""Finding comparisons on pages: the index, a tool's page, and what a comparison says of its changes."""

import json
import re
from datetime import datetime, timedelta
from html import unescape

import pytest
from playwright.sync_api import Browser
from starlette.testclient import TestClient

from digests.facts import ComparisonFacts, ToolFacts
from digests.store import intake
from newsletter.database import unit_of_work
from tests.support.mails import SHIP, SKIP, a_pair, a_tool
from tests.support.soundness import is_sound


def take_in(*pages: ComparisonFacts, now: datetime) -> None:
    with unit_of_work() as session:
        for facts in pages:
            intake.take_in(session, facts, source="a test", now=now)


def titles(web: TestClient, address: str) -> list[str]:
    answer = web.get(address)
    assert answer.status_code == 200, answer.text
    return [unescape(one) for one in re.findall(r'class="pair" href="[^"]+">([^<]+)<', answer.text)]


def test_the_index_finds_by_words_and_category_and_leads_on_to_every_comparison(
    web: TestClient, now: datetime
) -> None:
    chat = ToolFacts(name="Chat", category="Assistants & more")
    take_in(a_pair(a_tool("Code"), chat), now=now + timedelta(hours=1))
    take_in(*(a_pair(a_tool(f"Left {n}"), a_tool(f"Right {n}")) for n in range(30)), now=now)

    assert titles(web, "/compare?q=chat") == ["Code vs Chat"]
    assert titles(web, "/compare?category=Assistants+%26+more") == ["Code vs Chat"]
    assert titles(web, "/compare?q=nothing+like+it") == []
    first = web.get("/compare").text
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following is not None
    seen = titles(web, "/compare") + titles(web, unescape(following[1]))
    assert len(seen) == len(set(seen)) == 31
    assert seen[0] == "Code vs Chat"


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/compare?sort=nonsense", 200),
        ("/compare?after=nonsense", 404),
        ("/compare?sort=gap&after=2026-01-01T00:00:00%2B00:00~1", 404),
        ("/tools/nothing", 404),
        ("/compare/nothing.png", 404),
    ],
)
def test_what_no_page_leads_to_is_told_calmly(web: TestClient, address: str, status: int) -> None:
    assert web.get(address).status_code == status


def test_the_index_is_not_sent_again_to_whoever_has_it(web: TestClient, now: datetime) -> None:
    take_in(a_pair(a_tool("One"), a_tool("Two")), now=now)
    tag = web.get("/compare").headers["etag"]

    assert web.get("/compare", headers={"if-none-match": tag}).status_code == 304
    take_in(a_pair(a_tool("Three"), a_tool("Four")), now=now)
    assert web.get("/compare", headers={"if-none-match": tag}).status_code == 200


def test_a_revision_says_on_both_pages_what_it_changed(web: TestClient, now: datetime) -> None:
    take_in(a_pair(a_tool("One", verdicts=(SHIP, SHIP)), a_tool("Two")), now=now)
    assert "What changed" not in web.get("/compare/one-vs-two").text

    later = now + timedelta(days=7)
    take_in(a_pair(a_tool("One", verdicts=(SKIP, SKIP)), a_tool("Two")), now=later)

    changed = web.get("/compare/one-vs-two").text
    assert "What changed" in changed
    assert re.search(r"<time[^>]+>30 November 2026</time> <span>[^<]*One[^<]*</span>", changed)
    tool = web.get("/tools/one").text
    assert '<svg class="plot"' in tool
    assert re.findall(r'<b class="word (\w+)">\w+</b> (\d+)% ship', tool)[-2:-1]
    assert '<svg class="plot"' not in web.get("/tools/two").text  # it never moved


def test_the_data_for_machines_says_what_the_page_says_and_ends_no_element(
    web: TestClient, now: datetime
) -> None:
    facts = a_pair(a_tool("One</script><b>"), a_tool("Two & <i>"))
    take_in(facts, now=now)

    page = web.get(f"/compare/{facts.slug}").text
    found = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)

    assert len(found) == 1
    said = json.loads(found[0])
    tools = [one["item"] for one in said["mainEntity"]["itemListElement"]]
    assert [tool["name"] for tool in tools] == ["One</script><b>", "Two & <i>"]
    for tool, known in zip(tools, facts.tools, strict=True):
        scores = [(review["reviewBody"], review.get("reviewRating", {}).get("ratingValue"))
                  for review in tool["review"]]  # fmt: skip
        assert scores == [(review.text, review.score) for review in known.reviews]


def test_a_link_to_a_comparison_shows_with_its_words_and_a_picture(
    web: TestClient, now: datetime
) -> None:
    take_in(a_pair(a_tool("One"), a_tool("Two")), now=now)
    page = web.get("/compare/one-vs-two").text

    shown = dict(re.findall(r'<meta property="og:([a-z_:]+)" content="([^"]*)">', page))
    assert shown["title"] == "One vs Two"
    assert "One" in shown["description"]
    picture = web.get(shown["image"].removeprefix("http://127.0.0.1:8000"))
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")


@pytest.mark.browser
def test_axe_finds_nothing_and_the_browser_refuses_nothing(
    browser: Browser, site: str, now: datetime
) -> None:
    one = a_tool("One", verdicts=(SHIP, SHIP))
    take_in(a_pair(one, a_tool("Two")), now=now - timedelta(days=40))
    one = a_tool("One", verdicts=(SHIP, SKIP))
    take_in(a_pair(one, a_tool("Two")), now=now - timedelta(days=9))
    context = browser.new_context()
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    for path in ("/compare", "/compare?sort=gap", "/tools/one", "/compare/one-vs-two"):
        page.goto(site + path)
        # Axe is our own script in their page, so what the policy says is read before it runs.
        assert said == [], path
        is_sound(page)
        said.clear()
    context.close()
