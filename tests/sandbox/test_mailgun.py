"""The sandbox answers Mailgun calls as Mailgun documents them."""

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from newsletter.sandbox.config import Keys
from newsletter.sandbox.dialects.mailgun_events import MailgunEvents
from newsletter.sandbox.events import Kind
from tests.sandbox.calls import a_form
from tests.sandbox.conftest import Clock

Send = Callable[..., Any]
PATH = "/v3/shiporskip.example/messages"


@pytest.fixture
def mailgun(client: TestClient, keys: Keys) -> Send:
    def send(form: dict[str, Any], **more: Any) -> Any:
        return client.post(PATH, data=form, auth=("api", keys.mailgun_api_key), **more)

    return send


def total(client: TestClient) -> int:
    return int(client.get("/sandbox/counts.json").json()["messages"])


def test_one_id_stands_for_the_whole_call(mailgun: Send, client: TestClient) -> None:
    answer = mailgun(a_form(1, 2))

    assert answer.status_code == 200
    assert answer.json()["message"].startswith("Queued")
    assert answer.json()["id"].endswith("@shiporskip.example>")
    assert total(client) == 2


def test_recipient_variables_reach_body_headers_and_variables(
    mailgun: Send, client: TestClient
) -> None:
    mailgun(a_form(1, 2))

    mail = client.get("/sandbox/messages/2.json").json()
    headers = dict(mail["headers"])
    assert mail["html"] == '<a href="http://127.0.0.1:8000/leave/t2">Leave</a>'
    assert headers["List-Unsubscribe"] == "<http://127.0.0.1:8000/leave/t2>"
    assert json.loads(headers["X-Mailgun-Variables"]) == {"nl_delivery": "d-2"}
    assert mail["ref"] == "d-2"


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (a_form(1, 2, **{"recipient-variables": "{}"}), "lack"),
        (a_form(1, **{"o:tracking": "maybe"}), "yes or no"),
        (a_form(1, **{"o:trackings": "no"}), "o:trackings is not a field"),
        (a_form(1, to="nobody"), "not a valid address"),
        (a_form(1, to="refuse+1@example.com"), "refuse+1@example.com"),
        (a_form(1, **{"recipient-variables": "{"}), "not valid JSON"),
        (a_form(1, **{"v:x": "y" * 16_001}), "16 kB"),
        (a_form(*range(1001)), "Too many recipients"),
        ({k: v for k, v in a_form(1, 2).items() if k != "recipient-variables"}, "see all"),
        ({k: v for k, v in a_form(1).items() if k not in {"text", "html"}}, "at least one"),
    ],
)
def test_what_the_contract_forbids_takes_nothing(
    mailgun: Send, client: TestClient, form: dict[str, Any], said: str
) -> None:
    answer = mailgun(form)

    assert answer.status_code == 400
    assert said in answer.json()["message"]
    assert total(client) == 0


def test_attachments_are_not_modelled(mailgun: Send) -> None:
    answer = mailgun(a_form(1), files={"attachment": ("a.txt", b"x")})

    assert answer.status_code == 400


def test_a_try_out_is_queued_and_not_delivered(mailgun: Send, client: TestClient) -> None:
    assert mailgun(a_form(1, **{"o:testmode": "yes"})).status_code == 200
    assert total(client) == 0


def test_a_limit_says_when_to_come_back_in_words(mailgun: Send, client: TestClient) -> None:
    client.put("/sandbox/faults", json={"rules": [{"kind": "too_many", "retry_after": 30}]})

    answer = mailgun(a_form(1))

    assert answer.status_code == 429
    assert "try again after Mon, 23 Nov 2026 08:00:30 +0000" in answer.json()["message"]
    assert "retry-after" not in answer.headers


def test_the_event_log_is_asked_by_tag_and_read_in_pages(
    mailgun: Send, client: TestClient, keys: Keys, clock: Clock
) -> None:
    mailgun(a_form(1, 2, 3))
    mailgun(a_form(4, **{"o:tag": "b-2"}))
    clock.tick(minutes=1)
    asked: dict[str, str | int] = {
        "tags": "b-1",
        "event": "accepted",
        "limit": 2,
        "ascending": "yes",
    }
    mine = ("api", keys.mailgun_api_key)

    first = client.get("/v3/shiporskip.example/events", params=asked, auth=mine).json()
    rest = client.get(
        first["paging"]["next"].removeprefix("http://127.0.0.1:8025"), auth=mine
    ).json()
    nothing = client.get(rest["paging"]["next"].removeprefix("http://127.0.0.1:8025"), auth=mine)

    found = [item["user-variables"]["nl_delivery"] for item in (*first["items"], *rest["items"])]
    assert found == ["d-1", "d-2", "d-3"]
    assert nothing.json()["items"] == []
    unknown = {"user-variables": "x"}
    answer = client.get("/v3/shiporskip.example/events", params=unknown, auth=mine)
    assert answer.status_code == 400


def test_the_signature_covers_timestamp_and_token_only(keys: Keys, clock: Clock) -> None:
    webhooks = MailgunEvents(keys.mailgun_signing_key)

    body, _ = webhooks.dress(b'{"event":"opened"}', token="t", attempt=1, now=clock())

    said = json.loads(body)
    signed = said["signature"]
    wanted = hmac.new(
        keys.mailgun_signing_key.encode(),
        (signed["timestamp"] + signed["token"]).encode(),
        hashlib.sha256,
    )
    assert signed["signature"] == wanted.hexdigest()
    assert said["event-data"] == {"event": "opened"}


def test_a_406_and_a_failed_delivery_notice_are_not_tried_again(keys: Keys) -> None:
    webhooks = MailgunEvents(keys.mailgun_signing_key)

    assert webhooks.retry_in(Kind.opened, 1, 500) == 300
    assert webhooks.retry_in(Kind.opened, 1, 406) is None
    assert webhooks.retry_in(Kind.delivered, 1, 500) is None
