"""Pictures of the operators' pages for docs/pictures: ``python -m tests.pictures.operators [FOLDER]``."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

from sqlalchemy import insert, update
from sqlmodel import Session, col, select

from digests.models import Batch, BatchStatus, Digest, DigestStatus
from digests.schedules.schedule import Holiday, Occurrence, OccurrenceStatus, Schedule
from digests.schedules.schedule_files import install
from newsletter import database, pulse
from newsletter.demo import take_in_examples
from newsletter.pulse import Part
from subscribers.models import Subscriber, SubscriberStatus
from tests.pictures.camera import Picture, take_all
from tests.support.editions import a_reader, a_sending_digest
from tests.support.processes import ROOT
from tests.web.staffing import an_account

#: A Monday, nine o'clock in Berlin and half a minute.
NOW: Final = datetime(2027, 2, 15, 8, 0, 31, tzinfo=UTC)
HOUR: Final = NOW.replace(second=0)
READERS: Final = 48_212
_PER_BATCH: Final = 100
_WORKERS: Final = (("amber", 411), ("amber", 412), ("basalt", 77), ("basalt", 78))
_PROVIDERS: Final = ("postmark", "sendgrid")

PICTURES: Final[tuple[Picture, ...]] = (
    ("console", "/console", (1360, 860), "light"),
    ("console-phone-dark", "/console", (390, 1300), "dark"),
    ("schedules", "/schedules", (1360, 1560), "light"),
    ("schedule", "/schedules/weekly", (1360, 960), "light"),
)


def scene() -> None:
    """A Monday at nine: an edition is on its way to everybody, and the weeks before it had their days."""
    with database.unit_of_work() as session:
        install(session, ROOT / "celerybeat-schedule", now=NOW - timedelta(days=44))
        weekly = session.exec(select(Schedule)).one()
        _everybody(session)
        _the_weeks_before(session, weekly)
        _what_is_going_on(session, weekly)
        _since_then(session)
        an_account(session, now=NOW).zone = "America/New_York"
        take_in_examples(session, now=HOUR - timedelta(minutes=3))
        session.add(Holiday(on_date=date(2027, 3, 29), name="Easter Monday"))
        for name, number in _WORKERS:
            _alive(session, Part.worker, f"{name}:{number}", lag=0.2, doing="send_digest")
        for name in ("amber:398", "basalt:61"):
            _alive(session, Part.beat, name)


def _everybody(session: Session) -> None:
    session.execute(
        insert(Subscriber),
        [
            {
                "address": f"reader{n}@readers.example",
                "address_key": n.to_bytes(16),
                "status": SubscriberStatus.active,
                "joined_at": NOW - timedelta(days=1 + n % 700),
                "confirmed_at": NOW - timedelta(days=1 + n % 700),
                "source": "the front page",
                "zone": "UTC",
                "tracking": True,
            }
            for n in range(READERS)
        ],
    )


def _the_weeks_before(session: Session, weekly: Schedule) -> None:
    """What was planned, what came of it, and why, newest first."""
    day, moved = timedelta(days=1), HOUR - timedelta(weeks=3)
    for week, (late, status, reason, by) in enumerate(
        (
            (timedelta(seconds=2), OccurrenceStatus.assembled, None, None),
            (timedelta(minutes=41, seconds=12), OccurrenceStatus.assembled, None, None),
            (day + timedelta(seconds=3), OccurrenceStatus.assembled, "moved by Olga", "Olga"),
            (None, OccurrenceStatus.skipped, "skipped by Olga", "Olga"),
            (timedelta(seconds=2), OccurrenceStatus.assembled, None, None),
            (timedelta(seconds=3), OccurrenceStatus.assembled, None, None),
        ),
        start=1,
    ):
        at = HOUR - timedelta(weeks=week)
        turn = Occurrence(
            schedule_id=weekly.id or 0,
            on_date=at.date(),
            cutoff_at=at - day,
            send_at=at + day if at == moved else at,
            appointed_at=at if at == moved else None,
            status=status,
            reason=reason,
            changed_by=by,
            taken_at=at - day,
        )
        session.add(turn)
        session.flush()
        if late is None:
            continue
        started = at + late
        was_late = timedelta(minutes=1) < late < day
        session.add(
            Digest(
                occurrence_id=turn.id,
                issue=f"{at.isocalendar().year}-W{at.isocalendar().week:02}",
                number=60 - week,
                zone=weekly.zone,
                window_start=at - timedelta(days=8),
                window_end=at - day,
                send_at=turn.send_at,
                late_after=turn.send_at + timedelta(hours=12),
                status=DigestStatus.sent,
                subject="What the panel said",
                preheader="And who dissents.",
                opening="",
                assembled_at=at - day,
                audience=READERS - 290 * week,
                approved_by="Ada",
                approved_at=started - timedelta(seconds=4) if was_late else at - timedelta(hours=2),
                started_at=started,
                finished_at=started + timedelta(minutes=2),
                books={"accepted": READERS - 290 * week, "rejected": 0, "excluded": 0},
            )
        )


def _what_is_going_on(session: Session, weekly: Schedule) -> None:
    """This week's edition, two thirds of it out by two providers; of one batch nobody knows."""
    turn = Occurrence(
        schedule_id=weekly.id or 0,
        on_date=HOUR.date(),
        cutoff_at=HOUR - timedelta(days=1),
        send_at=HOUR,
        status=OccurrenceStatus.assembled,
        taken_at=HOUR - timedelta(days=1),
    )
    session.add(turn)
    session.flush()
    digest = a_sending_digest(session, now=HOUR, batch_size=_PER_BATCH, issue="2027-W07")
    digest.occurrence_id, digest.number = turn.id, 60
    digest.subject = "Who pays for a 2B model? Free weights, two dissents"
    session.flush()
    batches = session.scalar(select(Batch.number).order_by(col(Batch.number).desc())) or 0
    out = batches * 2 // 3
    for number in range(1, out + len(_WORKERS) + 2):
        host, process = _WORKERS[number % len(_WORKERS)]
        fate: dict[str, object] = {
            "claimed_by": f"{host}:{process}/9/0",
            "provider": _PROVIDERS[number % 2],
            "posted_at": HOUR + timedelta(seconds=2 + 28 * number / out),
        }
        if number <= out:
            fate |= {"status": BatchStatus.accepted, "settled_at": fate["posted_at"], "fence": 1}
        elif number <= out + len(_WORKERS):
            fate |= {"status": BatchStatus.claimed, "fence": 1}
        else:
            doubt = {"status": BatchStatus.uncertain, "reason": "no answer: ReadTimeout"}
            fate |= doubt | {"posted_at": HOUR + timedelta(seconds=9), "checked_at": NOW}
        session.connection().execute(
            update(Batch)
            .where(col(Batch.digest_id) == digest.id, col(Batch.number) == number)
            .values(**fate)
        )


def _since_then(session: Session) -> None:
    """In half a minute four people came and three went."""
    for n in range(4):
        a_reader(session, f"new{n}@readers.example", joined_at=NOW - timedelta(seconds=9))
    for number, how in ((7, "unsubscribed"), (8, "unsubscribed"), (9, "bounced")):
        reader = session.get_one(Subscriber, number)
        reader.status, reader.left_at = SubscriberStatus(how), NOW - timedelta(seconds=5)


def _alive(
    session: Session, part: Part, name: str, *, lag: float | None = None, doing: str = ""
) -> None:
    began = NOW - timedelta(days=6, hours=3)
    pulse.sign(session, part, name, began_at=began, lag=lag, doing=doing, now=NOW)


if __name__ == "__main__":
    take_all(PICTURES, scene, now=NOW)
