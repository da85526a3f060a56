"""When somebody joined a list elsewhere, in the ways in which lists write it."""

import email.utils
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

#: Days and moments that can be meant in one way only: 5/6/2024 is May to some and June to others.
_FORMS: Final = (
    *("%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S"),
    *("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S"),
    *("%d %B %Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y", "%B %d %Y", "%b %d %Y"),
    *("%b %d, %Y %I:%M %p", "%B %d, %Y %I:%M %p"),
)
_SECONDS: Final = re.compile(r"\d{9,10}")  # since 1970
_MILLISECONDS: Final = re.compile(r"\d{12,13}")
_LONGEST_DAY: Final = len("20240506")
_NAME_OF_UTC: Final = re.compile(r"\s*(UTC|GMT)$")
_SPACE_BEFORE_OFFSET: Final = re.compile(r"\s+(?=[+-]\d\d:?\d\d$)")


def moment(said: str, now: datetime) -> datetime:
    """The moment that *said* means; *now* where it says none, cannot be read, or lies ahead.

    UTC where no zone is given.
    """
    known = _read(said) if said else None
    return now if known is None else min(known, now)


def _read(said: str) -> datetime | None:
    try:
        known = _iso(said) or _otherwise(said)
        return known.astimezone(UTC) if known.tzinfo else known.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _iso(said: str) -> datetime | None:
    """As nearly every list has it."""
    if said.isdigit() and len(said) > _LONGEST_DAY:
        return None  # seconds may look like a day and an hour long ago
    try:
        return datetime.fromisoformat(said)
    except ValueError:
        return None


@lru_cache(maxsize=20_000)
def _otherwise(said: str) -> datetime:
    """Raises ValueError where nobody can say what is meant."""
    if _SECONDS.fullmatch(said):
        return datetime.fromtimestamp(int(said), UTC)
    if _MILLISECONDS.fullmatch(said):
        return datetime.fromtimestamp(int(said) / 1000, UTC)
    plain = _SPACE_BEFORE_OFFSET.sub("", _NAME_OF_UTC.sub("", said))
    if (known := _iso(plain)) is not None:
        return known
    for form in _FORMS:
        try:
            return datetime.strptime(plain, form)  # noqa: DTZ007 - the zone is put to it by who asks
        except ValueError:
            continue
    return email.utils.parsedate_to_datetime(said)
