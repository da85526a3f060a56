"""Test copies: an edition as one reader would get it, marked as such, to oneself or to the seed list.

They are letters and no deliveries: they stand in no edition's books, carry no
pixel or link of anybody's, and are sent whatever state the edition is in.
"""

import re
from datetime import datetime
from html import escape
from typing import Final

import structlog
from sqlmodel import Session

from digests.lifecycle import DigestError
from digests.models import Digest
from newsletter import seeds, service_mail
from newsletter.accounts import audit
from newsletter.service_mail import Kind

log = structlog.get_logger()

_BODY: Final = re.compile(r"<body[^>]*>")
_BANNER: Final = (
    '<div style="padding:10px 16px;background:#15171c;color:#ffffff;'
    'font:14px/20px Arial,sans-serif;text-align:center">{}</div>'
)


class NoSeeds(DigestError):
    """Nobody is on the seed list."""

    def __init__(self) -> None:
        super().__init__("The seed list is empty; put a mailbox on it first.")


def send_to_oneself(  # noqa: PLR0913 - what, as whom, to whom
    session: Session,
    digest: Digest,
    *,
    subject: str,
    html: str,
    text: str,
    seen_as: str,
    account_id: int,
    by: str,
    now: datetime,
) -> None:
    """Mail *by* a copy of *digest* as *seen_as* would get it."""
    values = _marked(digest, subject, html, text, seen_as)
    service_mail.write(session, Kind.test_copy, account_id=account_id, values=values, now=now)
    _note(session, digest, {"to": "themselves", "as": seen_as}, by=by, now=now)


def send_to_seeds(  # noqa: PLR0913 - the same
    session: Session,
    digest: Digest,
    *,
    subject: str,
    html: str,
    text: str,
    seen_as: str,
    account_id: int,
    by: str,
    now: datetime,
) -> int:
    """Mail every mailbox of the seed list a copy; returns how many there are. Raises NoSeeds."""
    values = _marked(digest, subject, html, text, seen_as)
    mailboxes = seeds.everyone(session)
    if not mailboxes:
        raise NoSeeds
    for seed in mailboxes:
        service_mail.write(
            session,
            Kind.test_copy,
            account_id=account_id,
            other_id=seed.id,
            values=values,
            now=now,
        )
    to = f"the seed list, {len(mailboxes)}"
    _note(session, digest, {"to": to, "as": seen_as}, by=by, now=now)
    return len(mailboxes)


def _marked(digest: Digest, subject: str, html: str, text: str, seen_as: str) -> dict[str, object]:
    said = f"Test copy of {digest.issue} ({digest.status}), as {seen_as}. It counts nowhere."
    banner = _BANNER.format(escape(said))
    marked = _BODY.sub(lambda found: found[0] + banner, html, count=1)
    if marked == html:
        marked = banner + html
    return {
        "subject": f"[Test] {subject}",
        "html": marked,
        "text": f"{said}\n\n{text}",
        "headers": [["Auto-Submitted", "auto-generated"]],
    }


def _note(
    session: Session, digest: Digest, after: dict[str, str], *, by: str, now: datetime
) -> None:
    audit.note(session, by=by, action="digest.tested", subject=digest.issue, after=after, now=now)
    log.info("digest.tested", digest=digest.issue, digest_id=digest.id)
