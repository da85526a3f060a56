"""Amazon's own examples of Signature Version 4, and a request as its SDK signs it."""

import hashlib
from datetime import UTC, datetime

import httpx
import pytest

from newsletter.esp.ses.sigv4 import Credentials, Signer
from tests.esp.mailings import NOW, a_mailing, recording
from tests.esp.providers import MAKES, all_taken

EXAMPLE = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
THEN = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)


@pytest.mark.parametrize(
    ("method", "headers", "body", "signature"),
    [
        ("GET", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", {}, b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "POST",
            {"Content-Type": "application/x-www-form-urlencoded"},
            b"Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ],
)
def test_amazons_examples_come_out_as_published(
    method: str, headers: dict[str, str], body: bytes, signature: str
) -> None:
    signer = Signer(EXAMPLE, region="us-east-1", service="service")

    signed = signer.headers(method, "/", headers, body, host="example.amazonaws.com", now=THEN)

    assert signed["authorization"].endswith(f"Signature={signature}")
    assert signed["x-amz-date"] == "20150830T123600Z"


def test_a_request_is_signed_as_amazons_own_sdk_signs_it() -> None:
    signer = Signer(Credentials("AKIA", "secret", "tok"), region="eu-central-1", service="ses")
    path, kind = "/v2/email/outbound-bulk-emails", {"Content-Type": "application/json"}
    host = "email.eu-central-1.amazonaws.com"

    signed = signer.headers("POST", path, kind, b'{"a":1}', host=host, now=NOW)

    assert signed["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIA/20261127/eu-central-1/ses/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, "
        "Signature=df287602c75c7f567711c30696a456646933c4cd251e4acea81c3356c7b171d1"
    )


def test_what_is_signed_is_what_is_posted() -> None:
    seen: list[httpx.Request] = []
    transport = recording(seen, lambda _: all_taken("ses", 2))
    esp = MAKES["ses"](transport=transport, base_url="http://127.0.0.1:8025")

    esp.send(request := esp.encode(a_mailing(2)))

    (posted,) = seen
    again = Signer(Credentials("AKIDEXAMPLE", "secret"), "eu-central-1", "ses").headers(
        "POST",
        posted.url.path,
        {"content-type": posted.headers["content-type"]},
        posted.content,
        host=posted.headers["host"],
        now=NOW,
    )
    assert posted.headers["authorization"] == again["authorization"]
    assert hashlib.sha256(posted.content).digest() == hashlib.sha256(request.body).digest()
    assert "authorization" not in request.headers


def test_secrets_do_not_print() -> None:
    assert "secret" not in repr(Signer(Credentials("AKIA", "secret", "secret"), "r", "ses"))
