"""The site pushes comparisons over HTTP: the same JSON, the site's token, the same promises."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlmodel import col, func, select

from digests.reading.exchange import LARGEST_COMPARISON, json_line
from digests.reading.pages import read_page
from digests.store.comparisons import Comparison, facts_of
from newsletter.database import reading
from newsletter.secrets import forget_former, renew
from newsletter.settings import settings
from newsletter.web.app import create_app
from tests.conftest import forget

EXAMPLES: Final = Path(__file__).parent.parent / "newsletter" / "examples"
FACTS: Final = read_page((EXAMPLES / "smolvlm2-vs-mistral-3-small.txt").read_text())
BODY: Final = json_line(FACTS)
PLACE: Final = f"/api/comparisons/{FACTS.slug}"

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def client(database: str) -> Iterator[TestClient]:
    with TestClient(create_app()) as opened:
        token = settings().site_token.get_secret_value()
        opened.headers["Authorization"] = f"Bearer {token}"
        yield opened


def stored() -> int:
    with reading() as session:
        return session.exec(select(func.count(col(Comparison.id)))).one()


def test_a_comparison_pushed_for_the_first_time_is_created(client: TestClient) -> None:
    answer = client.put(PLACE, content=BODY)

    assert answer.status_code == 201
    assert answer.json() == {"slug": FACTS.slug, "revision": 1, "outcome": "new", "changes": []}
    with reading() as session:
        assert facts_of(session, FACTS.slug) == FACTS


def test_the_token_before_is_taken_while_it_is_accepted_and_no_longer(
    client: TestClient, home: Path, now: datetime
) -> None:
    renew(home, "site_token", accept=1, now=now)
    forget()
    assert client.put(PLACE, content=BODY).status_code == 201

    forget_former(home, "site_token")
    forget()
    assert client.put(PLACE, content=BODY).status_code == 401


def test_the_same_comparison_again_is_unchanged(client: TestClient) -> None:
    client.put(PLACE, content=BODY)

    answer = client.put(PLACE, content=BODY)

    assert answer.status_code == 200
    assert (answer.json()["outcome"], answer.json()["revision"]) == ("unchanged", 1)


def test_a_changed_comparison_is_revised_and_says_what_changed(client: TestClient) -> None:
    client.put(PLACE, content=BODY)

    answer = client.put(PLACE, content=BODY.replace('"score":52', '"score":61'))

    assert answer.status_code == 200
    assert answer.json() == {
        "slug": FACTS.slug,
        "revision": 2,
        "outcome": "revised",
        "changes": ["Founder\u2019s score for Mistral 3 Small went from 52 to 61."],
    }


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", "Basic c2l0ZTp0b2tlbg=="])
def test_a_stranger_changes_nothing(client: TestClient, header: str | None) -> None:
    del client.headers["Authorization"]

    answer = client.put(PLACE, content=BODY, headers={"Authorization": header} if header else {})

    assert answer.status_code == 401
    assert stored() == 0


REFUSED: Final[dict[str, tuple[str, bytes, int, str]]] = {
    "another address": (
        "/api/comparisons/cursor-vs-zed",
        BODY.encode(),
        422,
        "The address says 'cursor-vs-zed' and the body 'smolvlm2-vs-mistral-3-small'",
    ),
    "no JSON": (PLACE, b"SmolVLM2", 422, "Expected a JSON object, found "),
    "nothing": (PLACE, b"", 422, "Expected a JSON object, found "),
    "a list": (PLACE, b"[]", 422, "The comparison is not an object."),
    "half of it": (PLACE, BODY.encode()[:-40], 422, "Expected a JSON object, found "),
    "an unknown field": (
        PLACE,
        BODY.replace('"slug":', '"winner":1,"slug":', 1).encode(),
        422,
        "Winner is not part of the schema.",
    ),
    "a field twice": (
        PLACE,
        BODY.replace('"slug":', '"title":"x","slug":', 1).encode(),
        422,
        "The field 'title' is given twice in one object.",
    ),
    "not UTF-8": (PLACE, BODY.encode("utf-16"), 422, "Expected UTF-8, found byte 0xFF"),
    "too much": (PLACE, b" " * (LARGEST_COMPARISON + 1), 413, "A comparison may have at most"),
}


@pytest.mark.parametrize(("place", "body", "status", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_comparison_is_refused_in_one_sentence(
    client: TestClient, place: str, body: bytes, status: int, words: str
) -> None:
    answer = client.put(place, content=body)

    assert answer.status_code == status
    assert _sentence(answer).startswith(words)
    assert stored() == 0


def test_a_stranger_is_turned_away_before_the_body_is_read(client: TestClient) -> None:
    read: list[int] = []

    def body() -> Iterator[bytes]:
        for number in range(3):
            read.append(number)
            yield b" " * 1000

    answer = client.put(PLACE, content=body(), headers={"Authorization": "Bearer wrong"})

    assert answer.status_code == 401


def _sentence(answer: Response) -> str:
    said: Any = json.loads(answer.content)
    assert list(said) == ["detail"]
    detail: str = said["detail"]
    return detail
