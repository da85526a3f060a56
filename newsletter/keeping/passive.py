"""A store that came out of a backup mails nobody until somebody says that it is the one."""

from datetime import datetime

from sqlalchemy import delete
from sqlmodel import Session

from digests.ledger import halting
from newsletter.accounts import audit
from newsletter.keeping.file import Manifest
from newsletter.pulse import Pulse


def make_passive(session: Session, manifest: Manifest, *, by: str, now: datetime) -> None:
    """Stop everything in the store that was just restored, and forget who was at work where it came from."""
    halting.halt(
        session,
        by=by,
        reason=f"restored from a backup of {manifest.made_at[:16].replace('T', ' ')} UTC",
        now=now,
        restored=True,
    )
    session.execute(delete(Pulse))
    audit.note(
        session, by=by, action="store.restored", after={"backup_of": manifest.made_at}, now=now
    )
