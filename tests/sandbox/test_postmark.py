"""The sandbox answers Postmark calls as Postmark documents them."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from newsletter.sandbox.config import Keys
from newsletter.sandbox.dialects.postmark_events import PostmarkEvents
from newsletter.sandbox.events import Kind
from tests.sandbox.calls import a_message
from tests.sandbox.conftest import Clock

Send = Callable[..., Any]


@pytest.fixture
def postmark(client: TestClient, keys: Keys) -> Send:
    def send(body: object, path: str = "/email/batch") -> Any:
        mine = {"x-postmark-server-token": keys.postmark_server_token}
        return client.post(path, json=body, headers=mine)

    return send


def test_each_message_has_an_answer_of_its_own(postmark: Send, client: TestClient) -> None:
    messages = [a_message(1), a_message(2, To="refuse+2@example.com"), a_message(3, To="nobody")]

    answer = postmark(messages)

    assert answer.status_code == 200
    assert [item["ErrorCode"] for item in answer.json()] == [0, 406, 300]
    assert "MessageID" not in answer.json()[1]
    assert client.get("/sandbox/counts.json").json()["messages"] == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([a_message(i) for i in range(501)], 422),
        ([a_message(1, Metdata={})], 422),
        ([a_message(1, Metadata={"a": 1})], 422),
        ([a_message(1, Headers=[{"Name": "A"}])], 422),
        ({"From": "a"}, 422),
    ],
)
def test_what_the_contract_does_not_know_is_refused(
    postmark: Send, client: TestClient, body: object, status: int
) -> None:
    answer = postmark(body)

    assert answer.status_code == status
    assert set(answer.json()) == {"ErrorCode", "Message"}
    assert client.get("/sandbox/counts.json").json()["messages"] == 0


def test_a_single_message_goes_too(postmark: Send) -> None:
    assert postmark(a_message(1), "/email").json()["ErrorCode"] == 0
    assert postmark(a_message(1, To="nobody"), "/email").status_code == 422


def test_without_the_servers_token_nobody_is_let_in(client: TestClient) -> None:
    answer = client.post("/email/batch", json=[a_message()])

    assert (answer.status_code, answer.json()["ErrorCode"]) == (401, 10)


def test_outbound_messages_are_searched_by_metadata(
    postmark: Send, client: TestClient, keys: Keys, clock: Clock
) -> None:
    postmark([a_message(1), a_message(2), a_message(3, Metadata={"nl_batch": "b-2"})])
    mine = {"x-postmark-server-token": keys.postmark_server_token}

    def search(**asked: Any) -> Any:
        given = {"count": 1, "offset": 1, **asked}
        return client.get("/messages/outbound", params=given, headers=mine)

    early = search(metadata_nl_batch="b-1").json()
    clock.tick(seconds=10)
    late = search(metadata_nl_batch="b-1").json()
    eastern = search(metadata_nl_batch="b-1", fromdate="2026-11-23T03:00:00").json()
    tomorrow = search(metadata_nl_batch="b-1", fromdate="2026-11-24").json()

    assert early["TotalCount"] == 0
    assert late["TotalCount"] == eastern["TotalCount"] == 2
    assert late["Messages"][0]["Metadata"]["nl_delivery"] == "d-1"
    assert tomorrow["TotalCount"] == 0
    assert search(metadata_a="1", metadata_b="2").status_code == 422
    assert search(meta="1").status_code == 422
    assert search(count=501).status_code == 422


def test_a_403_stops_for_ever_and_bounces_are_tried_longest(keys: Keys) -> None:
    webhooks = PostmarkEvents(keys.postmark_webhook_user, keys.postmark_webhook_password)

    def attempts(kind: Kind) -> int:
        return next(n for n in range(1, 30) if webhooks.retry_in(kind, n, 500) is None)

    assert webhooks.retry_in(Kind.bounced, 1, 403) is None
    assert (attempts(Kind.bounced), attempts(Kind.opened)) == (11, 4)
    assert not webhooks.tells(Kind.processed)
