"""Answers that others may keep: with a tag and a date, and not sent again to whoever has them."""

import hashlib
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from starlette.requests import Request
from starlette.responses import Response


def kept(  # noqa: PLR0913 - what, of which kind, since when and for how long
    request: Request,
    body: bytes,
    *,
    media_type: str,
    changed_at: datetime | None,
    seconds: int,
    headers: dict[str, str] | None = None,
) -> Response:
    """*body*, to be kept by anybody for *seconds*; 304 to whoever names what they have (RFC 9110).

    The tag is of the bytes and decides where both are given; the date has whole seconds.
    """
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    known = {"cache-control": f"public, max-age={seconds}", "etag": tag, **(headers or {})}
    if changed_at is not None:
        known["last-modified"] = format_datetime(changed_at.astimezone(UTC), usegmt=True)
    if _has_it(request, tag, changed_at):
        return Response(status_code=304, headers=known)
    return Response(body, media_type=media_type, headers=known)


def _has_it(request: Request, tag: str, changed_at: datetime | None) -> bool:
    if named := request.headers.get("if-none-match"):
        tags = {one.strip().removeprefix("W/") for one in named.split(",")}
        return tag in tags or "*" in tags
    since = request.headers.get("if-modified-since")
    if since is None or changed_at is None:
        return False
    try:
        return changed_at.replace(microsecond=0) <= parsedate_to_datetime(since)
    except (ValueError, TypeError):  # no date, or one without a zone
        return False
