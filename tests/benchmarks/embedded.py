"""Sending on the embedded default: SQLite, one process, no broker between; to the bare sink."""

import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

from sqlmodel import Session

from digests.models import Digest
from digests.receipt import receipt
from newsletter import dispatch
from newsletter.clock import utc_now
from newsletter.database import engine, unit_of_work
from newsletter.sending import send_batches
from newsletter.settings import settings
from subscribers.models import Subscriber, SubscriberStatus
from tests.benchmarks.sending import HTML_BYTES
from tests.benchmarks.table import Figure
from tests.editions import an_approved_digest
from tests.processes import Kept, free_port, surroundings

PEOPLE: Final = 50_000


def measure(folder: Path, *, say: Callable[[str], None]) -> list[Figure]:
    """Send one edition to 50,000 people out of one SQLite file."""
    say(f"sending to {PEOPLE:,} people on SQLite ...")
    port = free_port()
    os.environ |= {
        "NEWSLETTER_HOME": str(folder / "embedded"),
        "NEWSLETTER_SENDGRID_URL": f"http://127.0.0.1:{port}",
        "NEWSLETTER_SEND_THREADS": "1",
    }
    settings.cache_clear()
    sink = [sys.executable, "-m", "tests.benchmarks.sink", str(port)]
    with Kept(sink, log=folder / "embedded-sink.log", environment=surroundings()):
        fill()
        with unit_of_work() as session:
            digest_id = an_approved_digest(session, now=utc_now(), weight=HTML_BYTES).id or 0
        started = time.perf_counter()
        with unit_of_work(snapshot=True) as session:
            dispatch.start_due(session, now=utc_now())
        until = utc_now() + timedelta(minutes=5)
        send_batches(digest_id, clock=utc_now, until=until, draining=threading.Event())
        took = time.perf_counter() - started
        with Session(engine()) as session:
            books = receipt(session, session.get_one(Digest, digest_id))
        engine().dispose()
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
