"""The sandbox answers Brevo calls as Brevo documents them."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from newsletter.sandbox.config import Keys
from tests.sandbox.calls import a_version, versions
from tests.sandbox.conftest import Clock

Send = Callable[..., Any]
KEY = {"idempotencyKey": "6d9c53b4-6b0f-4c1e-8a5f-b7c3b1f7e000"}


@pytest.fixture
def brevo(client: TestClient, keys: Keys) -> Send:
    def send(body: object) -> Any:
        return client.post("/v3/smtp/email", json=body, headers={"api-key": keys.brevo_api_key})

    return send


def total(client: TestClient) -> int:
    return int(client.get("/sandbox/counts.json").json()["messages"])


def test_each_version_has_an_id(brevo: Send, client: TestClient) -> None:
    answer = brevo(versions(a_version(1), a_version(2)))

    assert answer.status_code == 201
    assert len(answer.json()["messageIds"]) == 2
    mail = client.get("/sandbox/messages/2.json").json()
    assert mail["html"] == '<a href="http://127.0.0.1:8000/leave/t2">Leave</a>'
    assert mail["ref"] == "d-2"
    assert ["X-Mailin-Custom", "delivery:d-2|batch:b-1"] in mail["headers"]


def test_a_mail_without_versions_has_one_id(brevo: Send) -> None:
    single = versions(to=[{"email": "reader@example.com"}])
    del single["messageVersions"]

    assert brevo(single).json()["messageId"]


def test_a_key_is_taken_once_and_forgotten_after_a_quarter_of_an_hour(
    brevo: Send, client: TestClient, clock: Clock
) -> None:
    assert brevo(versions(headers=KEY)).status_code == 201
    clock.tick(minutes=14)
    again = brevo(versions(headers=KEY))
    clock.tick(minutes=2)
    later = brevo(versions(headers=KEY))

    assert (again.status_code, again.json()["code"]) == (400, "duplicate_parameter")
    assert later.status_code == 201
    assert total(client) == 2


def test_the_key_is_no_header_of_the_mail(brevo: Send, client: TestClient) -> None:
    brevo(versions(headers=KEY))

    headers = dict(client.get("/sandbox/messages/1.json").json()["headers"])
    assert not [name for name in headers if name.lower() == "idempotencykey"]


@pytest.mark.parametrize(
    ("mail", "code"),
    [
        (versions(a_version(1, html="<p>")), "invalid_parameter"),
        (versions(a_version(1, to=[{"email": "nobody"}])), "invalid_parameter"),
        (versions(a_version(1, headers={"X-A": "é"})), "invalid_parameter"),
        (versions(headers={"idempotencyKey": "k-1"}), "invalid_parameter"),
        (versions(*(a_version(i) for i in range(1001))), "invalid_parameter"),
        (versions(htmlContent=""), "missing_parameter"),
        ({"subject": "x"}, "missing_parameter"),
    ],
)
def test_what_the_contract_forbids_takes_nothing(
    brevo: Send, client: TestClient, mail: dict[str, Any], code: str
) -> None:
    answer = brevo(mail)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert total(client) == 0


def test_the_report_is_asked_by_tag(
    brevo: Send, client: TestClient, keys: Keys, clock: Clock
) -> None:
    brevo(versions(a_version(1)))
    mine = {"api-key": keys.brevo_api_key}

    def report(**asked: Any) -> Any:
        return client.get("/v3/smtp/statistics/events", params=asked, headers=mine)

    early = report(tags='["b-1"]').json()
    clock.tick(seconds=10)
    late = report(tags='["b-1"]', startDate="2026-11-23", endDate="2026-11-23").json()

    assert early == {}
    assert [event["event"] for event in late["events"]] == ["delivered", "requests"]
    assert report(tags='["b-1"]', days="1").json() == late
    assert report(tags='["b-2"]').json() == {}
    assert report(days="91").status_code == 400
    assert report(startDate="2026-01-01", endDate="2026-11-23").status_code == 400
    assert report(custom="x").status_code == 400
    assert report(tags="b-1").status_code == 400


def test_a_limit_says_when_it_is_lifted_in_brevos_own_header(
    brevo: Send, client: TestClient
) -> None:
    client.put("/sandbox/faults", json={"rules": [{"kind": "too_many", "retry_after": 9}]})

    answer = brevo(versions())

    assert answer.status_code == 429
    assert answer.headers["x-sib-ratelimit-reset"] == "9"
