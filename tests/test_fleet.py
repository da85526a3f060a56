"""The simulation behind docs/scale.md, where its answer is known without it."""

from typing import Final

import pytest

from tests.benchmarks.fleet import LATENCY, Fleet, cost, play
from tests.benchmarks.footprint import Footprint

#: A million costs a minute of worker and ten seconds of database; nothing else takes time.
KNOWN: Final = Footprint(60.0, 10.0, 0.0, 100e6, 200e6, 250e6)


def test_without_waiting_one_process_is_as_fast_as_its_core() -> None:
    played = play(1_000_000, Fleet(1, 1, 64, 16, 0), KNOWN)

    assert played.seconds == pytest.approx(60, rel=0.05)
    assert played.limit == "the workers' cores"


def test_a_second_host_halves_what_the_cores_decide() -> None:
    one, two = (play(4_000_000, Fleet(n, 2, 64, 16, 0), KNOWN).seconds for n in (1, 2))

    assert one / two == pytest.approx(2, rel=0.1)


def test_the_provider_s_rate_is_never_passed() -> None:
    played = play(1_000_000, Fleet(8, 8, 16, 16, 20), KNOWN)

    assert played.rate == pytest.approx(20_000, rel=0.05)
    assert played.limit == "the provider's rate"


def test_more_workers_do_not_help_a_database_that_has_no_cores_left() -> None:
    played = play(10_000_000, Fleet(32, 8, 16, 1, 0), KNOWN)

    assert played.seconds == pytest.approx(100, rel=0.05)
    assert played.limit == "PostgreSQL"
    assert played.database_load == pytest.approx(1, rel=0.05)


def test_few_lanes_wait_for_answers() -> None:
    played = play(100_000, Fleet(1, 1, 1, 4, 0), KNOWN)

    assert played.seconds > 100 * LATENCY[0]
    assert played.limit == "the provider's latency"


def test_the_cost_names_its_parts() -> None:
    parts = cost(play(1_000_000, Fleet(1, 2, 4, 2, 0), KNOWN), KNOWN)

    assert set(parts) == {"provider", "machines", "disk_for_a_year"}
    assert all(value > 0 for value in parts.values())
