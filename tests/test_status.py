"""What an operator reads in a terminal: the sends, the hands they are in, and what is wrong."""

import json
from datetime import datetime, timedelta

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import col, select, update
from typer.testing import CliRunner

from digests.ledger.progress import in_flight
from digests.models import Batch, BatchStatus
from newsletter import overview, pulse
from newsletter.cli import app
from newsletter.clock import utc_now
from newsletter.database import unit_of_work
from newsletter.delivery.circuit import Circuit
from newsletter.overview import Overview
from newsletter.pulse import Part
from tests.support.editions import a_sending_digest, readers
from tests.web.scene import on_both


@on_both
@pytest.mark.usefixtures("database", "home")
def test_status_and_top_say_the_same_and_say_it_all() -> None:
    now = utc_now()
    with unit_of_work() as session:
        readers(session, 40, now=now)
        digest = a_sending_digest(session, now=now - timedelta(minutes=1), batch_size=10)
        fates: dict[int, dict[str, object]] = {
            1: {"status": BatchStatus.accepted, "provider": "resend", "settled_at": now},
            2: {"status": BatchStatus.uncertain, "provider": "resend", "reason": "no answer"},
            3: {"status": BatchStatus.claimed},
            4: {"reason": "429: slow down"},
        }
        numbers = session.exec(select(Batch.number).order_by(col(Batch.number))).all()
        for number, fate in zip(numbers, fates.values(), strict=True):
            session.connection().execute(
                update(Batch)
                .where(col(Batch.digest_id) == digest.id, col(Batch.number) == number)
                .values(claimed_by=f"alpha:{10 + number}/77/0", posted_at=now, **fate)
            )
        pulse.sign(session, Part.worker, "alpha:12", began_at=now, lag=0.2, doing="send", now=now)
        gone = now - timedelta(minutes=5)
        pulse.sign(session, Part.beat, "alpha:11", began_at=gone, now=gone)
        session.add(
            Circuit(provider="resend", failures=5, open_until=gone, reason="503: maintenance")
        )

    said = CliRunner().invoke(app, ["status"], terminal_width=100).stdout
    live = CliRunner().invoke(app, ["top", "--looks", "1", "--every", "0.5"]).stdout
    plain = json.loads(CliRunner().invoke(app, ["status", "--json"]).stdout)

    for words in (
        "2026-W48",
        "10 of 40",
        "10 accepted, 10 uncertain, 10 planned, 10 in workers' hands",
        "alpha:11: 0 batches of 0 copies in hand",
        "alpha:13: 1 batches of 10 copies in hand",
        "10 copies uncertain at resend (no answer)",
        "1 batches go again: 429: slow down",
        "No beat has been seen for 5 minutes.",
        "1 alive (alpha:12); ticks come 0.2 s late",
        "failing: 503: maintenance",
    ):
        assert words in said, words
        assert words in live, words
    [send] = plain["digests"]
    assert (send["audience"], send["accepted"], send["in_hands"]) == (40, 10, 10)
    assert send["rate"] > 0
    assert {one["key"] for one in plain["alerts"]} == {"beat.gone", "provider:resend"}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("database", "home")
def test_top_looks_again_while_the_store_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Overview] = []
    look = overview.look

    def away_for_a_while(*, now: datetime) -> Overview:
        looks.append(look(now=now))
        if len(looks) == 2:
            raise OperationalError("SELECT 1", {}, Exception("connection refused"))
        return looks[-1]

    monkeypatch.setattr(overview, "look", away_for_a_while)

    said = CliRunner().invoke(app, ["top", "--looks", "3", "--every", "0.5"], terminal_width=100)

    assert said.exit_code == 0
    assert len(looks) == 3
    assert "Nothing waits" in said.stdout


@on_both
@pytest.mark.usefixtures("database", "home")
def test_a_send_that_has_just_begun_is_as_fast_as_it_has_been_since(now: datetime) -> None:
    with unit_of_work() as session:
        readers(session, 40, now=now)
        digest = a_sending_digest(session, now=now - timedelta(seconds=15), batch_size=10)
        session.connection().execute(
            update(Batch)
            .where(col(Batch.digest_id) == digest.id, col(Batch.number) <= 3)
            .values(
                status=BatchStatus.accepted,
                claimed_by="alpha:12/77/0",
                provider="resend",
                settled_at=now - timedelta(seconds=2),
            )
        )

        [young] = in_flight(session, now=now)
        [old] = in_flight(session, now=now + timedelta(seconds=30))

    assert (young.rate, young.done_in) == (2.0, timedelta(seconds=5))
    assert young.speeds == {"resend": 2.0}
    assert [(one.worker, one.speed) for one in young.hands] == [("alpha:12", 2.0)]
    assert old.rate == pytest.approx(30 / 45)
