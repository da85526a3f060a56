"""The sandbox answers SendGrid calls as SendGrid documents it."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from newsletter.sandbox.config import Keys
from tests.sandbox.calls import a_mail, a_person
from tests.sandbox.conftest import Clock

Send = Callable[..., Any]


def only(client: TestClient) -> dict[str, Any]:
    listed = client.get("/sandbox/mailbox.json").json()["messages"]
    assert len(listed) == 1
    whole: dict[str, Any] = client.get(f"/sandbox/messages/{listed[0]['id']}.json").json()
    return whole


def test_a_mail_is_taken_with_an_empty_answer_and_an_id(sendgrid: Send) -> None:
    answer = sendgrid(a_mail())

    assert answer.status_code == 202
    assert answer.content == b""
    assert answer.headers["x-message-id"]


def test_each_reader_gets_a_merged_copy_with_headers_of_their_own(
    sendgrid: Send, client: TestClient
) -> None:
    sendgrid(a_mail(a_person(7)))

    mail = only(client)
    headers = dict(mail["headers"])
    assert mail["subject"] == "The week of Reader 7"
    assert "Ship or skip, Reader 7?" in mail["html"]
    assert 'href="http://127.0.0.1:8000/leave/t7"' in mail["html"]
    assert mail["text"].endswith("/leave/t7\n")
    assert headers["List-Unsubscribe"] == "<http://127.0.0.1:8000/leave/t7>"
    assert headers["From"] == "Ship or Skip <verdicts@shiporskip.example>"
    assert mail["ref"] == "d-7"
    assert mail["batch"] == "b-1"
    assert mail["meta"] == {"nl_delivery": "d-7", "nl_batch": "b-1"}


def test_a_thousand_go_in_one_call_and_one_more_does_not(
    sendgrid: Send, client: TestClient
) -> None:
    assert sendgrid(a_mail(*map(a_person, range(1000)))).status_code == 202

    answer = sendgrid(a_mail(*map(a_person, range(1001))))

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "personalizations"
    assert client.get("/sandbox/counts.json").json()["messages"] == 1000


def test_every_invalid_address_is_named_by_its_place_and_nothing_is_taken(
    sendgrid: Send, client: TestClient
) -> None:
    people = [a_person(i) for i in range(5)]
    people[1]["to"][0]["email"] = "nobody"
    people[3]["to"][0]["email"] = "refuse+3@example.com"

    answer = sendgrid(a_mail(*people))

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [
        "personalizations.1.to.0.email",
        "personalizations.3.to.0.email",
    ]
    assert {"message", "field", "help"} == set(answer.json()["errors"][0])
    assert client.get("/sandbox/counts.json").json()["messages"] == 0


def test_the_same_address_twice_is_refused(sendgrid: Send) -> None:
    double = a_person(2, to=[{"email": "Reader1@Example.com"}])

    answer = sendgrid(a_mail(a_person(1), double))

    assert answer.status_code == 400
    assert "unique" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("mail", "field"),
    [
        (a_mail(catgories=["b-1"]), "catgories"),
        (a_mail(a_person(custom_arg={})), "personalizations.0.custom_arg"),
        (a_mail(a_person(to=[{"email": "a@example.com", "nam": "A"}])), None),
        (a_mail(tracking_settings={"opens": {}}), "tracking_settings.opens"),
        (a_mail(a_person(custom_args={"n": 1})), "personalizations.0.custom_args.n"),
        (a_mail(custom_args={"a": "b"}), "custom_args"),
        ({k: v for k, v in a_mail().items() if k != "from"}, "from"),
    ],
)
def test_what_the_contract_does_not_know_is_refused_by_name(
    sendgrid: Send, mail: dict[str, Any], field: str | None
) -> None:
    answer = sendgrid(mail)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == (field or "personalizations.0.to.0.nam")


@pytest.mark.parametrize(
    ("mail", "field"),
    [
        (a_mail(a_person(substitutions={"-a-": "x" * 10_001})), "personalizations.0.substitutions"),
        (a_mail(a_person(custom_args={"a": "é" * 5_001})), "personalizations.0.custom_args"),
        (a_mail(categories=[str(i) for i in range(11)]), "categories"),
        (a_mail(categories=["a", "a"]), "categories"),
        (a_mail(a_person(headers={"Subject": "x"})), "personalizations.0.headers.Subject"),
        (a_mail(a_person(headers={"X-A": "1\r\nBcc: x"})), "personalizations.0.headers"),
        (a_mail(content=[]), "content"),
        (a_mail(content=[{"type": "text/html", "value": "a"}] * 2), "content"),
        (a_mail(send_at=99_999_999_999), "send_at"),
    ],
)
def test_the_documented_limits_are_kept(
    sendgrid: Send, client: TestClient, mail: dict[str, Any], field: str
) -> None:
    answer = sendgrid(mail)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field
    assert client.get("/sandbox/counts.json").json()["messages"] == 0


def test_a_wrong_key_is_not_let_in(sendgrid: Send) -> None:
    assert sendgrid(a_mail(), authorization="Bearer SG.wrong").status_code == 401


def test_more_than_thirty_megabytes_are_refused_before_they_are_read(
    client: TestClient, keys: Keys
) -> None:
    answer = client.post(
        "/v3/mail/send",
        content=b"x",
        headers={
            "authorization": f"Bearer {keys.sendgrid_api_key}",
            "content-length": str(31 * 1024 * 1024),
        },
    )

    assert answer.status_code == 413


def test_trying_out_validates_and_sends_nothing(sendgrid: Send, client: TestClient) -> None:
    answer = sendgrid(a_mail(mail_settings={"sandbox_mode": {"enable": True}}))

    assert answer.status_code == 200
    assert client.get("/sandbox/counts.json").json()["messages"] == 0


def test_the_logs_are_searched_by_category_and_lag_behind(
    sendgrid: Send, client: TestClient, keys: Keys, clock: Clock
) -> None:
    sendgrid(a_mail(a_person(1), a_person(2)))
    sendgrid(a_mail(a_person(3), categories=["b-2"]))
    asked = {"query": "categories IN ('b-1')", "limit": 1000}
    mine = {"authorization": f"Bearer {keys.sendgrid_api_key}"}

    early = client.post("/v3/logs", json=asked, headers=mine).json()
    clock.tick(seconds=2)
    late = client.post("/v3/logs", json=asked, headers=mine).json()

    assert early == {"messages": []}
    assert {m["to_email"] for m in late["messages"]} == {
        "reader1@example.com",
        "reader2@example.com",
    }
    one = client.get(f"/v3/logs/{late['messages'][0]['sg_message_id']}", headers=mine).json()
    assert one["custom_args"]["nl_batch"] == "b-1"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("unique_args['nl_delivery']=\"d-2\"", ["reader2@example.com"]),
        ('to_email="reader1@example.com"', ["reader1@example.com"]),
        (
            '(Contains(categories,"b-1")) AND to_email="reader1@example.com"',
            ["reader1@example.com"],
        ),
        ('status="bounced"', []),
        (
            'last_event_time BETWEEN TIMESTAMP "2026-11-23T00:00:00Z" AND TIMESTAMP "2026-11-23T01:00:00Z"',
            [],
        ),
        ('subject="another"', []),
    ],
)
def test_the_activity_feed_is_asked_in_its_own_language(  # noqa: PLR0917 - two of them are the table
    sendgrid: Send, client: TestClient, keys: Keys, clock: Clock, query: str, found: list[str]
) -> None:
    sendgrid(a_mail(a_person(1), a_person(2)))
    clock.tick(seconds=2)

    answer = client.get(
        "/v3/messages",
        params={"query": query},
        headers={"authorization": f"Bearer {keys.sendgrid_api_key}"},
    )

    assert [m["to_email"] for m in answer.json()["messages"]] == found


def test_a_query_nobody_understands_is_answered_with_an_error(
    client: TestClient, keys: Keys
) -> None:
    answer = client.post(
        "/v3/logs",
        json={"query": "custom_args = 'x'"},
        headers={"authorization": f"Bearer {keys.sendgrid_api_key}"},
    )

    assert answer.status_code == 400
    assert "custom_args" in answer.json()["errors"][0]["message"]
