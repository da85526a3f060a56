"""From the store to an approved edition: what the editor sees is what will be sent."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import delete
from sqlmodel import Session, col, select

from digests import lifecycle
from digests.ledger import settlement
from digests.lifecycle import (
    DigestError,
    IllegalTransition,
    NoSuchDigest,
    NothingInIt,
    NotWhatWasSeen,
    TooLate,
)
from digests.making import assembly, corrections, stock
from digests.making.missed import dated, put_off
from digests.models import Digest, DigestItem, DigestStatus, Rendition
from digests.schedules.appointments import FIRST_CLOCKS, instant
from digests.schedules.schedule import Approval, OccurrenceStatus, Schedule, due
from digests.topics import ALL
from newsletter import preflight
from newsletter.copies import catching_up, choices
from newsletter.copies.composing import content_from
from newsletter.copies.galley import Preview, fresh, fresh_each
from newsletter.copies.readership import rule_of
from newsletter.editions import signing
from newsletter.rendering import BadTemplate, Rendered

log = structlog.get_logger()

_SHORTEST_HASH = 12  # characters: what preview shows


def assemble_due(session: Session, *, now: datetime) -> list[Digest]:
    """Take every turn that is due and make its draft; safe from any number of beats."""
    made: list[Digest] = []
    for turn in due(session, now=now):
        try:
            with session.begin_nested():
                digest = assembly.assemble(session, turn, now=now)
        except Exception:  # whatever is wrong with one turn must not stop the others
            log.exception("occurrence.failed", on=str(turn.on_date))
            continue
        if digest is None:
            if turn.status is not OccurrenceStatus.planned:
                log.info("occurrence.closed", on=str(turn.on_date), status=str(turn.status))
            continue
        log.info("digest.assembled", digest=digest.issue, digest_id=digest.id)
        made.append(digest)
        schedule = session.get_one(Schedule, turn.schedule_id)
        if schedule.approval is Approval.policy:
            _approve_by_policy(session, digest, schedule, now=now)
    return made


def _approve_by_policy(
    session: Session, digest: Digest, schedule: Schedule, *, now: datetime
) -> None:
    """The schedule's word for it; where that cannot be, the draft waits for an editor, who is told why."""
    try:
        with session.begin_nested():
            approve(
                session, digest, by=f"the policy of schedule {schedule.name}", alone=True, now=now
            )
    except (DigestError, BadTemplate) as error:
        digest.paused_reason = str(error)[:500]
        log.warning("approval.refused", digest=digest.issue, digest_id=digest.id, why=str(error))


def preview(session: Session, digest: Digest, key: str = ALL) -> Preview:
    """The edition as readers of *key* get it: frozen once approved, rendered afresh before."""
    frozen = session.exec(
        select(Rendition).where(col(Rendition.digest_id) == digest.id, col(Rendition.topics) == key)
    ).first()
    if digest.status is DigestStatus.draft or frozen is None:
        return fresh(session, digest, key)
    rendered = Rendered(content_from(frozen), tuple(frozen.links))
    return Preview(digest, rendered, frozen.content_hash, key)


def void_what_changed(session: Session) -> None:
    """Take back each approval whose content, template or source has changed since.

    What was approved is what is sent: an editor is to look at the new one.
    """
    for digest in session.exec(
        select(Digest).where(col(Digest.status) == DigestStatus.approved)
    ).all():
        reason = "It has changed since it was approved; look at it again and approve that."
        try:
            now_hash = _hash_now(session, digest)
            if digest.audience_rule not in {None, (rule := rule_of(session, digest)).key}:
                now_hash = ""
                reason = f"Whom it goes to has changed since: now {rule.words}. Approve that."
        except NothingInIt:
            continue  # its comparisons are not here to compare with; the stored bytes are checked
        except (DigestError, BadTemplate) as error:
            now_hash, reason = "", str(error)
        if now_hash != digest.content_hash:
            lifecycle.void(session, digest, reason=reason)
            log.warning("approval.voided", digest=digest.issue, digest_id=digest.id)


def move(session: Session, digest: Digest, *, to: datetime, at_once: bool = False) -> bool:
    """Let *digest* go at another moment; it stays as late as it may be. Only before it starts.

    Where everyone gets it at their own time, *to* names the day, and it begins with the first
    clocks that show it, or *at_once*. Its date stands in the mail: on another day it wants another
    approval, and this is True when one was taken back; its editors are told that it waits again.
    """
    if digest.status not in {DigestStatus.draft, DigestStatus.approved}:
        raise IllegalTransition(digest.issue, current=digest.status, wanted="moved")
    before = dated(digest)
    if digest.local_day is not None and digest.local_at is not None:
        digest.local_day = to.astimezone(ZoneInfo(digest.zone)).date()
        to = to if at_once else instant(digest.local_day, digest.local_at, FIRST_CLOCKS)
    digest.late_after += to - digest.send_at
    digest.send_at, digest.deadline_met_at = to, None
    session.add(digest)
    log.info("digest.moved", digest=digest.issue, digest_id=digest.id)
    if digest.status is not DigestStatus.approved or dated(digest) == before:
        return False
    digest.announced_at = None
    session.flush()
    moved_to = dated(digest)
    reason = f"It was moved to {moved_to.day} {moved_to:%B}, and its date stands in the mail: approve that."
    lifecycle.void(session, digest, reason=reason)
    log.warning("approval.voided", digest=digest.issue, digest_id=digest.id)
    return True


