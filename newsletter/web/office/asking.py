"""Whom a page of people is asked for: the same words in an address and in a form."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Final

from fastapi import Depends, Query
from starlette.exceptions import HTTPException

from subscribers.looking import Wanted
from subscribers.models import SubscriberStatus

_MOST: Final = 2**63 - 1  # more fits no column
Bit = Annotated[int, Query(ge=0, le=_MOST)]
_TRACKING: Final = {"on": True, "off": False}


def asked(  # noqa: PLR0913, PLR0917 - what one may ask for
    q: str = "",
    status: str = "",
    topic: Bit = 0,
    source: str = "",
    since: str = "",
    until: str = "",
    tracking: str = "",
) -> Wanted:
    """What the address asks for; what nobody can be is asked for by nobody, a date must be one."""
    return Wanted(
        words=_line(q)[:320],
        status=SubscriberStatus(status) if status in set(SubscriberStatus) else None,
        topic=topic,
        source=_line(source)[:200],
        joined_from=_day(since),
        joined_to=_day(until),
        tracking=_TRACKING.get(tracking),
    )


#: What the address of a page asks for.
Asked = Annotated[Wanted, Depends(asked)]


def asked_by(form: Mapping[str, str]) -> Wanted:
    """The same of a form's fields."""
    topic = form.get("topic", "")
    return asked(
        q=form.get("q", ""),
        status=form.get("status", ""),
        topic=min(int(topic), _MOST) if topic.isascii() and topic.isdigit() else 0,
        source=form.get("source", ""),
        since=form.get("since", ""),
        until=form.get("until", ""),
        tracking=form.get("tracking", ""),
    )


def fields_of(wanted: Wanted) -> dict[str, str]:
    """*wanted* as the fields that ask for it; what is not asked for has none."""
    said = {
        "q": wanted.words,
        "status": wanted.status or "",
        "topic": str(wanted.topic or ""),
        "source": wanted.source,
        "since": wanted.joined_from.isoformat() if wanted.joined_from else "",
        "until": wanted.joined_to.isoformat() if wanted.joined_to else "",
        "tracking": "" if wanted.tracking is None else "on" if wanted.tracking else "off",
    }
    return {name: str(value) for name, value in said.items() if value}


def _line(said: str) -> str:
    """*said* without what no column holds: PostgreSQL refuses to compare with a NUL."""
    return said.replace("\0", "")


def _day(said: str) -> date | None:
    if not said.strip():
        return None
    try:
        return date.fromisoformat(said.strip())
    except ValueError:
        raise HTTPException(422, f"“{said[:40]}” is no day: write it as 2026-12-31.") from None
