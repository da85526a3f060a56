"""An editor's change: made to the content as it stands, kept as a version, and written in the log."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import structlog
from sqlmodel import Session

from digests.making import versions
from digests.making.differences import Difference, differences
from digests.making.draft import Draft, Edit, NotInIt
from digests.making.versions import NoSuchVersion
from digests.models import Digest, DigestVersion
from digests.store.comparisons import Revision
from newsletter.accounts import audit

log = structlog.get_logger()

#: The part of the content that a change writes over.
Part = Callable[[Draft], object]


def edit(  # noqa: PLR0913 - what, on which version, by whom and when
    session: Session,
    digest: Digest,
    change: Edit,
    *,
    seen: int,
    by: str,
    now: datetime,
    over: Part | None = None,
) -> DigestVersion | None:
    """Apply *change* to *digest* as version *seen* had it; None when it changes nothing.

    Refused (Overtaken) when somebody has saved since: nothing is overwritten. With
    *over*, all that it writes over, only when that has become something else. On an
    approved edition the approval is taken back, and says so.
    """
    stands = versions.read(session, digest)
    wanted = change(stands)
    if over is not None and _is_free(session, digest, over, stands, wanted, since=seen):
        seen = digest.version
    saved = versions.save(session, digest, wanted, seen=seen, by=by, now=now)
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
    return edit(
        session,
        digest,
        lambda draft: draft.reworded(**named),
        over=lambda draft: [getattr(draft, part) for part in named],
        seen=seen,
        by=by,
        now=now,
    )


def annotate(  # noqa: PLR0913 - the same
    session: Session,
    digest: Digest,
    revision_id: int,
    note: str,
    *,
    seen: int,
    by: str,
    now: datetime,
) -> DigestVersion | None:
    """Set the note on one comparison, as ``reword`` sets words: only another's note refuses it."""
    return edit(
        session,
        digest,
        lambda draft: draft.noted(revision_id, note),
        over=lambda draft: draft.note_on(revision_id),
        seen=seen,
        by=by,
        now=now,
    )


def _is_free(  # noqa: PLR0913 - what stood, stands and is wanted
    session: Session, digest: Digest, over: Part, stands: Draft, wanted: Draft, *, since: int
) -> bool:
    if over(wanted) == over(stands):  # both wrote the same
        return True
    try:
        return over(versions.at(session, digest, since)) == over(stands)
    except NoSuchVersion:
        return False


def newer(session: Session, old: int, new: int) -> int:
    """*new*, if it is a revision of the comparison that *old* is one of. Raises NotInIt."""
    stands, wanted = session.get(Revision, old), session.get(Revision, new)
    if stands is None or wanted is None or stands.comparison_id != wanted.comparison_id:
        raise NotInIt
    return new


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
