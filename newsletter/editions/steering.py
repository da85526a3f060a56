"""What operators do with a send to come, whether it is still a date or has its draft already."""

from collections.abc import Mapping
from datetime import date, datetime

import structlog
from sqlmodel import Session, col, select

from digests.models import Digest, DigestStatus
from digests.schedules import schedule_terms, turns
from digests.schedules.schedule import Holiday, Occurrence, OccurrenceStatus, Schedule
from digests.schedules.schedule_terms import BadSchedule
from digests.schedules.turns import TurnIsOver
from newsletter.accounts import audit
from newsletter.editions import production

log = structlog.get_logger()

_UNSENT = (DigestStatus.draft, DigestStatus.approved)


def skip(  # noqa: PLR0913 - whose word, about what
    session: Session, schedule: Schedule, on_date: date, *, by: str, drop: bool, now: datetime
) -> None:
    """Leave the turn of *on_date* out; a draft that it has already is cancelled.

    Its comparisons wait for the next one, or with *drop* are left out for good.
    Raises NoSuchTurn, and TurnIsOver once it is being sent.
    """
    turn = turns.find_turn(session, schedule, on_date, now=now)
    digest = _unsent(session, turn)
    before = {"status": digest.status if digest else turn.status}
    if digest is None:
        turns.skip(session, schedule, turn, by=by, drop=drop, now=now)
    else:
        production.cancel(session, digest, now=now)
        turn.status, turn.reason = OccurrenceStatus.skipped, f"left out by {by}"[:300]
        turn.dropped, turn.changed_by = drop, by[:200]
        session.add(turn)
    after = {"status": OccurrenceStatus.skipped, "dropped": drop}
    _note(session, "turn.skipped", schedule, on_date, by=by, before=before, after=after, now=now)


def restore(session: Session, schedule: Schedule, on_date: date, *, by: str, now: datetime) -> None:
    """Let a turn that was left out happen after all; one whose draft was cancelled stays out."""
    turn = turns.find_turn(session, schedule, on_date, now=now)
    if session.exec(select(Digest.id).where(col(Digest.occurrence_id) == turn.id)).first():
        raise TurnIsOver(schedule.name, on_date, turn.status)
    before = {"status": turn.status, "dropped": turn.dropped}
    turns.restore(session, schedule, turn, by=by, now=now)
    after = {"status": OccurrenceStatus.planned}
    _note(session, "turn.restored", schedule, on_date, by=by, before=before, after=after, now=now)


def move(  # noqa: PLR0913 - the same, and where to
    session: Session, schedule: Schedule, on_date: date, *, to: datetime, by: str, now: datetime
) -> bool:
    """Let the turn of *on_date* go at *to*, with its draft and its approval if it has them.

    True when the approval was taken back, for on another day it is another mail. Raises BadMove
    for a moment that has passed or that the next turn comes before.
    """
    turn = turns.find_turn(session, schedule, on_date, now=now)
    digest = _unsent(session, turn)
    before = _stands(turn, digest)
    wants_approval = False
    if digest is None:
        turns.move(session, schedule, turn, to=to, by=by, now=now)
    else:
        turns.where_to(schedule, turn, to=to, now=now)
        wants_approval = _move(session, turn, digest, to=to, by=by, how="moved")
    session.flush()
    turn = turns.find_turn(session, schedule, on_date, now=now)  # it has a row now
    session.refresh(turn)
    after = _stands(turn, digest)
    _note(session, "turn.moved", schedule, on_date, by=by, before=before, after=after, now=now)
    return wants_approval


def run_now(session: Session, schedule: Schedule, on_date: date, *, by: str, now: datetime) -> bool:
    """Let the turn of *on_date* go now: a draft is made by the next tick, an approved one starts with it.

    True when its approval was taken back, for on another day it is another mail.
    """
    turn, wants_approval = turns.find_turn(session, schedule, on_date, now=now), False
    digest = _unsent(session, turn)
    before = _stands(turn, digest)
    if digest is None:
        turns.run_now(session, schedule, turn, by=by, now=now)
    else:
        wants_approval = _move(session, turn, digest, to=now, by=by, how="run")
    after = {"send_at": now} | ({"status": digest.status} if digest else {})
    _note(session, "turn.run", schedule, on_date, by=by, before=before, after=after, now=now)
    return wants_approval


def pause(
    session: Session, schedule: Schedule, *, until: datetime | None, by: str, now: datetime
) -> None:
    """Skip every turn before *until*, or with None end the pause. Raises BadSchedule for a past moment."""
    if until is not None and until <= now:
        raise BadSchedule("That moment has passed, so nothing would be paused.")
    before, after = schedule_terms.edit(session, schedule, {"paused_until": until}, now=now)
    if after:
        note_schedule(session, schedule, "paused", by=by, before=before, after=after, now=now)


def add_holiday(session: Session, on_date: date, name: str) -> None:
    """Mark *on_date* wherever sends are listed; entering it twice changes nothing. Raises BadSchedule."""
    name = " ".join(name.split())[:100]
    if not name:
        raise BadSchedule("Say what the day is called.")
    known = select(Holiday.id).where(col(Holiday.on_date) == on_date, col(Holiday.name) == name)
    if not session.exec(known).first():
        session.add(Holiday(on_date=on_date, name=name))
        session.flush()


def note_schedule(  # noqa: PLR0913 - what was, what is, and on whose word
    session: Session,
    schedule: Schedule,
    what: str,
    *,
    by: str,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    now: datetime,
) -> None:
    """Keep that *by* has changed what *schedule* says."""
    _note(session, f"schedule.{what}", schedule, None, by=by, before=before, after=after, now=now)


def _note(  # noqa: PLR0913 - the same
    session: Session,
    action: str,
    schedule: Schedule,
    on_date: date | None,
    *,
    by: str,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    now: datetime,
) -> None:
    subject = f"{schedule.name} {on_date or ''}".strip()
    audit.note(session, by=by, action=action, subject=subject, before=before, after=after, now=now)
    log.info(action, schedule=schedule.name, on=str(on_date or ""))


def _stands(turn: Occurrence, digest: Digest | None) -> dict[str, object]:
    """When it goes; of one with a draft also whether it is approved, which a move can end."""
    if digest is None:
        return {"send_at": turn.send_at}
    return {"send_at": digest.send_at, "status": digest.status}


def _unsent(session: Session, turn: Occurrence) -> Digest | None:
    """The edition of *turn* while it can still be moved or cancelled."""
    if turn.id is None:
        return None
    return session.exec(
        select(Digest).where(col(Digest.occurrence_id) == turn.id, col(Digest.status).in_(_UNSENT))
    ).first()


def _move(  # noqa: PLR0913 - what, where to, on whose word
    session: Session, turn: Occurrence, digest: Digest, *, to: datetime, by: str, how: str
) -> bool:
    """Move the edition of *turn*; True when its approval was taken back."""
    turn.appointed_at = turn.appointed_at or digest.send_at
    turn.reason = f"{how} by {by}, from {turn.appointed_at:%Y-%m-%d %H:%M} UTC"[:300]
    turn.changed_by = by[:200]
    taken_back = production.move(session, digest, to=to, at_once=how == "run")
    turn.sends_on = digest.local_day
    session.add(turn)
    return taken_back
