"""The clock is set back, or forward: beat ticks on, and nobody is taken for alive who is not."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from sqlmodel import Session

from newsletter import pulse
from newsletter.pulse import Part
from newsletter.settings import settings
from newsletter.tasks import TICKS, app, configuration
from newsletter.tasks.beating import Scheduler
from tests.conftest import Configure

Beat = Callable[[datetime], list[str]]


@pytest.fixture
def beat(
    session: Session, configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Beat]:
    """What a beat sends at a moment; one that is asked with ``anew`` was started since."""
    assert session
    configure(home=tmp_path / "var", schedules=tmp_path, tick=5)
    sent: list[str] = []
    monkeypatch.setattr(Scheduler, "apply_entry", lambda _self, entry, **_: sent.append(entry.name))
    running: list[Scheduler] = []

    def sends(now: datetime, *, anew: bool = False) -> list[str]:
        sent.clear()
        with freeze_time(now):
            if anew or not running:
                stop()
                state = str(tmp_path / "state")
                running[:] = [Scheduler(app, schedule_filename=state, max_interval=2)]
            while running[0].tick() == 0:
                pass
        return list(sent)

    def stop() -> None:
        for one in running:
            one.close()

    yield sends
    stop()


def test_beat_ticks_on_when_the_clock_is_set_back(beat: Any, now: datetime) -> None:
    beat(now)
    assert beat(now + timedelta(seconds=1)) == []
    assert set(TICKS) <= set(beat(now + timedelta(seconds=6)))

    set_back = now - timedelta(hours=1)

    assert set(TICKS) <= set(beat(set_back))
    assert beat(set_back + timedelta(seconds=1)) == []
    assert set(TICKS) <= set(beat(set_back + timedelta(seconds=6)))


def test_a_beat_whose_state_was_kept_by_a_clock_that_was_ahead_ticks_at_once(
    beat: Any, now: datetime
) -> None:
    beat(now + timedelta(days=365))

    assert set(TICKS) <= set(beat(now, anew=True))


def test_beat_ticks_once_and_not_for_every_tick_that_was_lost_when_the_clock_is_set_forward(
    beat: Any, now: datetime
) -> None:
    beat(now)

    sent = beat(now + timedelta(days=1))

    assert sorted(sent) == sorted(set(sent))
    assert set(TICKS) <= set(sent)


def test_a_worker_whose_clock_is_half_a_lease_ahead_hears_the_ticks(configure: Configure) -> None:
    configure()
    half_a_lease = settings().lease / 2

    for entry in configuration()["beat_schedule"].values():
        assert entry["options"]["expires"] - entry["schedule"] >= half_a_lease, entry["task"]


def test_a_sign_from_a_clock_that_was_ahead_is_no_sign_of_life(
    session: Session, now: datetime
) -> None:
    ahead = now + timedelta(days=1)
    pulse.sign(session, Part.beat, "one:1", began_at=ahead, now=ahead)

    assert pulse.life(session, Part.beat, now=now).is_gone
    assert pulse.life(session, Part.beat, now=now).last_seen_at == now

    pulse.sign(session, Part.beat, "one:1", began_at=ahead, now=now)
    assert not pulse.life(session, Part.beat, now=now).is_gone
