"""Checking AWS Signature Version 4, as the AWS General Reference describes it."""

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

from newsletter.sandbox.dialects import Incoming

_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request,\s*"
    r"SignedHeaders=([a-z0-9;-]+),\s*Signature=([0-9a-f]{64})"
)
_SKEW: Final = timedelta(minutes=5)


class BadSignature(Exception):
    """The call is not signed by whom it says; *kind* is AWS's error type."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind, self.why = kind, why


def check(call: Incoming, *, key_id: str, secret: str, region: str, service: str) -> None:
    """Raise BadSignature unless *call* is signed with this key for this region and service."""
    found = _AUTHORIZATION.fullmatch(call.headers.get("authorization", ""))
    if found is None:
        raise BadSignature("MissingAuthenticationTokenException", "Missing Authentication Token")
    given_id, date, given_region, given_service, signed, signature = found.groups()
    if given_id != key_id:
        raise BadSignature(
            "UnrecognizedClientException", "The security token included in the request is invalid."
        )
    if (given_region, given_service) != (region, service):
        raise BadSignature(
            "InvalidSignatureException", f"Credential should be scoped to {region} and {service}."
        )
    stamp = call.headers.get("x-amz-date", "")
    if not stamp.startswith(date) or abs(_moment(stamp) - call.now) > _SKEW:
        raise BadSignature(
            "InvalidSignatureException", f"Signature expired or not yet valid: {stamp}"
        )
    names = signed.split(";")
    if "host" not in names or any(name not in call.headers for name in names):
        raise BadSignature("InvalidSignatureException", "The host header must be signed.")
    scope = f"{date}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{_digest(_canonical(call, names).encode())}"
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), signature):
        raise BadSignature(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided.",
        )


def _canonical(call: Incoming, names: list[str]) -> str:
    """The canonical request: method, path, query, signed headers, hash of the body."""
    path = quote(quote(unquote(call.path), safe="/-_.~"), safe="/-_.~")
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in parse_qsl(call.query, keep_blank_values=True)
    )
    headers = "".join(f"{name}:{' '.join(call.headers[name].split())}\n" for name in names)
    given = call.headers.get("x-amz-content-sha256")
    actual = _digest(call.body)
    if given is not None and given != actual:
        raise BadSignature("InvalidSignatureException", "x-amz-content-sha256 is not the body's.")
    query = "&".join(f"{name}={value}" for name, value in pairs)
    return "\n".join((call.method, path, query, headers, ";".join(names), actual))


def _moment(stamp: str) -> datetime:
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise BadSignature("InvalidSignatureException", "X-Amz-Date is malformed.") from None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
