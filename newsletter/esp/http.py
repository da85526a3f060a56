"""One HTTP exchange with a provider, translated into the three answers."""

import email.utils
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import httpx

from newsletter.esp import NotTaken, Request, Unknown

# The request never left, or never got a connection: nothing can have been taken.
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def client(base_url: str, headers: Mapping[str, str], *, timeout: float) -> httpx.Client:
    """A client that neither retries nor follows redirects; *timeout* in seconds for each phase."""
    return httpx.Client(
        base_url=base_url,
        headers=dict(headers),
        timeout=timeout,
        follow_redirects=False,
        transport=httpx.HTTPTransport(retries=0, limits=httpx.Limits(keepalive_expiry=30)),
    )


def post(http: httpx.Client, request: Request) -> httpx.Response | NotTaken | Unknown:
    """Post *request* once; a response only when the provider answered at all."""
    try:
        return http.post(request.path, content=request.body, headers=dict(request.headers))
    except _NEVER_SENT as error:
        return NotTaken(f"no connection: {type(error).__name__}")
    except httpx.HTTPError as error:
        return Unknown(f"no answer: {type(error).__name__}")


def retry_after(response: httpx.Response, *, now: datetime | None = None) -> float | None:
    """Seconds to wait as the Retry-After header says (RFC 9110: a number or a date), or None."""
    value = response.headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    sent = now or _date_of(response)
    return max(0.0, (moment - sent).total_seconds()) if sent else None


def _date_of(response: httpx.Response) -> datetime | None:
    """The moment the provider answered, by its own clock."""
    try:
        return email.utils.parsedate_to_datetime(response.headers.get("date", "")).astimezone(UTC)
    except ValueError:
        return None
