"""What goes wrong: a calm page or one JSON sentence, the right status, and never a traceback."""

from datetime import datetime

import pytest
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from digests import lifecycle
from digests.making import corrections
from digests.reading import exchange, page_lines
from digests.schedules import schedule_terms, turns
from newsletter import esp
from newsletter.accounts.models import Role
from newsletter.web import doors
from newsletter.web.app import STATUS, status_of
from subscribers import addresses, subscription
from tests.web.scene import Sent
from tests.web.staffing import signed_in

HEADERS = {
    "content-security-policy": "default-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=()",
    "cache-control": "no-store",
}


@pytest.mark.parametrize(
    "module",
    [
        lifecycle,
        corrections,
        exchange,
        page_lines,
        schedule_terms,
        addresses,
        subscription,
        turns,
        esp,
    ],
)
def test_every_domain_error_has_a_status(module: object) -> None:
    errors = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type)
        and issubclass(kind, Exception)
        and kind.__module__ == module.__name__  # type: ignore[attr-defined] # a module has a name
    ]

    assert errors
    for kind in errors:
        assert 400 <= status_of(kind.__new__(kind)) < 600


def test_a_wrong_signature_is_never_an_answer_that_stops_a_providers_retries() -> None:
    assert STATUS[esp.BadSignature] == 401
    assert STATUS[esp.CannotVerify] == 503


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/nowhere", "GET", 404),
        ("/u/", "GET", 404),
        ("/u/forged", "GET", 404),
        ("/p/forged", "POST", 405),
        ("/u/forged", "DELETE", 405),
        ("/static/../app.py", "GET", 404),
        ("/digests/2031-W01", "GET", 404),
        ("/docs", "GET", 404),
        ("/openapi.json", "GET", 404),
        ("/redoc", "GET", 404),
    ],
)
def test_a_person_gets_a_calm_page_with_every_header(
    web: TestClient, path: str, method: str, status: int
) -> None:
    answer = web.request(method, path)

    assert answer.status_code == status
    assert "<h1>" in answer.text
    assert "verdicts@shiporskip.example" in answer.text
    for name, begins in HEADERS.items():
        assert answer.headers[name].startswith(begins)


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/webhooks/nobody", "POST", 404),
        ("/webhooks/sendgrid", "GET", 405),
        ("/api/nothing", "GET", 404),
    ],
)
def test_a_program_gets_one_sentence_as_json(
    web: TestClient, path: str, method: str, status: int
) -> None:
    answer = web.request(method, path)

    assert answer.status_code == status
    assert list(answer.json()) == ["detail"]


def test_words_in_an_address_are_never_markup_on_a_page(web: TestClient) -> None:
    answer = web.get("/digests/<script>alert(1)</script>")

    assert answer.status_code == 404
    assert "<script>alert" not in answer.text


def test_what_nobody_expected_is_a_calm_500_without_a_traceback(
    web: TestClient, app: FastAPI
) -> None:
    def break_down() -> None:
        raise RuntimeError("ada@readers.example and a secret")

    app.dependency_overrides[doors.open_reading] = break_down
    answer = web.get("/")

    assert answer.status_code == 500
    assert "Our mistake" in answer.text
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_store_that_is_away_is_503_with_a_time_to_come_back(
    web: TestClient, app: FastAPI, sent: Sent
) -> None:
    def away() -> None:
        raise OperationalError("SELECT", {}, Exception("no route to host 10.0.0.1"))

    app.dependency_overrides[doors.open_transaction] = away
    answer = web.post(f"/u/{sent.unsubscribe}", data={"List-Unsubscribe": "One-Click"})

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "60"
    assert "10.0.0.1" not in answer.text


def test_browsers_are_held_to_https_exactly_when_that_is_our_address(
    web: TestClient, configure: "pytest.FixtureRequest"
) -> None:
    assert "strict-transport-security" not in web.get("/nowhere").headers

    configure(public_url="https://mail.shiporskip.example")  # type: ignore[operator] # a callable fixture

    assert web.get("/nowhere").headers["strict-transport-security"] == "max-age=31536000"


def test_no_answer_sets_a_cookie(web: TestClient, sent: Sent) -> None:
    for path in ("/", f"/u/{sent.unsubscribe}", f"/p/{sent.preferences}", f"/v/{sent.view}"):
        assert "set-cookie" not in web.get(path).headers


def test_whoever_works_here_is_led_back_to_their_own_pages(web: TestClient, now: datetime) -> None:
    signed_in(web, roles={Role.editor, Role.operator}, now=now)
    lost, nobody = web.get("/desk/2031-W01"), web.get("/people/999")
    assert (lost.status_code, nobody.status_code) == (404, 404)
    assert '<a href="/desk">All digests</a>' in lost.text
    assert '<a href="/people">The subscribers</a>' in nobody.text
    assert "If a link in a mail" not in lost.text + nobody.text

    elsewhere = web.get("/compare/no-such-page")
    assert "If a link in a mail led here" in elsewhere.text
    assert '<a href="/compare">Every comparison</a>' in elsewhere.text
