"""The sandbox answers SES calls as AWS documents them, and signs as SNS does."""

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from starlette.testclient import TestClient

from newsletter.sandbox.config import Keys
from tests.sandbox.calls import a_bulk, an_entry
from tests.sandbox.conftest import Clock, Hook, Sandboxes, WaitUntil

Send = Callable[..., Any]
PATH = "/v2/email/outbound-bulk-emails"


def signed(keys: Keys, body: bytes, stamp: str, *, secret: str | None = None) -> dict[str, str]:
    """Signature Version 4, written out once more from its description."""
    date, digest = stamp[:8], hashlib.sha256(body).hexdigest()
    scope = f"{date}/{keys.ses_region}/ses/aws4_request"
    names = "content-type;host;x-amz-date"
    canonical = "\n".join(
        (
            *("POST", PATH, "", "content-type:application/json", "host:testserver"),
            *(f"x-amz-date:{stamp}", "", names, digest),
        )
    )
    text = "\n".join(
        ("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest())
    )
    key = ("AWS4" + (secret or keys.ses_secret_access_key)).encode()
    for part in (date, keys.ses_region, "ses", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    credential = f"{keys.ses_access_key_id}/{scope}"
    return {
        "content-type": "application/json",
        "x-amz-date": stamp,
        "authorization": f"AWS4-HMAC-SHA256 Credential={credential}, "
        f"SignedHeaders={names}, Signature={signature}",
    }


@pytest.fixture
def ses(client: TestClient, keys: Keys, clock: Clock) -> Send:
    def send(bulk: object, *, secret: str | None = None, stamp: str | None = None) -> Any:
        body = json.dumps(bulk).encode()
        headers = signed(keys, body, stamp or f"{clock():%Y%m%dT%H%M%SZ}", secret=secret)
        return client.post(PATH, content=body, headers=headers)

    return send


def test_each_entry_has_a_result_of_its_own(ses: Send, client: TestClient) -> None:
    refused = an_entry(2, Destination={"ToAddresses": ["refuse+2@example.com"]})

    answer = ses(a_bulk(an_entry(1), refused, an_entry(3)))

    results = answer.json()["BulkEmailEntryResults"]
    assert [result["Status"] for result in results] == ["SUCCESS", "MESSAGE_REJECTED", "SUCCESS"]
    mail = client.get("/sandbox/messages/2.json").json()
    assert mail["html"] == '<a href="http://127.0.0.1:8000/leave/t3">Leave</a>'
    assert mail["text"] == "Leave: http://127.0.0.1:8000/leave/t3"
    assert ["List-Id", "<weekly.shiporskip.example>"] in mail["headers"]
    assert (mail["ref"], mail["batch"]) == ("d-3", "b-1")


def test_a_flipped_secret_or_an_old_signature_is_refused(ses: Send) -> None:
    wrong = ses(a_bulk(), secret="x" * 40)
    late = ses(a_bulk(), stamp="20261123T075459Z")

    for answer in (wrong, late):
        assert answer.status_code == 403
        assert answer.headers["x-amzn-errortype"] == "InvalidSignatureException"


def test_a_body_changed_after_signing_is_refused(
    client: TestClient, keys: Keys, clock: Clock
) -> None:
    headers = signed(keys, b"{}", f"{clock():%Y%m%dT%H%M%SZ}")

    assert client.post(PATH, content=b"{ }", headers=headers).status_code == 403
    assert client.post(PATH, content=b"{}").status_code == 403


@pytest.mark.parametrize(
    ("bulk", "said"),
    [
        (a_bulk(*(an_entry(i) for i in range(51))), "1 to 50"),
        (a_bulk(an_entry(1, ReplacementTag=[])), "ReplacementTag"),
        (a_bulk(an_entry(1, ReplacementTags=[{"Name": "a b", "Value": "c"}])), "a tag"),
        (
            a_bulk(an_entry(1, ReplacementHeaders=[{"Name": "X", "Value": "é"}])),
            "header",
        ),
        (
            a_bulk(an_entry(1, ReplacementHeaders=[{"Name": "X", "Value": "x" * 996}])),
            "header",
        ),
        (a_bulk(an_entry(1, ReplacementEmailContent={})), "token has no value"),
        (
            a_bulk(DefaultContent={"Template": {"TemplateContent": {"Html": "{{#if a}}"}}}),
            "simple",
        ),
        (a_bulk(DefaultContent={"Template": {"TemplateName": "weekly"}}), "TemplateName"),
    ],
)
def test_what_the_model_forbids_is_refused(
    ses: Send, client: TestClient, bulk: dict[str, Any], said: str
) -> None:
    answer = ses(bulk)

    assert answer.status_code == 400
    assert answer.headers["x-amzn-errortype"] == "BadRequestException"
    assert said in answer.json()["message"]
    assert client.get("/sandbox/counts.json").json()["messages"] == 0


def test_a_subscription_is_confirmed_by_following_its_address(
    running: Sandboxes, hook: Hook, wait_until: WaitUntil
) -> None:
    http = running(webhook_url=hook.url)

    assert http.post("/sandbox/sns/subscription").json() == {"confirmed": False}
    wait_until(lambda: hook.heard)

    _, headers, body = hook.heard[0]
    asked = json.loads(body)
    url = urlsplit(asked["SubscribeURL"])
    assert headers["x-amz-sns-message-type"] == asked["Type"] == "SubscriptionConfirmation"
    assert parse_qs(url.query)["Action"] == ["ConfirmSubscription"]
    assert http.get(url.path, params={"Token": "wrong"}).status_code == 400
    assert httpx.get(asked["SubscribeURL"]).status_code == 200
    assert http.get("/sandbox/sns/subscription").json() == {"confirmed": True}
    assert b"BEGIN CERTIFICATE" in httpx.get(asked["SigningCertURL"]).content
