"""The read API and the feeds: what programs are told, how often, and that it is what is promised."""

import re
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tries
from hypothesis import strategies as st
from pydantic import BaseModel
from starlette.testclient import TestClient

from digests.facts import ComparisonFacts
from digests.store import intake
from newsletter.database import unit_of_work
from newsletter.web.site import published
from tests.conftest import Configure
from tests.support.effort import examples
from tests.support.mails import SHIP, SKIP, a_pair, a_tool
from tests.web.scene import on_both

ATOM = "{http://www.w3.org/2005/Atom}"
SHAPES: dict[str, type[BaseModel]] = {
    "/api/comparisons": published.Comparisons,
    "/api/comparisons/{slug}": published.Compared,
    "/api/tools": published.Tools,
    "/api/tools/{slug}": published.ToolInFull,
    "/api/categories": published.Categories,
}


def take_in(*pages: ComparisonFacts, now: datetime) -> None:
    with unit_of_work() as session:
        for facts in pages:
            intake.take_in(session, facts, source="a test", now=now)


def test_every_comparison_and_tool_is_read_once_a_page_at_a_time(
    web: TestClient, now: datetime
) -> None:
    take_in(*(a_pair(a_tool(f"Left {n}"), a_tool(f"Right {n}")) for n in range(5)), now=now)

    for kind, many in (("comparisons", 5), ("tools", 10)):
        seen: list[str] = []
        after: str | None = ""
        while after is not None:
            page = web.get(f"/api/{kind}", params={"after": after, "limit": 2}).json()
            seen += [one["slug"] for one in page[kind]]
            after = page["next"]
        assert len(seen) == len(set(seen)) == many


def test_one_comparison_has_every_fact_and_what_its_revisions_changed(
    web: TestClient, now: datetime
) -> None:
    take_in(a_pair(a_tool("One", verdicts=(SHIP, SHIP)), a_tool("Two")), now=now)
    facts = a_pair(a_tool("One", verdicts=(SKIP, SKIP)), a_tool("Two"))
    take_in(facts, now=now + timedelta(days=7))

    said = published.Compared.model_validate_json(web.get(f"/api/comparisons/{facts.slug}").content)

    assert said.facts == facts
    assert (said.revision, said.readers) == (2, {})
    assert [one.revision for one in said.history] == [2]
    moves = web.get("/api/tools/one").json()["moves"]
    assert [move["percent"] for move in moves] == [100, 0]
    assert web.get("/api/comparisons?tool=two").json()["comparisons"][0]["slug"] == facts.slug


def test_the_openapi_names_these_addresses_alone_and_nothing_personal(web: TestClient) -> None:
    said = web.get("/api/openapi.json").json()

    assert {path: list(ways) for path, ways in said["paths"].items()} == {
        path: ["get"] for path in SHAPES
    }
    for ways in said["paths"].values():
        assert set(ways["get"]["responses"]) == {"200", "404", "422", "429"}


def test_the_site_still_pushes_to_the_address_that_others_read(web: TestClient) -> None:
    assert web.put("/api/comparisons/one-vs-two", json={}).status_code == 401


def test_whoever_reads_too_often_is_told_before_and_then_refused(
    web: TestClient, configure: Configure
) -> None:
    configure(api_per_minute=2)
    first, second, third = (web.get("/api/categories") for _ in range(3))

    assert first.headers["ratelimit-policy"] == '"network";q=2;w=60'
    assert first.headers["ratelimit"].startswith('"network";r=1;t=')
    assert second.headers["ratelimit"].startswith('"network";r=0;t=')
    assert third.status_code == 429
    assert 1 <= int(third.headers["retry-after"]) <= 60
    assert "too often" in third.json()["detail"]


words = st.text(max_size=20) | st.sampled_from(
    ["", "one", "one-vs-two", "newest", "gap", "1~1", f"1~{9**40}", "\0"]
)


@on_both
@tries(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    path=st.sampled_from(sorted(SHAPES)),
    slug=st.sampled_from(["one", "one-vs-two", "%00", "a%2Fb", "é"]),
    asked=st.dictionaries(
        st.sampled_from(["q", "category", "tool", "sort", "after", "limit"]),
        words | st.integers(min_value=-5, max_value=200).map(str),
    ),
)
def test_whatever_is_asked_the_answer_is_one_that_the_openapi_promises(
    web: TestClient, now: datetime, path: str, slug: str, asked: dict[str, str]
) -> None:
    if not web.get("/api/tools").json()["tools"]:
        take_in(a_pair(a_tool("One"), a_tool("Two")), now=now)

    answer = web.get(path.replace("{slug}", slug), params=asked)

    promised = web.get("/api/openapi.json").json()["paths"][path]["get"]["responses"]
    assert str(answer.status_code) in promised
    shape = SHAPES[path] if answer.status_code == 200 else published.Refusal
    assert shape.model_validate_json(answer.content, strict=False)


@pytest.fixture(autouse=True)
def many(configure: Configure) -> None:
    """As often as a test likes; one of them says otherwise."""
    configure(api_per_minute=100_000)


def test_a_feed_says_what_is_new_in_both_formats_and_for_a_category(
    web: TestClient, now: datetime
) -> None:
    facts = a_pair(a_tool("One & <b>"), a_tool("Two")).model_copy(
        update={"summary": "Small & <i>local</i>."}
    )
    take_in(facts, now=now)

    entry = ET.fromstring(web.get("/compare.atom").content).find(f"{ATOM}entry")  # noqa: S314 - our own
    item: dict[str, Any] = web.get("/compare.json").json()["items"][0]

    assert entry is not None
    assert entry.findtext(f"{ATOM}title") == item["title"] == facts.title
    assert entry.findtext(f"{ATOM}summary") == item["summary"] == facts.summary
    content = entry.findtext(f"{ATOM}content") or ""
    assert content.startswith("<p>Small &amp; &lt;i&gt;local&lt;/i&gt;.</p><ul><li>One &amp; &lt;b")
    assert item["url"] == f"http://127.0.0.1:8000/compare/{facts.slug}"
    assert web.get("/compare.json?category=Developer+Tools").json()["items"] == [item]
    assert web.get("/compare.json?category=Else").json()["items"] == []
    assert b"<entry>" not in web.get("/compare.atom?category=Else").content


@pytest.mark.parametrize("address", ["/compare.atom", "/compare.json"])
def test_a_feed_that_did_not_change_is_not_sent_again(
    web: TestClient, now: datetime, address: str
) -> None:
    take_in(a_pair(a_tool("One"), a_tool("Two")), now=now)
    first = web.get(address)
    assert first.headers["cache-control"] == "public, max-age=300"

    for name, value in (
        ("if-none-match", first.headers["etag"]),
        ("if-modified-since", first.headers["last-modified"]),
    ):
        again = web.get(address, headers={name: value})
        assert (again.status_code, again.content) == (304, b"")
    take_in(a_pair(a_tool("Three"), a_tool("Four")), now=now + timedelta(hours=1))
    for name, value in (
        ("if-none-match", first.headers["etag"]),
        ("if-modified-since", first.headers["last-modified"]),
    ):
        assert web.get(address, headers={name: value}).status_code == 200


def test_the_pages_name_their_feeds(web: TestClient) -> None:
    named = re.findall(r'<link rel="alternate" type="([^"]+)"', web.get("/compare").text)

    assert named == ["application/atom+xml", "application/feed+json"]
