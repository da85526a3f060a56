"""When one part of the service is gone, the other one looks, so that somebody is told."""

import os
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from newsletter import pulse
from newsletter.database import reading, unit_of_work
from newsletter.pulse import Part
from newsletter.tasks import SELDOM, TICKS, app, listening, standing_in
from newsletter.tasks.listening import Listener
from newsletter.watching.alerts import open_alerts
from tests.web.scene import on_both

NAMES: Final = {
    "ask_links",
    "assemble",
    "bulk",
    "count",
    "deadlines",
    "examine",
    "hear",
    "letters",
    "lists",
    "measure_readers",
    "reconcile",
    "send",
    "send_digest",
    "soft_bounces",
    "start",
    "take_over",
    "tidy",
    "watch",
}


class TestAWorker:
    @pytest.fixture
    def sent(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        told: list[str] = []

        def send(name: str, **how: Any) -> None:
            assert how["expires"] > 0
            told.append(name)

        monkeypatch.setattr(app, "send_task", send)
        return told

    @pytest.mark.parametrize("ticks", [True, False])
    def test_that_hears_nothing_sends_itself_the_look_when_no_beat_ticks(
        self, sent: list[str], monkeypatch: pytest.MonkeyPatch, *, ticks: bool
    ) -> None:
        monkeypatch.setattr(listening, "_is_ticking", lambda **_: ticks)
        listener = Listener(lambda: [os.getpid()], leave=lambda: None)
        heard = listener.silence(now=0.0) * -1

        listening.mind(listener, now=heard + standing_in.silent_for() - 1)
        assert sent == []
        listening.mind(listener, now=heard + standing_in.silent_for())

        assert sent == ([] if ticks else ["newsletter.watch", "newsletter.letters"])

    def test_what_is_sent_is_never_renamed(self) -> None:
        """In an upgrade an old beat speaks to new workers, and a new one to old."""
        app.loader.import_default_modules()

        ours = {name for name in app.tasks if name.startswith("newsletter.")}
        assert {name.removeprefix("newsletter.") for name in ours} == NAMES
        assert {*TICKS, *SELDOM} <= ours

    def test_the_ticks_that_it_sends_exist(self) -> None:
        app.loader.import_default_modules()

        assert set(standing_in.TELLING) <= set(app.tasks)


@on_both
@pytest.mark.usefixtures("database", "home")
def test_a_beat_looks_by_itself_once_the_last_worker_has_been_gone_for_long(now: datetime) -> None:
    def after(seconds: int) -> tuple[bool, list[str]]:
        looked = standing_in.for_workers(now=now + timedelta(seconds=seconds))
        with reading() as session:
            return looked, [one.key for one in open_alerts(session)]

    assert after(0) == (False, []), "none has been yet"
    with unit_of_work() as session:
        pulse.sign(session, Part.worker, "one:1", began_at=now, now=now)
        pulse.leave(session, Part.worker, "one:1", now=now)

    assert after(10) == (False, []), "it may be on its way back"
    assert after(90) == (True, ["worker.gone"])
