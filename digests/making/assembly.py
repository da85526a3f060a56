"""The store -> a draft: which comparisons make this edition, and what it says about them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import exists
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from digests.edition import Edition, Entry
from digests.facts import ComparisonFacts, Verdict
from digests.making import community_week, missed
from digests.models import Digest, DigestItem
from digests.schedules.appointments import instant, send_times
from digests.schedules.schedule import Occurrence, OccurrenceStatus, Otherwise, Schedule, take
from digests.store.comparisons import Revision
from digests.words import wording

#: A comparison that found no place in any edition for this long is no longer news.
STALE_AFTER: Final = timedelta(weeks=8)


def assemble(session: Session, turn: Occurrence, *, now: datetime) -> Digest | None:
    """Take *turn* and make its draft; None when it was taken, too late, or there is nothing new.

    Safe from any number of beats at once: only the caller that takes the turn
    assembles, and its comparisons are consumed in the same transaction.
    """
    schedule = session.get_one(Schedule, turn.schedule_id)
    day = turn.sends_on or turn.on_date
    # Where everyone gets it at their own time, the day is the appointment's and not that of
    # the first clocks, and it is late by the clock of the schedule's own zone.
    appointment = instant(day, schedule.at, schedule.zone)
    dated_at = appointment if schedule.local_time else turn.send_at
    late_after = _late_after(schedule, turn, dated_at=dated_at)
    if _is_paused(schedule, turn):
        why = f"the schedule was paused until {schedule.paused_until:%Y-%m-%d %H:%M} UTC"
        take(session, turn, status=OccurrenceStatus.skipped, reason=why, now=now)
        return None
    if now > late_after:
        why = f"due at {turn.send_at:%Y-%m-%d %H:%M} UTC, found only at {now:%Y-%m-%d %H:%M} UTC"
        dropped = schedule.when_missed is Otherwise.skip
        take(session, turn, status=OccurrenceStatus.missed, reason=why, dropped=dropped, now=now)
        return None
    since = _news_since(session, schedule, before=turn.cutoff_at)
    chosen = choose(session, before=turn.cutoff_at, since=since, at_most=schedule.at_most)
    if not chosen and schedule.when_empty is Otherwise.late:
        # It waits for something new until it is too late; a tick will ask again.
        chosen = choose(session, before=now, since=since, at_most=schedule.at_most)
        if not chosen and now < late_after:
            return None
        turn.cutoff_at = max(turn.cutoff_at, now)
    if not chosen:
        why = "no comparison is new"
        dropped = schedule.when_empty is Otherwise.skip
        take(session, turn, status=OccurrenceStatus.empty, reason=why, dropped=dropped, now=now)
        return None
    if not take(session, turn, status=OccurrenceStatus.assembled, reason=None, now=now):
        return None
    entries = entries_of(chosen)
    digest = Digest(
        issue=next_issue(session, dated_at, schedule.zone),
        number=dated_at.astimezone(ZoneInfo(schedule.zone)).isocalendar().week,
        occurrence_id=turn.id,
        zone=schedule.zone,
        window_start=_window_start(session, schedule, turn),
        window_end=turn.cutoff_at,
        send_at=turn.send_at,
        late_after=late_after,
        local_day=day if schedule.local_time else None,
        local_at=schedule.at if schedule.local_time else None,
        subject=wording.subject_of(entries),
        preheader=wording.preheader_of(entries),
        opening=wording.opening_of(entries),
        assembled_at=now,
    )
    session.add(digest)
    session.flush()
    for position, revision in enumerate(chosen):
        session.add(
            DigestItem(digest_id=digest.id or 0, revision_id=revision.id or 0, position=position)
        )
    session.flush()
    community_week.freeze(session, digest, now=now)
    return digest


def choose(
    session: Session, *, before: datetime, at_most: int, since: datetime | None = None
) -> list[Revision]:
    """The news no edition has carried yet, best first.

    The latest material revision of each comparison, taken in before *before*,
    and not before *since*. What finds no place stays available for the next edition.
    """
    oldest = max(before - STALE_AFTER, since or before - STALE_AFTER)
    later, carried = aliased(Revision), aliased(Revision)
    candidates = session.exec(
        select(Revision)
        .where(
            col(Revision.material),
            col(Revision.taken_in_at) < before,
            col(Revision.taken_in_at) >= oldest,
            ~exists().where(col(DigestItem.revision_id) == col(Revision.id)),
            # An edition that was refreshed carries a later one than it was assembled with.
            ~exists().where(
                col(carried.comparison_id) == col(Revision.comparison_id),
                col(carried.number) > col(Revision.number),
                col(carried.id) == col(DigestItem.revision_id),
            ),
            ~exists().where(
                col(later.comparison_id) == col(Revision.comparison_id),
                col(later.number) > col(Revision.number),
                col(later.material),
                col(later.taken_in_at) < before,
            ),
        )
        .order_by(col(Revision.taken_in_at).desc(), col(Revision.id).desc())
        .limit(at_most)
    ).all()
    return sorted(candidates, key=_newsworthiness, reverse=True)


def news_for(session: Session, schedule: Schedule, *, now: datetime) -> Sequence[Entry]:
    """What an edition of *schedule* would say if its window closed at this moment, in that order."""
    since = _news_since(session, schedule, before=now)
    return entries_of(choose(session, before=now, since=since, at_most=schedule.at_most))


def edition(session: Session, digest: Digest, *, address: str) -> Edition:
    """*digest* as values. *address* is where a full comparison stands, with ``{slug}`` in it."""
    rows = session.exec(
        select(Revision, DigestItem)
        .join(DigestItem, col(DigestItem.revision_id) == col(Revision.id))
        .where(col(DigestItem.digest_id) == holder_of_items(session, digest))
        .order_by(col(DigestItem.position))
    ).all()
    if digest.corrects_id:  # a correction says what is true now
        rows = [(newest(session, revision), item) for revision, item in rows]
    return Edition(
        issue=digest.issue,
        number=digest.number,
        dated=missed.dated(digest),
        subject=digest.subject,
        preheader=digest.preheader,
        opening=digest.opening,
        entries=wording.without_repeats(
            [_entry(revision, item, address=address) for revision, item in rows]
        ),
        readers=None if digest.corrects_id else community_week.frozen(session, digest.id or 0),
    )


def entries_of(revisions: Sequence[Revision]) -> tuple[Entry, ...]:
    """*revisions* as an edition of them would begin, before any editor has seen it."""
    return wording.without_repeats([_entry(revision) for revision in revisions])


def holder_of_items(session: Session, digest: Digest) -> int | None:
    """Whose comparisons *digest* says: its own, or those of the edition it corrects, however often."""
    while digest.corrects_id is not None:
        digest = session.get_one(Digest, digest.corrects_id)
    return digest.id


def newest(session: Session, revision: Revision) -> Revision:
    """The last revision of the same comparison."""
    return (
        session.exec(
            select(Revision)
            .where(col(Revision.comparison_id) == revision.comparison_id)
            .order_by(col(Revision.number).desc())
        ).first()
        or revision
    )


def _entry(revision: Revision, item: DigestItem | None = None, *, address: str = "") -> Entry:
    facts = ComparisonFacts.model_validate(revision.facts)
    return wording.entry(
        facts,
        address=address.replace("{slug}", facts.slug),
        changes=tuple(revision.changes) if revision.number > 1 else (),
        note=item.note if item else None,
        seats=item.quotes if item else None,
    )


def _newsworthiness(revision: Revision) -> tuple[int, int, datetime]:
    """A fully reviewed pair leads before a thin one, a divided panel before a unanimous one."""
    facts = ComparisonFacts.model_validate(revision.facts)
    reviews = [review for tool in facts.tools for review in tool.reviews]
    scored = sum(review.score is not None for review in reviews)
    dissents = sum(review.verdict is Verdict.skip for review in reviews)
    return scored, min(dissents, len(reviews) - dissents), revision.taken_in_at


def _window_start(session: Session, schedule: Schedule, turn: Occurrence) -> datetime:
    """Where the schedule's last window closed: editions' windows join without a gap."""
    last = session.exec(
        select(Occurrence.cutoff_at)
        .where(
            col(Occurrence.schedule_id) == schedule.id,
            col(Occurrence.cutoff_at) < turn.cutoff_at,
            (col(Occurrence.status) == OccurrenceStatus.assembled) | col(Occurrence.dropped),
        )
        .order_by(col(Occurrence.cutoff_at).desc())
    ).first()
    return last or turn.cutoff_at - timedelta(weeks=1)


def _late_after(schedule: Schedule, turn: Occurrence, *, dated_at: datetime) -> datetime:
    """Until when *turn* may go: its schedule's limit, or where it may be late, until the next closes."""
    limit = dated_at + timedelta(minutes=schedule.late_for)
    if schedule.when_missed is not Otherwise.late:
        return limit
    following = send_times(schedule, after=turn.send_at, count=1)
    if not following:
        return limit + timedelta(weeks=1)
    return max(limit, following[0][1] - timedelta(minutes=schedule.draft_before))


