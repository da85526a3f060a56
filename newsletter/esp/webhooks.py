"""What all providers' webhooks have in common: comparing secrets, reading strangers' JSON, keys.

Nothing here puts a body into an exception: not even as the context of another
one, where a traceback would print it.
"""

import base64
import email.utils
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson

from newsletter.esp import BadPayload, BadSignature
from newsletter.esp.refusals import quoted

_LONGEST_KEY: Final = 200  # characters, as the port promises
#: How far another clock may run ahead of ours.
AHEAD: Final = timedelta(minutes=5)

Fields = Mapping[str, object]


def same(ours: str | bytes, theirs: str | bytes) -> bool:
    """Whether two secrets are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(_bytes(ours), _bytes(theirs))


def decoded(text: str) -> bytes | None:
    """*text* from canonical base64; None for anything else.

    The usual decoders ignore the spare bits of the last character, so that a
    changed signature could pass for the same.
    """
    try:
        plain = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return plain if base64.b64encode(plain).decode() == text else None


def parsed(body: bytes, provider: str) -> object:
    """*body* as JSON. Raises BadPayload."""
    try:
        return orjson.loads(body)
    except ValueError:
        pass
    raise BadPayload(provider, "it is not JSON")


def check_age(
    sent_at: datetime | None, *, provider: str, now: datetime, at_most: timedelta
) -> None:
    """Raises BadSignature for a signed moment that is missing, too old or in the future."""
    if sent_at is None:
        raise BadSignature(provider, "it does not say when it was signed")
    if now - sent_at > at_most:
        raise BadSignature(provider, "it was signed too long ago")
    if sent_at - now > AHEAD:
        raise BadSignature(provider, "it was signed in the future")


def check_basic(headers: Mapping[str, str], user: str, password: str, *, provider: str) -> None:
    """Raises BadSignature unless the call carries *user* and *password* by Basic auth."""
    if not password:
        raise BadSignature(provider, "no webhook password is set")
    ours = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    if not same(ours, headers.get("authorization", "")):
        raise BadSignature(provider, "its user or password is wrong")


def fields_of(value: object) -> Fields:
    """*value* when it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def text(fields: Fields, name: str) -> str | None:
    """The text under *name*, a number as text, or None."""
    value = fields.get(name)
    if value is None or value.__class__ is str:  # asked ten times of each of a thousand events
        return value or None
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def reason(*candidates: str | None) -> str | None:
    """The first reason given, shortened and without addresses: it outlives the person it is about."""
    return next((quoted(words) for words in candidates if words), None)


def from_seconds(value: object) -> datetime | None:
    """The moment of a Unix time in seconds, a number or digits; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def from_date(value: object) -> datetime | None:
    """The moment of an RFC 5322 date; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        moment = email.utils.parsedate_to_datetime(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def from_iso(value: object) -> datetime | None:
    """The moment of an ISO 8601 text, UTC unless it says otherwise; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def key(provider: str, value: str) -> str:
    """*value* as an event's key; hashed when it would be too long."""
    plain = f"{provider}:{value}"
    return plain if len(plain) <= _LONGEST_KEY else digest_key(provider, value)


def digest_key(provider: str, *parts: object) -> str:
    """A key from what makes an event this one, for providers that do not name their events."""
    told = "\x1f".join(
        [part if part.__class__ is str else "" if part is None else str(part) for part in parts]
    )
    return f"{provider}:{hashlib.blake2b(_bytes(told), digest_size=20).hexdigest()}"


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
