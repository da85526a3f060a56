"""Sending on the embedded default: SQLite, one process, no broker between; to the bare sink."""

import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

from digests.ledger.receipt import receipt
from digests.models import Digest
from newsletter.clock import utc_now
from newsletter.database import engine, migrate, reading, unit_of_work
from newsletter.delivery import dispatch
from newsletter.delivery.sending import send_batches
from subscribers.models import Subscriber, SubscriberStatus
from tests.benchmarks.installation import installation
from tests.benchmarks.sending import HTML_BYTES
from tests.benchmarks.table import Figure
from tests.support.editions import an_approved_digest
from tests.support.processes import Kept, free_port, surroundings

PEOPLE: Final = 50_000


def measure(folder: Path, *, say: Callable[[str], None]) -> list[Figure]:
    """Send one edition to 50,000 people out of one SQLite file."""
    say(f"sending to {PEOPLE:,} people on SQLite ...")
    port = free_port()
    sink = [sys.executable, "-m", "tests.benchmarks.sink", str(port)]
    with (
        installation(
            folder / "embedded",
            sendgrid_url=f"http://127.0.0.1:{port}",
            send_threads="1",
        ),
        Kept(sink, log=folder / "embedded-sink.log", environment=surroundings()),
    ):
        migrate(engine())
        fill()
        with unit_of_work() as session:
            digest_id = an_approved_digest(session, now=utc_now(), weight=HTML_BYTES).id or 0
        started = time.perf_counter()
        with unit_of_work(snapshot=True) as session:
            dispatch.start_due(session, now=utc_now())
        until = utc_now() + timedelta(minutes=5)
        send_batches(digest_id, clock=utc_now, until=until, draining=threading.Event())
        took = time.perf_counter() - started
        with reading() as session:
            books = receipt(session, session.get_one(Digest, digest_id))
    if not books.closes or books.accepted != PEOPLE:
        raise RuntimeError(f"the books do not close: {books.as_json()}")
    return [Figure(f"send to {PEOPLE:,} on SQLite, one process", PEOPLE / took, "recipients/s")]


def fill() -> None:
    """Put the people into the store, many in a statement."""
    now = utc_now()
    with unit_of_work() as session:
        session.bulk_insert_mappings(
            Subscriber.__mapper__,  # type: ignore[attr-defined]  # SQLModel hides it
            [
                {
                    "address": f"reader{n}@readers.example",
                    "address_key": n.to_bytes(16),
                    "status": SubscriberStatus.active,
                    "zone": "UTC",
                    "source": "the benchmark",
                    "joined_at": now,
                    "confirmed_at": now,
                    "tracking": True,
                }
                for n in range(PEOPLE)
            ],
        )