def _is_paused(schedule: Schedule, turn: Occurrence) -> bool:
    """Whether the schedule's pause covers *turn*; one that a person has set apart goes all the same."""
    return (
        schedule.paused_until is not None
        and turn.changed_by is None
        and turn.send_at < schedule.paused_until
    )


def _news_since(session: Session, schedule: Schedule, *, before: datetime) -> datetime | None:
    """Where the last turn *before* that moment closed whose comparisons were left out for good.

    One that is left out ahead of time takes nothing from the turns before it.
    """
    return session.exec(
        select(Occurrence.cutoff_at)
        .where(
            col(Occurrence.schedule_id) == schedule.id,
            col(Occurrence.dropped),
            col(Occurrence.cutoff_at) < before,
        )
        .order_by(col(Occurrence.cutoff_at).desc())
    ).first()


def next_issue(session: Session, send_at: datetime, zone: str) -> str:
    """``2026-W48``; a second edition of the same week is ``2026-W48-2``."""
    year, week, _ = send_at.astimezone(ZoneInfo(zone)).isocalendar()
    name = f"{year}-W{week:02}"
    taken = set(session.exec(select(Digest.issue).where(col(Digest.issue).startswith(name))))
    count = 1
    while (issue := name if count == 1 else f"{name}-{count}") in taken:
        count += 1
    return issue
