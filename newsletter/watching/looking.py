"""One look at everything, what it means, and what begins or ends with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import exists, func, select
from sqlmodel import Session, col

from digests.ledger.progress import Progress
from digests.models import Batch, BatchStatus, Delivery, Digest, DigestStatus
from digests.schedules.schedule import Occurrence, Schedule, deadline, untaken
from newsletter import overview, preflight, pulse, service_mail
from newsletter.accounts import register
from newsletter.accounts.models import Role
from newsletter.database import reading, unit_of_work
from newsletter.doctor import examining
from newsletter.overview import Overview
from newsletter.service_mail import Kind
from newsletter.settings import settings
from newsletter.watching import alerts
from newsletter.watching.conditions import (
    Audience,
    Condition,
    Overdue,
    Seen,
    Severity,
    Unapproved,
    conditions,
)
from subscribers.engagement import Engagement

log = structlog.get_logger()

#: Editions older than this are no longer waited for.
_LATELY = timedelta(days=3)
#: Parts of an examination in which what is wrong keeps mail from its readers at once.
_STOPS_MAIL = frozenset({"provider", "one-click"})
#: What only a provider says about a copy.
_PROVIDERS_WORDS = (
    *("accepted", "delivered", "soft_bounced", "hard_bounced", "deferred", "dropped"),
    "complained",
)
#: So many of the last copies are asked about: of a single one there may be nothing to tell yet.
_ASKED_ABOUT = 100


@dataclass(frozen=True, slots=True)
class Look:
    """What one look brought."""

    overview: Overview
    began: tuple[alerts.Edge, ...]
    ended: tuple[str, ...]


def look_after(*, now: datetime) -> Look:
    """Look at everything and keep what is wrong as alerts. Safe from several processes at once."""
    known = overview.look(now=now)
    with reading() as session:
        found = conditions(seen(session, known), settings().alerts)
    with unit_of_work() as session:
        began, ended = alerts.keep(session, found, now=now)
        if settings().alerts.mail:
            _write_letters(session, began, now=now)
        alerts.give_up(session, now=now)
        pulse.forget_the_long_gone(session, now=now)
    for edge in began:
        log.warning("alert.began", alert=edge.condition.key, severity=str(edge.condition.severity))
    for key in ended:
        log.info("alert.ended", alert=key)
    return Look(known, tuple(began), tuple(ended))


def seen(session: Session, known: Overview) -> Seen:
    """*known*, and what the rules need beyond it."""
    return Seen(
        overview=known,
        unapproved=_unapproved(session),
        overdue=_overdue(session, known),
        still_since={
            send.issue: since
            for send in known.sends
            if (since := _still_since(session, send, known)) is not None
        },
        overtaken=_overtaken(session),
        without_events=without_events(session, now=known.at),
        about_to_break=_about_to_break(session, now=known.at),
    )


def _write_letters(session: Session, began: Sequence[alerts.Edge], *, now: datetime) -> None:
    """A letter about each beginning to everybody whose it is to act; none when it ends."""
    if not began:
        return
    for account in register.everybody(session):
        roles = register.roles_of(account)
        for edge in began:
            wanted = {Role.operator}
            if edge.condition.audience is Audience.editors:
                wanted.add(Role.editor)
            if account.disabled_at is not None or not roles & wanted:
                continue
            values = {
                "what": " ".join(edge.condition.what.split())[:300],
                "remedy": edge.condition.remedy,
                "severity": str(edge.condition.severity),
                "audience": str(edge.condition.audience),
                "since": f"{now:%Y-%m-%d %H:%M}",
            }
            once = f"alert {edge.id} {account.id}"
            service_mail.write(
                session, Kind.alert, account_id=account.id, values=values, once=once, now=now
            )


def _unapproved(session: Session) -> tuple[Unapproved, ...]:
    drafts = session.execute(
        select(Digest, Schedule)
        .join(Occurrence, col(Occurrence.id) == col(Digest.occurrence_id))
        .join(Schedule, col(Schedule.id) == col(Occurrence.schedule_id))
        .where(col(Digest.status) == DigestStatus.draft)
    )
    return tuple(
        Unapproved(
            digest.issue,
            deadline(schedule, digest),
            str(schedule.at_deadline),
            is_met=digest.deadline_met_at is not None,
            late_after=digest.late_after,
            when_missed=str(schedule.when_missed),
        )
        for digest, schedule in drafts
    )


def _overtaken(session: Session) -> dict[str, str]:
    """The approved editions that say what the store no longer does, and the first such thing of each."""
    approved = session.scalars(
        select(Digest)
        .where(col(Digest.status) == DigestStatus.approved)
        .order_by(col(Digest.send_at), col(Digest.id))
    ).all()
    found = {one.issue: preflight.overtaken(session, one) for one in approved}
    return {issue: findings[0].says for issue, findings in found.items() if findings}


def _overdue(session: Session, known: Overview) -> tuple[Overdue, ...]:
    """Schedules whose turns nobody takes, once beat and a worker have had the time for it."""
    limit = settings().alerts.overdue
    since = known.at - timedelta(seconds=limit)
    lives = (known.beats, known.workers)
    if not limit or not all(any(one.began_at <= since for one in life.alive) for life in lives):
        return ()
    found = untaken(session, closed_before=since, now=known.at)
    return tuple(Overdue(name, closed_at) for name, closed_at in sorted(found.items()))


def _still_since(session: Session, send: Progress, known: Overview) -> datetime | None:
    """Since when nothing moves although something could; None when that is as it should be."""
    if send.rate or known.halt is not None:
        return None
    if send.status is DigestStatus.approved and send.send_at <= known.at:
        digest = session.get_one(Digest, send.digest_id)
        return send.send_at if digest.corrects_id is None else None  # that one may have to wait
    if send.status is not DigestStatus.sending:
        return None
    could_go: datetime | None = session.execute(
        select(func.min(func.coalesce(col(Batch.not_before), send.started_at)))
        .join(Digest, col(Digest.id) == col(Batch.digest_id))
        .where(
            col(Batch.digest_id) == send.digest_id,
            col(Batch.status).in_((BatchStatus.planned, BatchStatus.claimed)),
            col(Batch.wave) <= col(Digest.wave),
            func.coalesce(col(Batch.not_before), send.started_at) <= known.at,
        )
    ).scalar_one()
    if could_go is None:
        return None
    last: datetime | None = session.execute(
        select(func.max(col(Batch.settled_at))).where(col(Batch.digest_id) == send.digest_id)
    ).scalar_one()
    return max(could_go, last) if last is not None else could_go


def _about_to_break(session: Session, *, now: datetime) -> tuple[Condition, ...]:
    """What the last examination found wrong outside this machine, which other rules look after."""
    kept = examining.last(session)
    if kept is None or now - kept.at > _LATELY:
        return ()
    return tuple(
        Condition(
            f"doctor:{one.key}"[:200],
            Severity.trouble if one.part in _STOPS_MAIL else Severity.warning,
            one.check.says,
            f"{one.check.fix} Then look again: `newsletter doctor`."[:300],
        )
        for one in kept.red
        if one.part != "machine"
    )


def without_events(session: Session, *, now: datetime) -> tuple[str, ...]:
    """The editions of which copies were accepted a while ago, and of the last of them no event has come.

    The last ones, because a webhook may fall silent in the middle of an edition too.
    """
    limit = settings().alerts.silence
    if not limit:
        return ()
    recent = session.execute(
        select(col(Digest.id), col(Digest.issue))
        .where(col(Digest.started_at) > now - _LATELY, col(Digest.archived_at).is_(None))
        .order_by(col(Digest.id))
    ).all()
    until = now - timedelta(seconds=limit)
    return tuple(issue for one, issue in recent if _is_unheard_of(session, one, until=until))


def _is_unheard_of(session: Session, digest_id: int, *, until: datetime) -> bool:
    """Whether copies were accepted before *until*, and nothing was told of any of the last."""
    batches = session.execute(
        select(col(Batch.number), col(Batch.size))
        .where(
            col(Batch.digest_id) == digest_id,
            col(Batch.status) == BatchStatus.accepted,
            col(Batch.settled_at) <= until,
        )
        .order_by(col(Batch.settled_at).desc(), col(Batch.number).desc())
        .limit(_ASKED_ABOUT)
    ).all()
    last, size = [], 0
    for number, held in batches:
        if size < _ASKED_ABOUT:
            last.append(number)
            size += held
    people = select(col(Delivery.subscriber_id)).where(
        col(Delivery.digest_id) == digest_id, col(Delivery.batch).in_(last)
    )
    told = select(
        exists().where(
            col(Engagement.digest_id) == digest_id,
            col(Engagement.kind).in_(_PROVIDERS_WORDS),
            col(Engagement.subscriber_id).in_(people.limit(10 * _ASKED_ABOUT)),
        )
    )
    return bool(last) and not session.scalar(told)
