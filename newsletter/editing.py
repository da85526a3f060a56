"""An editor's change: made to the content as it stands, kept as a version, and written in the log."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import structlog
from sqlmodel import Session

from digests import versions
from digests.differences import Difference, differences
from digests.draft import Draft, Edit
from digests.models import Digest, DigestVersion
from digests.versions import NoSuchVersion
from newsletter.accounts import audit

log = structlog.get_logger()


def edit(  # noqa: PLR0913 - what, on which version, by whom and when
    session: Session, digest: Digest, change: Edit, *, seen: int, by: str, now: datetime
) -> DigestVersion | None:
    """Apply *change* to *digest* as version *seen* had it; None when it changes nothing.

    Refused (Overtaken) when somebody has saved since: nothing is overwritten. On
    an approved edition the approval is taken back, and says so.
    """
    saved = versions.save(
        session, digest, change(versions.read(session, digest)), seen=seen, by=by, now=now
    )
    if saved is not None:
        audit.note(
            session,
            by=by,
            action="digest.edited",
            subject=digest.issue,
            before={"version": seen},
            after={"version": saved.number, "what": saved.what},
            now=now,
        )
        log.info("digest.edited", digest=digest.issue, digest_id=digest.id, version=saved.number)
    return saved


def reword(  # noqa: PLR0913 - the same
    session: Session, digest: Digest, named: Mapping[str, str], *, seen: int, by: str, now: datetime
) -> DigestVersion | None:
    """Set the words in *named* (subject, preheader, opening), written on version *seen*.

    Whatever others have saved since stays, and is no reason to refuse, unless it is
    one of these very words: then Overtaken, and nothing is overwritten.
    """
    if seen != digest.version and _untouched(session, digest, named, since=seen):
        seen = digest.version
    return edit(session, digest, lambda draft: draft.reworded(**named), seen=seen, by=by, now=now)


def _untouched(session: Session, digest: Digest, parts: Iterable[str], *, since: int) -> bool:
    try:
        then = versions.at(session, digest, since)
    except NoSuchVersion:
        return False
    today = versions.read(session, digest)
    return all(getattr(then, part) == getattr(today, part) for part in parts)


def restore(  # noqa: PLR0913 - the same
    session: Session, digest: Digest, number: int, *, seen: int, by: str, now: datetime
) -> DigestVersion | None:
    """Make the content of version *number* the newest one. Raises NoSuchVersion, and as ``edit``."""
    old = versions.at(session, digest, number)
    return edit(session, digest, lambda _: old, seen=seen, by=by, now=now)


def compared(
    session: Session, digest: Digest, old: int, new: int
) -> tuple[Draft, Draft, Sequence[Difference]]:
    """Two versions of *digest*, and what differs between them. Raises NoSuchVersion."""
    before, after = versions.at(session, digest, old), versions.at(session, digest, new)
    names = versions.titles(session, before, after)
    return before, after, differences(before, after, names)
