"""How many nudges wait, in a folder and in Redis; and what it means when nobody answers."""

import time
from pathlib import Path
from queue import Empty
from types import SimpleNamespace
from typing import Any

import pytest
from kombu import Connection

from newsletter import broker, queue_folder
from newsletter.settings import settings
from tests.conftest import Configure
from tests.support.processes import free_port
from tests.support.servers import Redis

# Each test of the folder has a queue of its own name: Kombu keeps for the whole process which are bound.


@pytest.fixture(params=["a folder", "redis"])
def a_broker(request: pytest.FixtureRequest, tmp_path: Path, configure: Configure) -> None:
    url = ""
    if request.param == "redis":
        redis: Redis = request.getfixturevalue("redis")
        url = redis.url
    configure(home=str(tmp_path / "var"), broker_url=url)


@pytest.mark.usefixtures("a_broker")
def test_nudges_that_nobody_has_taken_are_counted() -> None:
    before = broker.waiting()
    assert before is not None

    with (
        Connection(settings().broker, transport_options=broker.transport_options()) as connection,
        connection.SimpleQueue(broker.QUEUE) as queue,
    ):
        queue.put({"a": "nudge"})
        queue.put({"another": "nudge"})

    assert broker.waiting() == before + 2


def test_a_message_in_a_folder_has_no_name_before_it_is_whole(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(home=str(tmp_path / "var"), broker_url="")
    written = Path.write_text
    halves: list[str] = []

    def half_written(path: Path, content: str, **named: Any) -> int:
        written(path, content[: len(content) // 2], **named)
        with pytest.raises(Empty):
            queue.get_nowait()
        halves.append(path.name)
        return written(path, content, **named)

    with (
        Connection(settings().broker, transport_options=broker.transport_options()) as connection,
        connection.SimpleQueue("whole") as queue,
    ):
        monkeypatch.setattr(Path, "write_text", half_written)
        queue.put({"a": "nudge"})

        assert queue.get(timeout=5).payload == {"a": "nudge"}
    assert halves


def test_a_message_that_cannot_be_read_is_left_out(configure: Configure, tmp_path: Path) -> None:
    configure(home=str(tmp_path / "var"), broker_url="")

    with (
        Connection(settings().broker, transport_options=broker.transport_options()) as connection,
        connection.SimpleQueue("torn") as queue,
    ):
        (tmp_path / "var" / "queue" / "0_torn.torn.msg").touch()
        queue.put({"a": "nudge"})

        assert queue.get(timeout=5).payload == {"a": "nudge"}


def test_tables_of_queues_are_read_again_while_they_are_written(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(home=str(tmp_path / "var"), broker_url="")
    options = broker.transport_options()
    table = tmp_path / "var" / "queue" / "control" / "table.exchange"
    table.touch()
    whoever_waits = SimpleNamespace(
        sleep=lambda _: table.write_text("[]"), monotonic=time.monotonic
    )
    monkeypatch.setattr(queue_folder, "time", whoever_waits)

    with (
        Connection(settings().broker, transport_options=options) as connection,
        connection.SimpleQueue("table") as queue,
    ):
        queue.put({"a": "nudge"})

        assert queue.get(timeout=5).payload == {"a": "nudge"}


def test_a_broker_that_is_away_is_no_error(configure: Configure) -> None:
    configure(broker_url=f"redis://127.0.0.1:{free_port()}/0")

    assert broker.waiting() is None
