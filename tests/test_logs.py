"""The log: one number follows an edition from the tick to the webhook, and no address stands in it."""

import json
import subprocess
import sys
import threading
from datetime import datetime, timedelta

import pytest
import structlog
from sqlmodel import select

from digests.models import Delivery
from digests.schedules import schedule_terms
from digests.schedules.schedule import Approval
from digests.schedules.schedule_terms import Terms
from newsletter import links
from newsletter.database import unit_of_work
from newsletter.delivery import dispatch, sending
from newsletter.demo import take_in_examples
from newsletter.editions import production
from newsletter.esp import Event, EventKind
from newsletter.feedback import recording
from tests.support.editions import readers
from tests.support.fakes import RememberingEsp
from tests.support.processes import surroundings


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("database", "home")
def test_one_number_follows_an_edition_from_the_tick_to_the_webhook(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "provider", lambda _: RememberingEsp())
    terms = Terms(name="weekly", weekday="monday", draft_before=0, approval=Approval.policy)
    nine = now + timedelta(hours=1)
    with unit_of_work() as session:
        readers(session, 20, now=now)
        take_in_examples(session, now=now - timedelta(days=2))
        schedule_terms.add(session, terms, now=now - timedelta(days=1))

    with structlog.testing.capture_logs() as said:
        with unit_of_work() as session:
            [digest] = production.assemble_due(session, now=nine)
            number = digest.id or 0
        with unit_of_work(snapshot=True) as session:
            dispatch.start_due(session, now=nine)
        until = nine + timedelta(minutes=1)
        sending.send_batches(number, clock=lambda: nine, until=until, draining=threading.Event())
        with unit_of_work() as session:
            dispatch.close_finished(session, now=nine)
            person = session.exec(select(Delivery.subscriber_id)).first() or 0
            ref = links.ref(links.signer().all_for(number, person))
            event = Event(EventKind.delivered, "e1", nine, delivery=ref)
            recording.record_events(session, "sendgrid", [event], now=nine)

    assert [line["event"] for line in said if line.get("digest_id") == number] == [
        "digest.assembled",
        "digest.approved",
        "digest.started",
        "batch.accepted",
        "digest.sent",
        "events.recorded",
    ]
    assert "@" not in str(said)


def test_it_is_json_without_addresses_and_without_a_line_for_each_tick() -> None:
    program = (
        "import logging, structlog; from newsletter.logs import set_up_logging; set_up_logging();"
        "structlog.get_logger().info('batch.accepted', digest_id=3);"
        "logging.getLogger('celery.app.trace').info('Task newsletter.send succeeded');"
        "logging.getLogger('celery.app.trace').error('Task failed for ada@readers.example')"
    )

    said = subprocess.run(
        [sys.executable, "-c", program],
        env=surroundings({"NEWSLETTER_LOG_FORMAT": "json"}),
        capture_output=True,
        text=True,
        check=True,
    )

    first, second = (json.loads(line) for line in said.stderr.splitlines())
    assert (first["event"], first["digest_id"], first["level"]) == ("batch.accepted", 3, "info")
    assert first["timestamp"].endswith("Z")
    assert second["event"] == "Task failed for [address]"