def approve(  # noqa: PLR0913 - who, when, what they saw and what they say to it
    session: Session,
    digest: Digest,
    *,
    by: str,
    now: datetime,
    seen_hash: str | None = None,
    word: str | None = None,
    hold: timedelta = timedelta(0),
    alone: bool = False,
) -> Preview:
    """Freeze the edition and put *by*'s name to its content hash and to whom it goes.

    Where two people are asked for, the first name is kept and the edition stays a
    draft until another one has approved exactly the same; *alone* is a policy's
    word, which asks for nobody else's. It goes no sooner than after *hold*.

    With *seen_hash*, refuses (NotWhatWasSeen) when the content is not what the
    editor looked at. Raises IllegalTransition unless it is a draft. Preflight's
    errors refuse (NotFit); its warnings ask for a *word* (AsksForAWord), which is
    kept with the approval. Raises RefusedAsItStands for what another has sent back.
    """
    session.flush()
    session.refresh(digest, with_for_update=True)  # of two who approve, the second sees the first
    if now > digest.late_after:
        raise TooLate(digest.issue, digest.late_after)
    put_off(digest, now + hold, now=now)
    shown = fresh(session, digest)
    if seen_hash is not None and (
        len(seen_hash) < _SHORTEST_HASH or not shown.content_hash.startswith(seen_hash)
    ):
        raise NotWhatWasSeen(digest.issue)
    if digest.status is not DigestStatus.draft:
        raise IllegalTransition(digest.issue, current=digest.status, wanted=DigestStatus.approved)
    found = preflight.examine(session, digest, now=now)
    said = preflight.enforce(found, issue=digest.issue, word=word)
    if not signing.keep(session, digest, shown, by=by, said=said, alone=alone, now=now):
        return shown
    freeze(session, digest, now=now)
    log.info(
        "digest.approved", digest=digest.issue, digest_id=digest.id, hash=shown.content_hash[:12]
    )
    return shown


def freeze(session: Session, digest: Digest, *, now: datetime) -> None:
    """Keep the bytes of every rendition that readers need; what is approved is what is sent."""
    session.execute(delete(Rendition).where(col(Rendition.digest_id) == digest.id))
    hashes: dict[str, str] = {}
    digest.catches_up = stock.ids(session, digest) or None
    for shown in fresh_each(session, digest, choices.wanted(session, digest).readers):
        content = shown.rendered.content
        hashes[shown.topics] = shown.content_hash
        session.add(
            Rendition(
                digest_id=digest.id or 0,
                topics=shown.topics,
                subject=content.subject,
                preheader=digest.preheader,
                html=content.html,
                text=content.text,
                fields=list(content.fields),
                headers=[list(header) for header in content.headers],
                links=list(shown.rendered.links),
                content_hash=shown.content_hash,
                rendered_at=now,
            )
        )
    digest.renditions = hashes
    session.add(digest)
    session.flush()


def _hash_now(session: Session, digest: Digest) -> str:
    """The content's hash at this moment; another one when any rendition that was approved has changed."""
    approved = digest.renditions or {}
    for shown in fresh_each(session, digest, [key for key in approved if key != ALL]):
        if shown.content_hash != approved[shown.topics]:
            return ""
    return fresh(session, digest).content_hash


def correct(
    session: Session, original: Digest, *, note: str, now: datetime, content_hash: str | None = None
) -> Digest:
    """Draft a correction of *original*: the same comparisons as the store has them now, led by *note*.

    It goes only to those who received *content_hash*, or any rendition of it.
    """
    corrected = corrections.draft(session, original, note=note, content_hash=content_hash, now=now)
    log.info("digest.corrected", digest=original.issue, digest_id=original.id, by=corrected.issue)
    return corrected


def cancel(session: Session, digest: Digest, *, now: datetime) -> None:
    """Never send it. Before anything went out, its comparisons are free for the next edition."""
    unsent = digest.status in {DigestStatus.draft, DigestStatus.approved}
    lifecycle.cancel(session, digest, now=now)
    if unsent:
        session.execute(delete(DigestItem).where(col(DigestItem.digest_id) == digest.id))
    else:
        catching_up.forget(session, digest)
        settlement.close_planned(
            session, digest.id or 0, reason="the edition was cancelled", now=now
        )
    log.info("digest.cancelled", digest=digest.issue, digest_id=digest.id)


def by_issue(session: Session, issue: str, *, is_about_copies: bool = False) -> Digest:
    """The edition called *issue*; ``latest`` means the last one assembled. Raises NoSuchDigest.

    Where the question *is_about_copies* it means the last one that set out: a draft has none.
    """
    query = select(Digest)
    if issue != "latest":
        query = query.where(col(Digest.issue) == issue)
    elif is_about_copies:
        query = query.order_by(col(Digest.started_at).is_(None), col(Digest.started_at).desc())
    query = query.order_by(col(Digest.assembled_at).desc(), col(Digest.id).desc())
    if (found := session.exec(query).first()) is None:
        raise NoSuchDigest(issue)
    return found
