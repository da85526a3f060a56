"""Three answers, and at every provider the same meaning: taken, certainly not taken, nobody knows."""

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.esp import Accepted, NotTaken, Outcome, Unknown
from tests.esp.mailings import a_mailing, answering, recording
from tests.esp.providers import MAKES, all_taken

everywhere = pytest.mark.parametrize("name", list(MAKES))


#: Answers in the right words and of the wrong shape.
ALMOST = (
    '{"data":5}',
    '{"data":[],"errors":[{"index":"x"}]}',
    '{"errors":[5]}',
    '{"errors":{"a":1}}',
    '{"BulkEmailEntryResults":[1,2,3]}',
    '{"messageIds":[1]}',
    '{"message":["a"],"Message":7}',
)


def sent(name: str, answer: httpx.Response | Exception, *, copies: Any = 3) -> Outcome:
    esp = MAKES[name](transport=answering(answer))
    outcome = esp.send(esp.encode(a_mailing(copies)))
    esp.close()
    return outcome


@everywhere
def test_a_call_that_is_taken_is_accepted_with_its_message_ids(name: str) -> None:
    outcome = sent(name, all_taken(name, 3))

    assert isinstance(outcome, Accepted)
    assert len(outcome.message_ids) == (1 if name in ("sendgrid", "mailgun") else 3)
    assert all(outcome.message_ids)
    assert (outcome.refused, outcome.again) == ({}, frozenset())


@everywhere
@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("refused for reader0@example.com"),
        httpx.ConnectTimeout("no route"),
        httpx.PoolTimeout("busy"),
    ],
)
def test_without_a_connection_nothing_was_taken(name: str, error: Exception) -> None:
    assert sent(name, error) == NotTaken(f"no connection: {type(error).__name__}")


@everywhere
@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadTimeout("no answer"),
        httpx.WriteTimeout("stuck"),
        httpx.WriteError("reset"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("server disconnected"),
    ],
)
def test_after_the_first_byte_silence_means_that_nobody_knows(name: str, error: Exception) -> None:
    assert sent(name, error) == Unknown(f"no answer: {type(error).__name__}")


@everywhere
@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 599])
def test_a_servers_trouble_means_that_nobody_knows(name: str, status: int) -> None:
    assert isinstance(sent(name, httpx.Response(status, text="oops")), Unknown)


@everywhere
def test_too_many_requests_is_not_taken_and_says_when_to_come_back(name: str) -> None:
    outcome = sent(name, httpx.Response(429, headers={"Retry-After": "17"}))

    assert isinstance(outcome, NotTaken)
    assert (outcome.retry_after, outcome.final) == (17.0, False)


@everywhere
def test_a_wait_may_be_named_as_a_date_or_not_at_all(name: str) -> None:
    date = {"Retry-After": "Fri, 27 Nov 2026 09:01:30 GMT", "Date": "Fri, 27 Nov 2026 09:00:00 GMT"}
    later, unclear = (
        sent(name, httpx.Response(429, headers=headers))
        for headers in (date, {"Retry-After": "infinity"})
    )

    assert isinstance(later, NotTaken)
    assert isinstance(unclear, NotTaken)
    assert (later.retry_after, unclear.retry_after) == (90.0, None)


@everywhere
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 413, 415, 422])
def test_a_refusal_that_names_nobody_waits_for_an_operator(name: str, status: int) -> None:
    outcome = sent(name, httpx.Response(status, json={"message": "domain not verified"}))

    assert isinstance(outcome, NotTaken)
    assert outcome.final
    assert outcome.refused == {}
    assert f"({status})" in outcome.reason


@everywhere
def test_a_redirect_is_not_followed_and_took_nothing(name: str) -> None:
    seen: list[httpx.Request] = []
    there = {"Location": "https://elsewhere.example.com/"}
    transport = recording(seen, lambda _: httpx.Response(307, headers=there))
    esp = MAKES[name](transport=transport)

    outcome = esp.send(esp.encode(a_mailing()))

    assert isinstance(outcome, NotTaken)
    assert outcome.final
    assert len(seen) == 1


@everywhere
@given(
    status=st.sampled_from([200, 201, 202, 204, 400, 404, 409, 422, 429, 500]),
    body=st.one_of(
        st.binary(max_size=60),
        st.sampled_from(
            (b"[]", b"{}", b"[null]", b"[1,2,3]", *map(str.encode, ALMOST)),
        ),
    ),
)
def test_no_answer_however_malformed_is_a_crash(name: str, status: int, body: bytes) -> None:
    outcome = sent(name, httpx.Response(status, content=body))

    assert isinstance(outcome, Accepted | NotTaken | Unknown)
    if status >= 300:
        assert not isinstance(outcome, Accepted)


@everywhere
def test_nobodys_address_gets_into_a_reason(name: str) -> None:
    said = {"message": "reader1@example.com is\nbad " + "x" * 999, "Message": "reader1@example.com"}
    said |= {"errors": [{"message": "reader1@example.com is bad", "field": None}]}  # type: ignore[dict-item]  # one body with every vendor's names

    outcome = sent(name, httpx.Response(403, json=said))

    assert isinstance(outcome, NotTaken)
    assert "reader1" not in outcome.reason
    assert "[address]" in outcome.reason
    assert "\n" not in outcome.reason
    assert len(outcome.reason) < 400


@everywhere
def test_what_is_posted_is_what_was_encoded_with_the_credentials_beside_it(name: str) -> None:
    seen: list[httpx.Request] = []
    esp = MAKES[name](transport=recording(seen, lambda _: all_taken(name, 2)))
    request = esp.encode(a_mailing(2))

    esp.send(request)

    (posted,) = seen
    assert posted.content == request.body
    assert posted.url.path == request.path
    assert not any("key" in value or "SG." in value for value in request.headers.values())
    proof = {
        "sendgrid": ("authorization", "Bearer SG.key"),
        "resend": ("authorization", "Bearer re_key"),
        "mailgun": ("authorization", "Basic YXBpOmtleQ=="),
        "postmark": ("x-postmark-server-token", "token"),
        "ses": ("x-amz-date", "20261127T090000Z"),
        "brevo": ("api-key", "key"),
    }
    header, value = proof[name]
    assert posted.headers[header] == value
