"""Beat is told to end while it sends a tick: it ends, once, and gives no sign of life after its goodbye."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from sqlmodel import Session

from newsletter import pulse
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.pulse import Part
from newsletter.settings import settings
from newsletter.tasks import app
from newsletter.tasks.beating import Scheduler, Sign
from tests.conftest import Configure


def test_it_ends_although_the_connection_swallows_that_it_was_told_to(
    database: str,
    configure: Configure,
    tmp_path: Path,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert database
    configure(home=tmp_path / "var", schedules=tmp_path, tick=5)
    assert settings()  # makes keys; made in a frozen moment, they would be this process's last
    sent: list[str] = []

    def told_to_end(self: Scheduler, entry: object, **_: object) -> None:
        sent.append(str(entry))
        self.close()  # what Celery's handler of SIGTERM does before it raises

    monkeypatch.setattr(Scheduler, "apply_entry", told_to_end)
    with freeze_time(now):
        beat = Scheduler(app, schedule_filename=str(tmp_path / "state"), max_interval=2)
        beat.tick()
    with freeze_time(now + timedelta(hours=1)):  # everything is due
        for _ in range(2):
            with pytest.raises(SystemExit):
                beat.tick()
        beat.close()

    assert len(sent) == 1
    with reading() as session:
        assert pulse.life(session, Part.beat, now=now).alive == ()


def test_told_to_end_while_it_writes_its_sign_it_says_goodbye_once_that_is_over(
    database: str, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row is locked by its own hand: a goodbye in the middle would wait for itself."""
    assert database
    configure(tick=5)
    sign, write = Sign(Part.beat, 7), pulse.sign
    with unit_of_work() as session:
        pulse.sign(session, sign.part, sign.name, began_at=sign.began_at, now=utc_now())
        assert len(pulse.life(session, Part.beat, now=utc_now()).alive) == 1

    def told_to_end(session: Session, *given: Any, **named: Any) -> None:
        write(session, *given, **named)
        session.flush()
        sign.leave()  # what Celery's handler of SIGTERM does before it raises
        raise SystemExit

    monkeypatch.setattr(pulse, "sign", told_to_end)
    with pytest.raises(SystemExit):
        sign.give()

    with reading() as session:
        assert pulse.life(session, Part.beat, now=utc_now()).alive == ()
