"""One HTTP exchange with a provider, translated into the three answers."""

import email.utils
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import httpx

from newsletter.esp import CannotTell, NotTaken, Request, Unknown

# The request never left, or never got a connection: nothing can have been taken.
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def client(
    base_url: str,
    headers: Mapping[str, str],
    *,
    timeout: float,
    transport: httpx.BaseTransport | None = None,
) -> httpx.Client:
    """A client that neither retries nor follows redirects; *timeout* in seconds for each phase.

    *transport* stands in for the network in tests.
    """
    return httpx.Client(
        base_url=base_url,
        headers=dict(headers),
        timeout=timeout,
        follow_redirects=False,
        transport=transport
        or httpx.HTTPTransport(retries=0, limits=httpx.Limits(keepalive_expiry=30)),
    )


def post(http: httpx.Client, request: Request) -> httpx.Response | NotTaken | Unknown:
    """Post *request* once; a response only when the provider answered at all."""
    try:
        return http.post(request.path, content=request.body, headers=dict(request.headers))
    except _NEVER_SENT as error:
        return NotTaken(f"no connection: {type(error).__name__}")
    except httpx.HTTPError as error:
        return Unknown(f"no answer: {type(error).__name__}")


def ask(  # noqa: PLR0913 - the parts of a request
    http: httpx.Client,
    method: str,
    path: str,
    *,
    params: Mapping[str, str | int] | None = None,
    json: object = None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response | CannotTell:
    """Ask a question, or give an order that is safe to repeat; CannotTell without an answer."""
    try:
        return http.request(
            method,
            path,
            params=dict(params) if params else None,
            json=json,
            content=content,
            headers=dict(headers) if headers else None,
        )
    except httpx.HTTPError as error:
        return CannotTell(f"no answer: {type(error).__name__}")


def retry_after(response: httpx.Response, *, now: datetime | None = None) -> float | None:
    """Seconds to wait as the Retry-After header says (RFC 9110: a number or a date), or None."""
    value = response.headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return until(value, response, now=now)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def until(date: str, response: httpx.Response, *, now: datetime | None = None) -> float | None:
    """Seconds from *now*, else from the provider's own clock, until an RFC 5322 *date*, or None."""
    moment = _moment(date)
    sent = now or _moment(response.headers.get("date", ""))
    return max(0.0, (moment - sent).total_seconds()) if moment and sent else None


def _moment(date: str) -> datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(date)
        # A date with the zone -0000 comes back naive; RFC 5322 means UTC by it.
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
