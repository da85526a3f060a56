"""What stands behind the pages when they are measured: people, a year of editions, and their events."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlmodel import col, select

from digests.ledger.partitions import attach_partition, open_partition
from digests.models import Batch, BatchStatus, Digest, DigestStatus, Rendition
from digests.schedules.schedule import Occurrence, OccurrenceStatus, Schedule
from digests.schedules.schedule_files import install
from newsletter import database
from newsletter.editions import production
from newsletter.preflight import shapes
from tests.benchmarks.installation import installation
from tests.support.processes import ROOT
from tests.support.servers import Postgres
from tests.web.scene import a_draft

Say = Callable[[str], None]

NOW: Final = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
DRAFT: Final = "2026-W48"
LAST: Final = "2026-W47"
EDITIONS: Final = 52
#: The ledger of the last edition is whole; of those before it a tenth stands for all of it: each is a
#: table of its own, so that no page reads another's, and fifty million rows would take ten minutes.
LEDGER_SHARE: Final = 0.1
EVENTS_EACH: Final = 0.2  # of the list, in each edition: ten million in a year for a million people


@contextmanager
def a_year(folder: Path, people: int, *, say: Say) -> Iterator[None]:
    """The service's own settings on a PostgreSQL that holds a year of editions to *people* readers."""
    with (
        Postgres(folder, settings={"shared_buffers": "512MB", "max_wal_size": "4GB"}) as postgres,
        installation(folder / "var", postgres.url),
    ):
        database.migrate(database.engine())
        began = time.monotonic()
        _people(people)
        say(f"{people:,} people after {time.monotonic() - began:.0f} s")
        _editions(people)
        say(f"{EDITIONS} editions and their events after {time.monotonic() - began:.0f} s")
        with database.engine().connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(
                text("VACUUM ANALYZE")
            )
        shapes.refresh(now=NOW)
        yield


def _people(count: int) -> None:
    """Who joined on any day of three years, all active."""
    with database.unit_of_work() as session:
        session.execute(
            text(
                "INSERT INTO subscriber (address, address_key, status, zone, source, joined_at,"
                " confirmed_at, tracking) SELECT 'reader' || n || '@readers.example',"
                " decode(md5(n::text), 'hex'), 'active', 'Europe/Berlin', 'the benchmark',"
                " CAST(:now AS timestamptz) - (n % 1095) * interval '1 day', :now, true"
                " FROM generate_series(1, :n) n"
            ),
            {"n": count, "now": NOW},
        )


def _editions(people: int) -> None:
    """The oldest first; the last is a draft. Ledger and events each in the edition's own tables."""
    with database.unit_of_work() as session:
        draft = a_draft(session, now=NOW, issue=DRAFT)
        frozen = production.approve(session, draft, by="Ada", now=NOW, word="for a benchmark")
        rendition = session.exec(
            select(Rendition).where(col(Rendition.digest_id) == draft.id)
        ).one()
        values = rendition.model_dump(exclude={"id", "digest_id"})
        hashed = frozen.content_hash
        draft.status, draft.approved_by, draft.content_hash = DigestStatus.draft, None, None
        session.delete(rendition)
    with database.unit_of_work() as session:
        install(session, ROOT / "celerybeat-schedule", now=NOW - timedelta(weeks=EDITIONS + 1))
        weekly = session.exec(select(Schedule.id)).one() or 0
    for week in range(EDITIONS, 0, -1):
        at = NOW - timedelta(weeks=week)
        issue = LAST if week == 1 else f"{at.isocalendar().year}-W{at.isocalendar().week:02}"
        with database.unit_of_work() as session:
            turn = Occurrence(
                schedule_id=weekly,
                on_date=at.date(),
                cutoff_at=at,
                send_at=at,
                status=OccurrenceStatus.assembled,
                taken_at=at,
            )
            session.add(turn)
            session.flush()
            made = a_sent(issue, hashed, people=people, at=at)
            made.occurrence_id = turn.id
            session.add(made)
            session.flush()
            kept = Rendition(**values, digest_id=made.id or 0)
            session.add(kept)
            session.flush()
            _ledger(session.connection().execute, made.id or 0, kept.id or 0, people, at)
            for table in ("delivery", "engagement"):
                name = open_partition(session, table, made.id or 0)
                session.execute(text(_FILLED[table].format(name=name)), _facts(made, people, at))
                attach_partition(session, table, made.id or 0)


def a_sent(issue: str, content_hash: str, *, people: int, at: datetime) -> Digest:
    return Digest(
        issue=issue,
        number=int(issue[-2:]),
        zone="Europe/Berlin",
        window_start=at - timedelta(days=7),
        window_end=at,
        send_at=at,
        late_after=at + timedelta(hours=12),
        status=DigestStatus.sent,
        subject=f"What {issue} said: free weights, two dissents",
        preheader="The Founder skips two of four. Plus: the SQLite of LLMs.",
        opening=f"Three comparisons in {issue}.",
        assembled_at=at,
        content_hash=content_hash,
        approved_by="Ada",
        approved_at=at,
        audience=people,
        started_at=at,
        finished_at=at + timedelta(minutes=2),
    )


_FILLED: Final = {
    "delivery": "INSERT INTO {name} (digest_id, subscriber_id, batch)"
    " SELECT :digest, n, n / 1000 + 1 FROM generate_series(1, :people) n",
    "engagement": "INSERT INTO {name} (digest_id, event_key, subscriber_id, kind, occurred_at,"
    " recorded_at, provider, reader, why) SELECT :digest, 'b' || n, n * 4 + 1,"
    " CASE n % 4 WHEN 0 THEN 'clicked' ELSE 'opened' END, :at, :at, '', 'person', ''"
    " FROM generate_series(1, :events) n",
}


def _facts(made: Digest, people: int, at: datetime) -> dict[str, object]:
    return {
        "digest": made.id,
        "people": people if made.issue == LAST else round(people * LEDGER_SHARE),
        "events": round(people * EVENTS_EACH),
        "at": at + timedelta(hours=1),
    }


def _ledger(
    execute: Callable[..., object], digest_id: int, rendition_id: int, people: int, at: datetime
) -> None:
    rows = [
        Batch(
            digest_id=digest_id,
            number=number,
            rendition_id=rendition_id,
            size=1000,
            status=BatchStatus.accepted,
            key=f"{digest_id}-{number}",
            provider="sendgrid",
            settled_at=at,
        ).model_dump()
        for number in range(1, people // 1000 + 2)
    ]
    execute(Batch.__table__.insert(), rows)  # type: ignore[attr-defined] # SQLModel's own table
