"""A worker that hears nothing any more ends, so that it is started anew; one that may hear stays."""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time

from newsletter import broker, pulse
from newsletter.database import unit_of_work
from newsletter.pulse import Part
from newsletter.tasks import listening
from newsletter.tasks.listening import Listener
from tests.conftest import Configure
from tests.support.processes import running
from tests.support.servers import Redis
from tests.web.scene import on_both

NOBODY: list[int] = []


class TestWhetherItIsDeaf:
    @pytest.fixture(autouse=True)
    def world(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """The broker answers, and beat ticks."""
        monkeypatch.setattr(broker, "waiting", lambda: 0)
        monkeypatch.setattr(listening, "_is_ticking", lambda **_: True)
        yield
        listening._rest()  # noqa: SLF001 - this process is at work no more

    def left_after(self, looks: int) -> bool:
        """Whether it left, silent for ever and looked at so often."""
        left: list[None] = []
        listener = Listener(lambda: [os.getpid()], leave=lambda: left.append(None))
        for _ in range(looks):
            listener.look(now=1e9)
        return bool(left)

    def test_silence_at_two_looks_in_a_row_is_deafness(self) -> None:
        assert not self.left_after(1)
        assert self.left_after(2)

    def test_a_task_that_comes_between_two_looks_begins_the_silence_anew(self) -> None:
        left: list[None] = []
        listener = Listener(lambda: NOBODY, leave=lambda: left.append(None))
        for _ in range(3):
            listener.look(now=1e9)
            listener.hear()
            listener.look(now=0.0)

        assert not left

    def test_whose_child_is_at_work_is_only_busy(self) -> None:
        listening._begin()  # noqa: SLF001 - as Celery's signal does

        assert not self.left_after(9)

    def test_a_broker_that_is_away_makes_nobody_deaf(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(broker, "waiting", lambda: None)

        assert not self.left_after(9)

    def test_where_beat_does_not_tick_there_is_nothing_to_hear(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listening, "_is_ticking", lambda **_: False)

        assert not self.left_after(9)


@on_both
@pytest.mark.usefixtures("database", "home")
@pytest.mark.parametrize(
    ("sign", "leaves"), [(-5, True), (-30, False)], ids=["signed since", "was killed"]
)
def test_a_beat_that_was_killed_makes_nobody_deaf_while_its_last_sign_counts(
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    now: datetime,
    *,
    sign: int,
    leaves: bool,
) -> None:
    configure(tick=2)  # deaf after 24 seconds, while a sign counts for a minute
    monkeypatch.setattr(broker, "waiting", lambda: 0)
    left: list[None] = []
    listener = Listener(lambda: NOBODY, leave=lambda: left.append(None))
    heard = listener.silence(now=0.0) * -1
    with unit_of_work() as session:
        seen = now + timedelta(seconds=sign)
        pulse.sign(session, Part.beat, "one:1", began_at=seen, now=seen)

    with freeze_time(now):
        for _ in range(2):
            listener.look(now=heard + 30)

    assert bool(left) is leaves


@pytest.mark.processes
def test_a_worker_that_no_tick_reaches_ends_to_be_started_anew(
    tmp_path: Path, postgresql_database: str, redis: Redis
) -> None:
    environment = {
        "NEWSLETTER_HOME": str(tmp_path / "var"),
        "NEWSLETTER_DATABASE_URL": postgresql_database,
        "NEWSLETTER_BROKER_URL": redis.url,
        "NEWSLETTER_REDIS_URL": redis.url,
        "NEWSLETTER_TICK": "0.3",
    }
    elsewhere = {"NEWSLETTER_BROKER_URL": f"{redis.url.rpartition('/')[0]}/9"}

    with (
        running("beat", folder=tmp_path, environment=environment),
        running("worker", folder=tmp_path, environment=environment | elsewhere) as worker,
    ):
        assert worker.ends(within=60) == os.EX_TEMPFAIL
        assert "worker.deaf" in worker.said()
