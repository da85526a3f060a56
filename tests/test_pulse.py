"""Signs of life: who ticks, who works, who fell silent; and what the health page says of it."""

import os
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time
from sqlalchemy import text
from sqlmodel import Session

from newsletter import pulse
from newsletter.clock import utc_now
from newsletter.database import reading
from newsletter.pulse import Part
from newsletter.tasks.beating import Sign, lag_of
from tests.conftest import Configure
from tests.support.processes import free_port, running, surroundings, wait_until
from tests.support.servers import Redis


def test_a_process_that_says_nothing_for_many_ticks_has_fallen_silent(
    session: Session, now: datetime
) -> None:
    pulse.sign(session, Part.beat, "one:1", began_at=now, now=now)
    pulse.sign(session, Part.beat, "two:2", began_at=now, now=now + timedelta(minutes=5))

    known = pulse.life(session, Part.beat, now=now + timedelta(minutes=5, seconds=20))

    assert [one.name for one in known.alive] == ["two:2"]
    assert [one.name for one in known.silent] == ["one:1"]
    assert not known.is_gone


def test_when_the_last_one_fell_silent_or_left_the_part_is_gone(
    session: Session, now: datetime
) -> None:
    assert not pulse.life(session, Part.beat, now=now).is_gone, "there never was one"

    pulse.sign(session, Part.beat, "one:1", began_at=now, now=now)
    pulse.leave(session, Part.beat, "one:1", now=now + timedelta(seconds=5))

    known = pulse.life(session, Part.beat, now=now + timedelta(seconds=6))
    assert known.is_gone
    assert known.silent == ()
    assert known.last_seen_at == now + timedelta(seconds=5)


def test_one_that_was_started_anew_on_its_host_is_not_missed(
    session: Session, now: datetime
) -> None:
    later = now + timedelta(minutes=5)
    for name in ("one:1", "one:2", "two:3"):
        pulse.sign(session, Part.worker, name, began_at=now, now=now)
    pulse.sign(session, Part.worker, "one:4", began_at=later, now=later)
    pulse.sign(session, Part.worker, "two:5", began_at=now - timedelta(days=1), now=later)

    silent = pulse.life(session, Part.worker, now=later).silent

    assert len(silent) == 2, "one for one"
    assert "two:3" in [one.name for one in silent], "its neighbour was there before"


def test_one_that_crashed_again_and_again_is_missed_no_more_than_once(
    session: Session, now: datetime
) -> None:
    for number, minutes in enumerate((0, 10, 20)):
        began = now + timedelta(minutes=minutes)
        pulse.sign(session, Part.worker, f"one:{number}", began_at=began, now=began)
        pulse.sign(session, Part.worker, f"one:{number}{number}", began_at=began, now=began)
    at = now + timedelta(minutes=30)

    def silent() -> list[str]:
        return [one.name for one in pulse.life(session, Part.worker, now=at).silent]

    assert silent() == ["one:2", "one:22"], "the last two"
    pulse.sign(session, Part.worker, "one:3", began_at=at, now=at)
    assert len(silent()) == 1, "one of them has its place taken"
    pulse.sign(session, Part.worker, "one:33", began_at=at, now=at)
    assert silent() == []
    for name in ("one:3", "one:33"):
        pulse.leave(session, Part.worker, name, now=at)
    assert silent() == [], "nor while these are being replaced"


def test_the_worst_lag_of_those_alive_counts(session: Session, now: datetime) -> None:
    for name, lag, ago in (("a:1", 0.2, 0), ("b:1", 4.5, 10), ("c:1", 99.0, 3600)):
        seen = now - timedelta(seconds=ago)
        pulse.sign(session, Part.worker, name, began_at=seen, lag=lag, doing="send", now=seen)

    assert pulse.life(session, Part.worker, now=now).lag == 4.5


def test_a_turn_at_sending_that_no_tick_began_leaves_the_last_lag_as_it_was(
    session: Session, now: datetime
) -> None:
    later = now + timedelta(seconds=10)

    pulse.sign(session, Part.worker, "a:1", began_at=now, lag=70.0, doing="send", now=now)
    pulse.sign(session, Part.worker, "a:1", began_at=now, doing="send_digest", now=later)
    assert pulse.life(session, Part.worker, now=later).lag == 70.0

    pulse.sign(session, Part.worker, "a:1", began_at=later, doing="send_digest", now=later)
    assert pulse.life(session, Part.worker, now=later).lag is None, "it was started anew"


def test_a_tick_that_waited_for_the_first_worker_to_begin_tells_nothing_of_its_speed(
    now: datetime,
) -> None:
    with freeze_time(now):
        sign = Sign(Part.worker, 7)
    soon = now + timedelta(seconds=2)

    assert lag_of(now - timedelta(minutes=9), sign, now=soon) is None
    assert lag_of(now + timedelta(seconds=1), sign, now=soon) == pytest.approx(1)
    assert lag_of(now, sign, now=now + timedelta(minutes=9)) == pytest.approx(540)


def test_the_long_gone_are_forgotten_save_the_last_of_each_part(
    session: Session, now: datetime
) -> None:
    for days in (9, 8, 7):
        seen = now - timedelta(days=days)
        pulse.sign(session, Part.beat, f"host:{days}", began_at=seen, now=seen)

    pulse.forget_the_long_gone(session, now=now)

    assert [one.name for one in pulse.life(session, Part.beat, now=now).silent] == ["host:7"]


@pytest.mark.processes
def test_the_real_processes_give_signs_and_say_goodbye(
    tmp_path: Path, postgresql_database: str, redis: Redis, configure: Configure
) -> None:
    own = {
        "database_url": postgresql_database,
        "broker_url": redis.url,
        "redis_url": redis.url,
        "tick": "0.5",
        "home": str(tmp_path / "var"),
        "port": str(free_port()),
    }
    configure(**own)
    environment = surroundings({f"NEWSLETTER_{name.upper()}": value for name, value in own.items()})

    def alive(part: Part) -> tuple[pulse.Pulse, ...]:
        with reading() as session:
            return pulse.life(session, part, now=utc_now()).alive

    with ExitStack() as stack:
        stack.enter_context(running("worker", folder=tmp_path, environment=environment))
        stack.enter_context(running("beat", folder=tmp_path, environment=environment))
        wait_until(lambda: alive(Part.beat), within=30, what="a sign from beat")
        # Not the first one: a worker that waits long for beat sends itself a look, without a tick.
        wait_until(
            lambda: any(one.lag is not None for one in alive(Part.worker)),
            within=60,
            what="a sign from the worker that heard a tick",
        )
        [worker] = alive(Part.worker)

    assert worker.lag is not None
    assert 0 <= worker.lag < 60
    assert worker.doing
    assert worker.name.endswith(tuple("0123456789"))
    assert str(os.getpid()) != worker.name.rpartition(":")[2]
    with reading() as session:
        assert pulse.life(session, Part.beat, now=utc_now()).is_gone
        assert pulse.life(session, Part.worker, now=utc_now()).is_gone
        assert session.connection().execute(text("SELECT bool_and(ended) FROM pulse")).scalar()
