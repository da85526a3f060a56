"""The log of changes: who, when, what, before and after."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from newsletter.accounts import audit
from newsletter.accounts.audit import Wanted
from newsletter.accounts.models import AuditEntry
from newsletter.web.doors import Reading
from newsletter.web.office.staff import Operator, staff_page
from newsletter.web.pages import LOOK

router = APIRouter()

#: The first words of the actions, as the page offers them.
KINDS: Final = (
    *("digest", "turn", "schedule", "holiday", "sending", "comparisons", "people", "votes"),
    *("account", "login", "token", "seed", "doctor", "suppressions"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the log as the page shows it: each part that changed, before and after."""

    at: datetime
    by: str
    action: str
    subject: str
    parts: list[tuple[str, str | None, str | None]]


@router.api_route("/audit", methods=LOOK)
def show(  # noqa: PLR0913, PLR0917 - what the address may ask for
    who: Operator,
    request: Request,
    session: Reading,
    by: str = "",
    action: str = "",
    subject: str = "",
    older: str = "",
) -> Response:
    """Fifty lines of it, the latest first; JSON for whoever asks for that."""
    if older and not (older.isdecimal() and len(older) < 19):  # noqa: PLR2004 - as many digits as a key has
        raise HTTPException(422, "older is the number that the page before gave.")
    wanted = Wanted(by=by.strip(), action=action.strip(), subject=subject.strip())
    leaf = audit.read(session, wanted, before=int(older) if older else None)
    asked = {"by": wanted.by, "action": wanted.action, "subject": wanted.subject}
    query = {name: value for name, value in asked.items() if value}
    onward = f"/audit?{urlencode({**query, 'older': leaf.older})}" if leaf.older else ""
    if "application/json" in request.headers.get("accept", ""):
        entries = [plain(one) for one in leaf.entries]
        return JSONResponse({"entries": entries, "older": onward or None})
    return staff_page(
        "audit.html",
        who=who,
        changes=[_change(one) for one in leaf.entries],
        wanted=wanted,
        kinds=KINDS,
        is_narrowed=bool(query),
        is_first=not older,
        onward=onward,
        latest=f"/audit?{urlencode(query)}",
    )


def plain(entry: AuditEntry) -> dict[str, Any]:
    """One line for programs."""
    return {
        "id": entry.id,
        "at": entry.at.isoformat(),
        "by": entry.by,
        "action": entry.action,
        "subject": entry.subject,
        "before": entry.before,
        "after": entry.after,
    }


def _change(entry: AuditEntry) -> Change:
    before, after = entry.before or {}, entry.after or {}
    names = [*before, *(name for name in after if name not in before)]
    return Change(
        at=entry.at,
        by=entry.by,
        action=entry.action,
        subject=entry.subject,
        parts=[(name.replace("_", " "), _said(before, name), _said(after, name)) for name in names],
    )


def _said(values: dict[str, Any], name: str) -> str | None:
    if name not in values:
        return None
    value = values[name]
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
