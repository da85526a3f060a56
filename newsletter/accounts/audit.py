"""The log of changes: whoever changes something writes it here, in the same transaction."""

from collections.abc import Mapping
from datetime import datetime

import orjson
from sqlmodel import Session

from newsletter.accounts.models import AuditEntry


def note(  # noqa: PLR0913 - who, what, to what, before, after, when
    session: Session,
    *,
    by: str,
    action: str,
    subject: str = "",
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    now: datetime,
) -> None:
    """Keep that *by* did *action* (``schedule.moved``) to *subject*: what was, and what is now.

    Moments and other values that JSON does not know are kept as words. Never hand
    it a secret or a reader's address: this log is read by many and kept for ever.
    """
    session.add(
        AuditEntry(
            at=now,
            by=by[:120],
            action=action,
            subject=subject[:200],
            before=_plain(before),
            after=_plain(after),
        )
    )


def _plain(values: Mapping[str, object] | None) -> dict[str, object] | None:
    if values is None:
        return None
    kept: dict[str, object] = orjson.loads(orjson.dumps(dict(values), default=str))
    return kept
