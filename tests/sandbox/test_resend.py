"""The sandbox answers Resend calls as Resend documents it."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from newsletter.sandbox.config import Keys
from tests.sandbox.calls import an_email
from tests.sandbox.conftest import Clock

Send = Callable[..., Any]


def total(client: TestClient) -> int:
    return int(client.get("/sandbox/counts.json").json()["messages"])


def test_a_batch_is_answered_with_an_id_for_each_email(resend: Send, client: TestClient) -> None:
    answer = resend([an_email(1), an_email(2)])

    assert answer.status_code == 200
    assert len({item["id"] for item in answer.json()["data"]}) == 2
    assert answer.headers["ratelimit-limit"]
    assert total(client) == 2


def test_bodies_come_back_exactly_as_they_were_sent(resend: Send, client: TestClient) -> None:
    odd = an_email(3, html='<p title="a"> quite "another" one</p>', text="")
    sent = [an_email(1), an_email(2), odd]

    resend(sent)

    for number, email in enumerate(sent, start=1):
        kept = client.get(f"/sandbox/messages/{number}.json").json()
        assert (kept["html"], kept["text"]) == (email["html"], email["text"])
        assert kept["subject"] == email["subject"]


def test_a_hundred_go_in_one_call_and_one_more_does_not(resend: Send, client: TestClient) -> None:
    assert resend([an_email(i) for i in range(100)]).status_code == 200

    answer = resend([an_email(i) for i in range(101)])

    assert answer.status_code == 422
    assert answer.json()["name"] == "validation_error"
    assert total(client) == 100


def test_strict_is_all_or_nothing(resend: Send, client: TestClient) -> None:
    answer = resend([an_email(1), an_email(2, to=["refuse+2@example.com"])])

    assert answer.status_code == 422
    assert answer.json()["statusCode"] == 422
    assert total(client) == 0


def test_permissive_takes_the_good_ones_and_names_the_others(
    resend: Send, client: TestClient
) -> None:
    emails = [an_email(1), an_email(2, to="nobody"), an_email(3)]

    answer = resend(emails, x_batch_validation="permissive").json()

    assert len(answer["data"]) == 2
    assert [error["index"] for error in answer["errors"]] == [1]
    assert total(client) == 2


def test_an_unknown_field_refuses_the_call_even_when_permissive(
    resend: Send, client: TestClient
) -> None:
    answer = resend(
        [an_email(1), an_email(2, replyto="x@example.com")], x_batch_validation="permissive"
    )

    assert answer.status_code == 422
    assert "1.replyto" in answer.json()["message"]
    assert total(client) == 0


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"subject": 7}, "validation_error"),
        ({"tags": [{"name": "a b", "value": "c"}]}, "validation_error"),
        ({"headers": {"X-A": "b\nc"}}, "validation_error"),
        ({"html": "", "text": ""}, "missing_required_field"),
        ({"from": "nobody"}, "validation_error"),
        ({"to": ["a@example.com", "b@example.com"]}, "validation_error"),
    ],
)
def test_what_is_wrong_with_an_email_is_said(
    resend: Send, changes: dict[str, Any], name: str
) -> None:
    answer = resend(an_email(**changes), "/emails")

    assert answer.status_code == 422
    assert answer.json()["name"] == name


def test_the_same_key_brings_the_same_answer_and_no_second_mail(
    resend: Send, client: TestClient, clock: Clock
) -> None:
    first = resend([an_email()], idempotency_key="k-1")
    clock.tick(hours=23)
    second = resend([an_email()], idempotency_key="k-1")

    assert second.json() == first.json()
    assert total(client) == 1


def test_after_a_day_a_key_is_forgotten(resend: Send, client: TestClient, clock: Clock) -> None:
    resend([an_email()], idempotency_key="k-1")
    clock.tick(hours=24, seconds=1)

    resend([an_email()], idempotency_key="k-1")

    assert total(client) == 2


def test_a_key_with_another_body_is_a_conflict(resend: Send, client: TestClient) -> None:
    resend([an_email(1)], idempotency_key="k-1")

    answer = resend([an_email(2)], idempotency_key="k-1")

    assert answer.status_code == 409
    assert answer.json()["name"] == "invalid_idempotent_request"
    assert total(client) == 1


def test_a_key_longer_than_256_characters_is_refused(resend: Send) -> None:
    assert resend([an_email()], idempotency_key="k" * 257).status_code == 400


@pytest.mark.parametrize(
    ("key", "status", "name"), [("", 401, "missing_api_key"), ("Bearer x", 403, "invalid_api_key")]
)
def test_without_our_key_nobody_is_let_in(resend: Send, key: str, status: int, name: str) -> None:
    answer = resend([an_email()], authorization=key)

    assert (answer.status_code, answer.json()["name"]) == (status, name)


def test_sent_emails_can_be_listed_and_read(resend: Send, client: TestClient, keys: Keys) -> None:
    ids = [item["id"] for item in resend([an_email(i) for i in range(3)]).json()["data"]]
    mine = {"authorization": f"Bearer {keys.resend_api_key}"}

    page = client.get("/emails", params={"limit": 2}, headers=mine).json()
    rest = client.get("/emails", params={"after": page["data"][-1]["id"]}, headers=mine).json()
    one = client.get(f"/emails/{ids[0]}", headers=mine).json()

    assert page["has_more"] is True
    assert [item["id"] for item in (*page["data"], *rest["data"])] == ids[::-1]
    assert one["html"] == an_email(0)["html"]
    assert {"name": "nl_delivery", "value": "d-0"} in one["tags"]
    assert client.get("/emails/unknown", headers=mine).status_code == 404
