"""Signing a request as AWS wants it (Signature Version 4), for one service and JSON bodies."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key; *session_token* comes with the temporary ones."""

    key_id: str
    secret: str = field(repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs for one account, region and service (``ses`` for SES, v2 as well)."""

    credentials: Credentials
    region: str
    service: str

    def headers(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        *,
        host: str,
        now: datetime,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """*headers* and those that prove who sends them, for *path* as it goes out and *query* plain.

        All of them are signed, so what is posted must carry exactly these. AWS
        refuses a signature whose *now* is more than five minutes off its clock.
        """
        moment = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        signed = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
        signed |= {"host": host, "x-amz-date": moment}
        if self.credentials.session_token:
            signed["x-amz-security-token"] = self.credentials.session_token
        names = ";".join(sorted(signed))
        pairs = sorted(
            (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
            for name, value in (query or {}).items()
        )
        canonical = "\n".join(
            (
                method,
                quote(path, safe="/-_.~"),
                "&".join(f"{name}={value}" for name, value in pairs),
                *(f"{name}:{signed[name]}" for name in sorted(signed)),
                "",
                names,
                hashlib.sha256(body).hexdigest(),
            )
        )
        scope = f"{moment[:8]}/{self.region}/{self.service}/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"{_ALGORITHM}\n{moment}\n{scope}\n{digest}"
        signature = hmac.digest(self._key(moment[:8]), to_sign.encode(), hashlib.sha256).hex()
        credential = f"Credential={self.credentials.key_id}/{scope}"
        return signed | {
            "authorization": f"{_ALGORITHM} {credential}, SignedHeaders={names}, Signature={signature}"
        }

    def _key(self, day: str) -> bytes:
        key = b"AWS4" + self.credentials.secret.encode()
        for part in (day, self.region, self.service, "aws4_request"):
            key = hmac.digest(key, part.encode(), hashlib.sha256)
        return key
