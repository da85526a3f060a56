"""How many nudges wait, in a folder and in Redis; and what it means when nobody answers."""

from pathlib import Path

import pytest
from kombu import Connection

from newsletter import broker
from newsletter.settings import settings
from tests.conftest import Configure
from tests.processes import free_port
from tests.servers import Redis


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


def test_a_broker_that_is_away_is_no_error(configure: Configure) -> None:
    configure(broker_url=f"redis://127.0.0.1:{free_port()}/0")

    assert broker.waiting() is None
