"""Beat is told to end while it sends a tick: it ends, once, and gives no sign of life after its goodbye."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time

from newsletter import pulse
from newsletter.database import reading
from newsletter.pulse import Part
from newsletter.tasks import app
from newsletter.tasks.beating import Scheduler
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
