"""Where an edition's content is kept: each change a version, and never one over another that was not seen."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, delete, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from digests import lifecycle
from digests.lifecycle import DigestError, IllegalTransition
from digests.making import assembly
from digests.making.differences import differences, sentence
from digests.making.draft import Draft, Omission, Place
from digests.models import Digest, DigestItem, DigestStatus, DigestVersion, LeftOut
from digests.store.comparisons import Comparison, Revision

#: In these states an editor may change what it says; in the second one that takes the approval back.
EDITABLE = (DigestStatus.draft, DigestStatus.approved)


class Overtaken(DigestError):
    """Somebody else has saved since; nothing was overwritten."""

    def __init__(self, issue: str, *, seen: int, version: int, by: str, what: str) -> None:
        super().__init__(
            f"{by} has changed {issue} since you looked at it ({what[:1].lower()}{what[1:]}); "
            "nothing of yours was saved yet."
        )
        self.issue, self.seen, self.version, self.by, self.what = issue, seen, version, by, what


class ElsewhereAlready(DigestError):
    """A revision appears in one edition."""

    def __init__(self) -> None:
        super().__init__(
            "Another edition has one of these comparisons by now; it appears only once."
        )


class NotInTheStore(DigestError):
    """Nobody has taken that comparison in."""

    def __init__(self) -> None:
        super().__init__("There is no such comparison in the store.")


class FollowsItsOriginal(DigestError):
    """A correction says the comparisons of the edition it corrects, as they are now."""

    def __init__(self, issue: str) -> None:
        super().__init__(
            f"{issue} is a correction: its comparisons are those of the edition it corrects. "
            "Its subject, preheader and introduction can be changed."
        )


class NoSuchVersion(DigestError):
    """Nobody has saved a version of that number."""

    def __init__(self, issue: str, number: int) -> None:
        super().__init__(f"There is no version {number} of {issue}.")


def read(session: Session, digest: Digest) -> Draft:
    """The content of *digest* as it stands."""
    items = session.exec(
        select(DigestItem)
        .where(col(DigestItem.digest_id) == assembly.holder_of_items(session, digest))
        .order_by(col(DigestItem.position))
    )
    omitted = session.exec(
        select(LeftOut)
        .where(col(LeftOut.digest_id) == digest.id)
        .order_by(col(LeftOut.at), col(LeftOut.revision_id))
    )
    return Draft(
        subject=digest.subject,
        preheader=digest.preheader,
        opening=digest.opening,
        places=tuple(
            Place(
                revision_id=item.revision_id,
                pinned=item.pinned,
                note=item.note,
                quotes=None if item.quotes is None else tuple(item.quotes),
            )
            for item in items
        ),
        left_out=tuple(
            Omission(revision_id=one.revision_id, reason=one.reason, by=one.by, at=one.at)
            for one in omitted
        ),
    )


def save(  # noqa: PLR0913 - who, when and what they had seen, each by name
    session: Session, digest: Digest, draft: Draft, *, seen: int, by: str, now: datetime
) -> DigestVersion | None:
    """Make *draft* the newest version of *digest*; None when it says nothing new.

    *seen* is the version that the editor looked at: on any other it is refused
    (Overtaken), and the row count is the lock. On an approved edition this takes
    the approval back, and says so. Raises IllegalTransition once it is on its way,
    ElsewhereAlready, FollowsItsOriginal.
    """
    before = read(session, digest)
    if seen == digest.version and draft == before:
        return None
    if digest.corrects_id is not None and draft.places != before.places:
        raise FollowsItsOriginal(digest.issue)
    _keep_the_first(session, digest, before)
    _claim_the_next(session, digest, draft, seen=seen)
    was_approved = digest.status is DigestStatus.approved  # as others have left it by now
    names = titles(session, before, draft)
    if _ids([draft]) - names.keys():
        raise NotInTheStore
    what = sentence(differences(before, draft, names))
    if digest.corrects_id is None:
        _write_places(session, digest, draft)
    version = DigestVersion(
        digest_id=digest.id or 0,
        number=seen + 1,
        at=now,
        by=by,
        what=what,
        snapshot=draft.model_dump(mode="json"),
    )
    session.add(version)
    session.flush()
    if was_approved:
        told = f"{by} edited it after it was approved: {what[:1].lower()}{what[1:]}"
        lifecycle.void(session, digest, reason=f"{told}. Look at it again and approve that."[:500])
    return version


def history(session: Session, digest: Digest) -> list[DigestVersion]:
    """Every version of *digest*, newest first; empty until somebody has changed it."""
    return list(
        session.exec(
            select(DigestVersion)
            .where(col(DigestVersion.digest_id) == digest.id)
            .order_by(col(DigestVersion.number).desc())
        )
    )


def newest(session: Session, digest: Digest) -> DigestVersion | None:
    """The version that stands; None when it is as it was assembled."""
    return session.get(DigestVersion, (digest.id or 0, digest.version))


def at(session: Session, digest: Digest, number: int) -> Draft:
    """The content of *digest* as version *number* had it. Raises NoSuchVersion."""
    if (kept := session.get(DigestVersion, (digest.id or 0, number))) is not None:
        return Draft.model_validate(kept.snapshot)
    if number == digest.version:
        return read(session, digest)
    raise NoSuchVersion(digest.issue, number)


def titles(session: Session, *drafts: Draft) -> dict[int, str]:
    """What each comparison in *drafts*, taken in or left out, is called."""
    return {one: title for one, title, _ in _named(session, _ids(drafts))}


def slugs(session: Session, *drafts: Draft) -> dict[int, str]:
    """The address of each comparison in *drafts*."""
    return {one: slug for one, _, slug in _named(session, _ids(drafts))}


def _ids(drafts: Iterable[Draft]) -> set[int]:
    known = list(drafts)
    return {place.revision_id for draft in known for place in draft.places} | {
        one.revision_id for draft in known for one in draft.left_out
    }


def _named(session: Session, ids: set[int]) -> list[tuple[int, str, str]]:
    rows = session.exec(
        select(Revision.id, Comparison.title, Comparison.slug)
        .join(Comparison, col(Comparison.id) == col(Revision.comparison_id))
        .where(col(Revision.id).in_(ids))
    )
    return [(one or 0, title, slug) for one, title, slug in rows]


def _keep_the_first(session: Session, digest: Digest, as_assembled: Draft) -> None:
    """Before the first change, what it was changed from: so that it can be compared and restored."""
    if digest.version != 1 or session.get(DigestVersion, (digest.id or 0, 1)) is not None:
        return
    first = DigestVersion(
        digest_id=digest.id or 0,
        number=1,
        at=digest.assembled_at,
        by="the schedule" if digest.occurrence_id else "the service",
        what="Assembled",
        snapshot=as_assembled.model_dump(mode="json"),
    )
    try:
        with session.begin_nested():
            session.add(first)
    except IntegrityError:  # another editor's first change, at this very moment, kept the same
        return


def _claim_the_next(session: Session, digest: Digest, draft: Draft, *, seen: int) -> None:
    claimed = session.execute(
        update(Digest)
        .where(
            col(Digest.id) == digest.id,
            col(Digest.version) == seen,
            col(Digest.status).in_(EDITABLE),
        )
        .values(
            version=seen + 1,
            subject=draft.subject,
            preheader=draft.preheader,
            opening=draft.opening,
        )
        .execution_options(synchronize_session=False)
    )
    session.refresh(digest)
    if cast("CursorResult[Any]", claimed).rowcount == 1:
        return
    if digest.status not in EDITABLE:
        raise IllegalTransition(digest.issue, current=digest.status, wanted="edited")
    last = newest(session, digest)
    raise Overtaken(
        digest.issue,
        seen=seen,
        version=digest.version,
        by=last.by if last else "Somebody",
        what=last.what if last else "a change",
    )


def _write_places(session: Session, digest: Digest, draft: Draft) -> None:
    """The rows anew, in one go: positions are unique, so they cannot be changed one by one."""
    for table in (DigestItem, LeftOut):
        session.execute(delete(table).where(col(table.digest_id) == digest.id))
    try:
        with session.begin_nested():
            for position, place in enumerate(draft.places):
                session.add(
                    DigestItem(
                        digest_id=digest.id or 0,
                        revision_id=place.revision_id,
                        position=position,
                        pinned=place.pinned,
                        note=place.note,
                        quotes=None if place.quotes is None else list(place.quotes),
                    )
                )
    except IntegrityError:
        raise ElsewhereAlready from None
    for one in draft.left_out:
        session.add(
            LeftOut(
                digest_id=digest.id or 0,
                revision_id=one.revision_id,
                reason=one.reason,
                by=one.by,
                at=one.at,
            )
        )
