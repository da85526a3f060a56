"""What each provider can be asked about a batch that nobody knows of."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from newsletter.esp import Absent, CannotTell, Finding, Found
from tests.esp.mailings import NOW, answering, recording
from tests.esp.providers import MAKES

SEARCHED = ("sendgrid", "mailgun", "postmark", "brevo")
NOTHING: dict[str, Any] = {
    "sendgrid": {"messages": []},
    "mailgun": {"items": [], "paging": {}},
    "postmark": {"TotalCount": 0, "Messages": []},
    "brevo": {},
}
SOMETHING: dict[str, Any] = {
    "sendgrid": {"messages": [{"sg_message_id": "sg-1.recvd", "status": "processed"}]},
    "mailgun": {"items": [{"event": "accepted", "id": "mg-1"}], "paging": {}},
    "postmark": {
        "TotalCount": 2,
        "Messages": [
            {"MessageID": "pm-0", "Metadata": {"delivery": "d-0", "batch": "b-1"}},
            {"MessageID": "pm-1", "Metadata": {"delivery": "d-1", "batch": "b-1"}},
        ],
    },
    "brevo": {"events": [{"messageId": "br-1", "event": "requests", "tag": "b-1"}]},
}
QUESTIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "sendgrid": ("POST", "/v3/logs", {"query": "categories IN ('b-1')", "limit": 1}),
    "mailgun": (
        "GET",
        "/v3/mg.example.com/events",
        {
            "begin": "1795769700",
            "ascending": "yes",
            "limit": "1",
            "tags": "b-1",
            "event": "accepted",
        },
    ),
    "postmark": (
        "GET",
        "/messages/outbound",
        {"count": "500", "offset": "0", "metadata_batch": "b-1", "messagestream": "broadcast"},
    ),
    "brevo": (
        "GET",
        "/v3/smtp/statistics/events",
        {"tags": '["b-1"]', "days": "2", "limit": "1"},
    ),
}

searched = pytest.mark.parametrize("name", SEARCHED)


def found(
    name: str, answer: httpx.Response | Exception, *, after: timedelta = timedelta(hours=1)
) -> Finding:
    esp = MAKES[name](transport=answering(answer))
    return esp.find("b-1", since=NOW, now=NOW + after)


@searched
def test_the_question_is_the_one_the_provider_documents(name: str) -> None:
    seen: list[httpx.Request] = []
    answer = httpx.Response(200, json=NOTHING[name])
    esp = MAKES[name](transport=recording(seen, lambda _: answer))

    esp.find("b-1", since=NOW, now=NOW)

    (asked,) = seen
    put = json.loads(asked.content) if asked.content else dict(parse_qsl(asked.url.query.decode()))
    assert (asked.method, asked.url.path, put) == QUESTIONS[name]


@searched
def test_a_batch_the_provider_knows_is_found(name: str) -> None:
    finding = found(name, httpx.Response(200, json=SOMETHING[name]))

    assert isinstance(finding, Found)
    # Where a call is taken whole, one copy speaks for all; Postmark names those it has.
    assert finding.refs == (("d-0", "d-1") if name == "postmark" else ())


@searched
def test_a_batch_the_provider_does_not_know_is_absent(name: str) -> None:
    assert isinstance(found(name, httpx.Response(200, json=NOTHING[name])), Absent)


@searched
def test_what_the_provider_may_have_forgotten_is_not_absent(name: str) -> None:
    long_ago = timedelta(days=91)

    assert isinstance(
        found(name, httpx.Response(200, json=NOTHING[name]), after=long_ago), CannotTell
    )


def test_brevo_is_asked_for_a_day_more_than_ours_since_its_days_are_the_accounts() -> None:
    seen: list[httpx.Request] = []
    esp = MAKES["brevo"](transport=recording(seen, lambda _: httpx.Response(200, json={})))

    for days in (0, 1, 87, 88):
        esp.find("b-1", since=NOW, now=NOW + timedelta(days=days))

    assert [asked.url.params["days"] for asked in seen] == ["2", "3", "89"]


@searched
@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(403, json={"errors": []}),
        httpx.Response(429),
        httpx.Response(500),
        httpx.Response(200, text="<html>"),
        httpx.ReadTimeout("no answer"),
        httpx.ConnectError("refused"),
    ],
)
def test_a_search_that_does_not_answer_proves_nothing(
    name: str, answer: httpx.Response | Exception
) -> None:
    assert isinstance(found(name, answer), CannotTell)


def test_postmark_naming_no_copy_is_not_taken_for_all_of_them() -> None:
    body = {"TotalCount": 1, "Messages": [{"MessageID": "pm-0", "Metadata": {}}]}

    assert isinstance(found("postmark", httpx.Response(200, json=body)), CannotTell)


@pytest.mark.parametrize("name", ["resend", "ses"])
def test_without_a_search_nothing_is_asked(name: str) -> None:
    seen: list[httpx.Request] = []
    esp = MAKES[name](transport=recording(seen, lambda _: httpx.Response(200)))

    assert isinstance(esp.find("b-1", since=NOW, now=NOW), CannotTell)
    assert seen == []
    assert esp.traits.search_lag is None


def test_how_long_absence_takes_to_be_believed_is_a_setting() -> None:
    lags = {name: MAKES[name]().traits.search_lag for name in SEARCHED}

    assert lags == {
        "sendgrid": timedelta(minutes=60),
        "mailgun": timedelta(minutes=30),
        "postmark": timedelta(minutes=15),
        "brevo": timedelta(minutes=60),
    }
    minute = timedelta(minutes=1)
    assert all(MAKES[name](search_lag=minute).traits.search_lag == minute for name in SEARCHED)
