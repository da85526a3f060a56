"""Drafts by the clock: editors are told that one is ready, and a policy meets the deadline of the others."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import CursorResult, and_, update
from sqlmodel import Session, col, select

from digests import signatures
from digests.lifecycle import DigestError, IllegalTransition
from digests.making import versions
from digests.making.missed import dated
from digests.models import Digest, DigestStatus
from digests.schedules.appointments import send_times
from digests.schedules.schedule import (
    AtDeadline,
    Occurrence,
    OccurrenceStatus,
    Otherwise,
    Schedule,
    deadline,
)
from digests.words.english import listed
from newsletter import preflight
from newsletter.accounts import audit
from newsletter.copies import galley
from newsletter.copies.readership import rule_of
from newsletter.database import reading, unit_of_work
from newsletter.editions import production, steering, telling
from newsletter.preflight import Preflight
from newsletter.rendering.mjml import BadTemplate

log = structlog.get_logger()


def deadline_of(session: Session, digest: Digest) -> datetime | None:
    """Until when somebody is to have approved *digest*; None for one without a schedule."""
    schedule = schedule_of(session, digest)
    return deadline(schedule, digest) if schedule else None


def schedule_of(session: Session, digest: Digest) -> Schedule | None:
    """The schedule whose turn *digest* is; corrections have none."""
    turn = session.get(Occurrence, digest.occurrence_id) if digest.occurrence_id else None
    return session.get(Schedule, turn.schedule_id) if turn else None


def announce(*, now: datetime) -> list[str]:
    """Tell the editors of each new draft, once, by any number of beats; returns the issues."""
    told: list[str] = []
    for digest_id in _drafts(col(Digest.announced_at).is_(None)):
        with unit_of_work() as session:
            if not _mark(session, digest_id, "announced_at", now=now):
                continue
            digest = session.get_one(Digest, digest_id)
            until = deadline_of(session, digest)
            found = _examined(session, digest, now=now)
            telling.draft_is_ready(session, digest, found, deadline=until, now=now)
            told.append(digest.issue)
    return told


def meet(*, now: datetime) -> dict[str, AtDeadline]:
    """Do with each draft past its deadline what its schedule says; returns what was done, by issue."""
    done: dict[str, AtDeadline] = {}
    for digest_id in _drafts(col(Digest.deadline_met_at).is_(None)):
        with unit_of_work() as session:
            digest = session.get_one(Digest, digest_id)
            schedule = schedule_of(session, digest)
            if schedule is None or now < (until := deadline(schedule, digest)):
                continue
            if _mark(session, digest_id, "deadline_met_at", now=now):
                session.refresh(digest)
                done[digest.issue] = _meet(session, digest, schedule, until, now=now)
    return done


def redate(*, now: datetime) -> list[str]:
    """Let each draft that still waits on another day than it bears bear that one; returns the issues.

    The date stands in the mail, so what is looked at and approved is what then goes. A name under
    the other date counts for nothing, and the page says whose it was.
    """
    redated: list[str] = []
    for digest_id in _drafts(and_(col(Digest.send_at) < now, col(Digest.late_after) >= now)):
        with unit_of_work() as session:
            digest = session.get_one(Digest, digest_id, with_for_update=True)
            before = dated(digest)
            if digest.status is not DigestStatus.draft or digest.local_day is not None:
                continue
            if now.astimezone(ZoneInfo(digest.zone)).date() <= before:
                continue
            if names := _names(session, digest):
                digest.paused_reason = (
                    f"{listed(names)} approved it with the date of {before.day} {before:%B}; it waits "
                    "since, and today's stands in the mail now. Look at it again and approve that."
                )
            digest.send_at = now
            session.add(digest)
            redated.append(digest.issue)
            log.info("digest.redated", digest=digest.issue, digest_id=digest.id)
    return redated


def let_go(*, now: datetime) -> list[str]:
    """Give up each draft that can no longer go once the window of its schedule's next turn has closed.

    Until then somebody can still give it another hour. Its comparisons are free for the next
    edition, or with ``when_missed = "skip"`` left out for good; returns the issues.
    """
    gone: list[str] = []
    for digest_id in _drafts(col(Digest.late_after) < now):
        with suppress(IllegalTransition), unit_of_work() as session:  # of two ticks one does it
            digest = session.get_one(Digest, digest_id, with_for_update=True)
            schedule = schedule_of(session, digest)
            if schedule is None or digest.late_after >= now:  # somebody has just moved it
                continue
            turn = session.get_one(Occurrence, digest.occurrence_id)
            following = send_times(schedule, after=turn.appointed_at or turn.send_at, count=1)
            if not schedule.enabled or not following:
                continue
            if now >= following[0][1] - timedelta(minutes=schedule.draft_before):
                _let_go(session, digest, schedule, turn, now=now)
                gone.append(digest.issue)
    return gone


def _let_go(
    session: Session, digest: Digest, schedule: Schedule, turn: Occurrence, *, now: datetime
) -> None:
    by = f"schedule {schedule.name}"
    is_lost = schedule.when_missed is Otherwise.skip
    turn.status, turn.dropped = OccurrenceStatus.missed, is_lost
    turn.reason = (
        f"nobody had approved {digest.issue} before {digest.late_after:%Y-%m-%d %H:%M} UTC"
    )
    digest.paused_reason = f"N{turn.reason[1:]}."
    before = {"status": digest.status}
    production.cancel(session, digest, now=now)
    session.add_all((turn, digest))
    audit.note(
        session,
        by=by,
        action="digest.missed",
        subject=digest.issue,
        before=before,
        after={"status": digest.status, "dropped": is_lost},
        now=now,
    )
    fate = "are left out for good" if is_lost else "go into the next edition"
    why = f"{digest.paused_reason} Its comparisons {fate}."
    _tell(session, digest, "was missed", why, now=now)


def _meet(
    session: Session, digest: Digest, schedule: Schedule, until: datetime, *, now: datetime
) -> AtDeadline:
    by = f"the deadline of schedule {schedule.name}"
    why_not = ""
    if schedule.at_deadline is not AtDeadline.hold:
        why_not = _why_a_person_decides(session, digest, until)
    if schedule.at_deadline is AtDeadline.send and not why_not:
        found = _examined(session, digest, now=now)
        why_not = _why_not_as_it_stands(found)
        if not why_not:
            try:
                with session.begin_nested():
                    production.approve(session, digest, by=by, alone=True, now=now)
            except (DigestError, BadTemplate) as error:
                why_not = str(error)
            else:
                why = "Nobody had approved it by its deadline, and preflight found nothing wrong."
                _tell(session, digest, "goes as it stands", why, now=now)
                return AtDeadline.send
    if schedule.at_deadline is AtDeadline.skip and not why_not:
        turn = session.get_one(Occurrence, digest.occurrence_id)
        steering.skip(session, schedule, turn.on_date, by=by, drop=False, now=now)
        why = "Nobody had approved it by its deadline; its comparisons wait for the next edition."
        _tell(session, digest, "is skipped", why, now=now)
        return AtDeadline.skip
    held = f"Nobody had approved it by its deadline, and it waits for a name. {why_not}".strip()
    digest.paused_reason = held[:500]
    session.add(digest)
    _tell(session, digest, "is held", held, now=now)
    return AtDeadline.hold


def _tell(session: Session, digest: Digest, what: str, why: str, *, now: datetime) -> None:
    log.warning("deadline.met", digest=digest.issue, digest_id=digest.id, what=what)
    telling.the_deadline_passed(session, digest, what=what, why=why, now=now)


def _why_a_person_decides(session: Session, digest: Digest, until: datetime) -> str:
    """What a policy must not overrule: a refusal, an approval that was lost, work that is going on."""
    if (refused := signatures.refusal(session, digest)) is not None:
        return f"{refused.by} has refused it: {refused.said}"
    if digest.paused_reason:
        return digest.paused_reason
    last = versions.newest(session, digest)
    if last is not None and last.at >= until:
        return f"{last.by} has changed it since."
    return ""


def _why_not_as_it_stands(found: Preflight | str) -> str:
    if isinstance(found, str):
        return found
    return "" if found.is_clean else f"It could not go as it stands: {found.findings[0].says}"


def _names(session: Session, digest: Digest) -> list[str]:
    """Who has approved exactly what stands there now."""
    try:
        content_hash = galley.fresh(session, digest).content_hash
    except (DigestError, BadTemplate):
        return []
    rule = rule_of(session, digest).key
    signed = signatures.approvals(session, digest, content_hash=content_hash, audience_rule=rule)
    return [one.by for one in signed]


def _examined(session: Session, digest: Digest, *, now: datetime) -> Preflight | str:
    """What preflight finds, or why it cannot look."""
    try:
        return preflight.examine(session, digest, now=now)
    except (DigestError, BadTemplate) as error:
        return str(error)


def _drafts(which: Any) -> list[int]:  # noqa: ANN401 - an SQL expression
    with reading() as session:
        found = session.exec(
            select(Digest.id).where(col(Digest.status) == DigestStatus.draft, which)
        ).all()
    return [one for one in found if one is not None]


def _mark(session: Session, digest_id: int, column: str, *, now: datetime) -> bool:
    """Whether it is for this caller to act: the row count is the lock."""
    marked = session.execute(
        update(Digest)
        .where(
            col(Digest.id) == digest_id,
            col(Digest.status) == DigestStatus.draft,
            getattr(Digest, column).is_(None),
        )
        .values({column: now})
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", marked).rowcount == 1
