"""The schedules, for operators: the next sends and the past ones, and everything one does about them."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from fastapi import APIRouter
from sqlalchemy import delete, func
from sqlmodel import Session, col, select
from starlette.responses import RedirectResponse, Response

from digests.edition import Entry
from digests.lifecycle import DigestError
from digests.making import assembly
from digests.models import Digest, DigestStatus
from digests.schedules import calendar, schedule_terms
from digests.schedules.appointments import WEEKDAYS
from digests.schedules.calendar import Coming
from digests.schedules.schedule import Holiday, Schedule
from digests.schedules.schedule_terms import (
    BadSchedule,
    Terms,
    by_name,
    date_of,
    in_words,
    moment_of,
)
from newsletter import pulse
from newsletter.accounts import audit
from newsletter.editions import production, steering
from newsletter.pulse import Part
from newsletter.web.doors import Now, Reading, Transaction
from newsletter.web.office.staff import Form, Operator, SignedIn, StaffForm, staff_page
from newsletter.web.pages import LOOK
from subscribers.models import Subscriber, SubscriberStatus
from subscribers.movement import MOST, movement

router = APIRouter()

_COMING: Final = 10
_PAST: Final = 12
_DONE: Final = {
    "skip": "The turn is left out.",
    "restore": "The turn happens after all.",
    "move": "The turn is moved.",
    "run": "It runs with the next tick.",
    "move-anew": "It is moved, and waits for another approval: its date stands in the mail.",
    "run-anew": "It runs once it is approved anew: its date stands in the mail.",
    "edited": "Saved. Turns that have a draft already stay as they are.",
    "added": "The schedule is there; its first turn is the first after this moment.",
    "paused": "Paused.",
    "resumed": "The pause is over.",
    "holiday": "The holidays are changed.",
    "nothing": "Nothing was different, so nothing was changed.",
}
_MEANWHILE: Final = (
    "Somebody has changed it since you opened this page; the log says who and what. What you typed is"
    " here: save it again, and it stands instead."
)
_TICKS: Final = ("local_time", "enabled")
_FIELDS: Final = tuple(
    name for name in Terms.model_fields if name not in {"name", "paused_until", *_TICKS}
)


@router.api_route("/schedules", methods=LOOK)
def show(who: Operator, session: Reading, now: Now, done: str = "") -> Response:
    """The next ten sends, the past ones against their plan, and what ticks."""
    return _page(who, session, now=now, done=_DONE.get(done, ""))


@router.post("/schedules/holidays")
def change_holidays(who: Operator, form: StaffForm, session: Transaction, now: Now) -> Response:
    """Enter a day, or take one off. Sends on it are marked and not stopped."""
    try:
        with session.begin_nested():
            _change_holiday(session, form, by=who.name, now=now)
    except BadSchedule as refused:
        return _page(who, session, now=now, wrong=str(refused), given=form)
    return _back("holiday")


@router.api_route("/schedules/new", methods=LOOK)
def new(who: Operator) -> Response:
    """A form for another schedule."""
    return _form(who, None, said=_fresh())


@router.post("/schedules/new")
def add(who: Operator, form: StaffForm, session: Transaction, now: Now) -> Response:
    """Add it; what was typed stays in the form when it makes no schedule."""
    said = _said(form) | {"name": form.get("name", "").strip()}
    try:
        fresh = schedule_terms.add(session, Terms.read(said), now=now)
    except (BadSchedule, DigestError) as refused:
        return _form(who, None, said=_fresh() | said, wrong=str(refused))
    after = Terms.of(fresh).model_dump(mode="json", exclude_defaults=True)
    steering.note_schedule(session, fresh, "added", by=who.name, after=after, now=now)
    return _back("added")


@router.api_route("/schedules/{name}", methods=LOOK)
def edit_form(who: Operator, name: str, session: Reading) -> Response:
    """What one schedule says, to be changed."""
    schedule = by_name(session, name)
    return _form(who, schedule, said=Terms.of(schedule).model_dump(mode="json"))


@router.post("/schedules/{name}")
def edit(who: Operator, name: str, form: StaffForm, session: Transaction, now: Now) -> Response:
    """Change what it says. What was typed stays in the form when it makes no schedule."""
    schedule = by_name(session, name)
    said = Terms.of(schedule).model_dump(mode="json") | _said(form)
    if form.get("seen", _stamp(schedule)) != _stamp(schedule):
        return _form(who, schedule, said=said, wrong=_MEANWHILE)
    try:
        with session.begin_nested():
            before, after = schedule_terms.edit(session, schedule, _said(form), now=now)
    except (BadSchedule, DigestError) as refused:
        session.refresh(schedule)
        return _form(who, schedule, said=said, wrong=str(refused))
    if not after:
        return _back("nothing")
    steering.note_schedule(
        session, schedule, "edited", by=who.name, before=before, after=after, now=now
    )
    return _back("edited")


@router.post("/schedules/{name}/pause")
def pause(who: Operator, name: str, form: StaffForm, session: Transaction, now: Now) -> Response:
    """Skip every turn before a moment, or end the pause when none is given."""
    schedule = by_name(session, name)
    said = form.get("until", "").strip()
    try:
        until = moment_of(said, schedule.zone) if said else None
        steering.pause(session, schedule, until=until, by=who.name, now=now)
    except (BadSchedule, DigestError) as refused:
        return _page(who, session, now=now, wrong=str(refused), given=form, given_for=(name, None))
    return _back("paused" if until else "resumed")


@router.post("/schedules/{name}/{on_date}/{do}")
def turn(  # noqa: PLR0913, PLR0917 - what is done to which
    who: Operator,
    name: str,
    on_date: date,
    do: str,
    form: StaffForm,
    session: Transaction,
    now: Now,
) -> Response:
    """Leave one turn out, put it back, move it, or run it now."""
    schedule = by_name(session, name)
    try:
        with session.begin_nested():
            anew = _turn(session, schedule, on_date, do, form, by=who.name, now=now)
    except (BadSchedule, DigestError) as refused:
        given_for = (name, on_date)
        return _page(who, session, now=now, wrong=str(refused), given=form, given_for=given_for)
    return _back(f"{do}-anew" if anew else do)


def _turn(  # noqa: PLR0913 - what is done to which, on whose word
    session: Session,
    schedule: Schedule,
    on_date: date,
    do: str,
    form: Form,
    *,
    by: str,
    now: datetime,
) -> bool:
    """Do it; True when an approval was taken back by it."""
    match do:
        case "skip":
            steering.skip(session, schedule, on_date, drop="drop" in form, by=by, now=now)
        case "restore":
            steering.restore(session, schedule, on_date, by=by, now=now)
        case "move":
            to = moment_of(form.get("to", ""), schedule.zone)
            return steering.move(session, schedule, on_date, to=to, by=by, now=now)
        case "run":
            return steering.run_now(session, schedule, on_date, by=by, now=now)
        case _:
            raise BadSchedule("A turn can be left out, put back, moved or run now.")
    return False


def _change_holiday(session: Session, form: Form, *, by: str, now: datetime) -> None:
    day, name = date_of(form.get("day", "")), " ".join(form.get("name", "").split())
    if not name:
        raise BadSchedule("Say what the day is called.")
    is_removed = form.get("do") == "remove"
    if is_removed:
        session.execute(
            delete(Holiday).where(col(Holiday.on_date) == day, col(Holiday.name) == name)
        )
    else:
        steering.add_holiday(session, day, name)
    action = "holiday.removed" if is_removed else "holiday.added"
    audit.note(session, by=by, action=action, subject=f"{day} {name}", now=now)


def _page(  # noqa: PLR0913 - what the page shows
    who: SignedIn,
    session: Session,
    *,
    now: datetime,
    done: str = "",
    wrong: str = "",
    given: Mapping[str, str] | None = None,
    given_for: tuple[str, date | None] | None = None,
) -> Response:
    schedules = session.exec(select(Schedule).order_by(col(Schedule.name))).all()
    coming = calendar.coming(session, count=_COMING, now=now)
    following = next((one for one in coming if one.goes), None)
    before = _last_to_everybody(session)
    return staff_page(
        "schedules.html",
        who=who,
        status=422 if wrong else 200,
        done=done,
        wrong=wrong,
        given=given or {},
        given_for=given_for,
        coming=coming,
        following=following,
        past=calendar.past(session, count=_PAST, now=now),
        length=calendar.length,
        schedules=[(one, in_words(one)) for one in schedules],
        holidays=session.exec(
            select(Holiday)
            .where(col(Holiday.on_date) >= now.date())
            .order_by(col(Holiday.on_date), col(Holiday.name))
        ).all(),
        beats=pulse.life(session, Part.beat, now=now),
        workers=pulse.life(session, Part.worker, now=now),
        filling=_filling(session, following, now=now) if following else [],
        readers=_readers(session),
        before=before,
        most_counted=MOST,
        moved=movement(session, since=before.started_at or now) if before else None,
        now=now,
    )


def _form(
    who: SignedIn, schedule: Schedule | None, *, said: Mapping[str, Any], wrong: str = ""
) -> Response:
    return staff_page(
        "schedule.html",
        who=who,
        status=422 if wrong else 200,
        schedule=schedule,
        words=in_words(schedule) if schedule else "",
        said=said,
        seen=_stamp(schedule) if schedule else "",
        wrong=wrong,
        weekdays=[(one, one.capitalize()) for one in WEEKDAYS],
    )


def _stamp(schedule: Schedule) -> str:
    """Another one whenever it says anything else."""
    said = Terms.of(schedule).model_dump_json().encode()
    return hashlib.blake2b(said, digest_size=8).hexdigest()


def _said(form: Form) -> dict[str, Any]:
    """What the form says; an empty field takes a term back."""
    said: dict[str, Any] = {
        name: form.get(name, "").strip() or None for name in _FIELDS if name in form
    }
    return said | {name: name in form for name in _TICKS}


def _fresh() -> dict[str, Any]:
    """What a form for another schedule begins with."""
    return Terms(name="new").model_dump(mode="json") | {"name": ""}


def _filling(session: Session, following: Coming, *, now: datetime) -> list[str]:
    """What is in the draft of the next one, or would be if it went now."""
    entries: Sequence[Entry]
    if following.digest:
        digest = production.by_issue(session, following.digest)
        entries = assembly.edition(session, digest, address="").entries
    else:
        entries = assembly.news_for(session, by_name(session, following.schedule), now=now)
    return [entry.facts.title for entry in entries]


def _readers(session: Session) -> int:
    """How many would get it now; counted from an index."""
    return session.exec(
        select(func.count())
        .select_from(Subscriber)
        .where(col(Subscriber.status) == SubscriberStatus.active)
    ).one()


def _last_to_everybody(session: Session) -> Digest | None:
    """The last edition that set out to everybody: a correction goes to some."""
    return session.exec(
        select(Digest)
        .where(
            col(Digest.audience).is_not(None),
            col(Digest.started_at).is_not(None),
            col(Digest.corrects_id).is_(None),
            col(Digest.status) != DigestStatus.cancelled,
        )
        .order_by(col(Digest.send_at).desc())
        .limit(1)
    ).first()


def _back(done: str) -> Response:
    return RedirectResponse(f"/schedules?done={done}", 303)
