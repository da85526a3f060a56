"""The short run of chaos: every provider, a race without faults, and a service that deserves to fail.

The long one is ``make chaos KILLS=200 RECIPIENTS=20000``; docs/chaos.md says what happens in it.
"""

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from newsletter.esp.registry import adapters
from newsletter.providers import provider
from tests.chaos.faults import Kind, kills, reachable
from tests.chaos.steps import RARE
from tests.support.processes import ROOT, surroundings

#: Three runs share their servers and their imports.
TRIPLES: Final = (("sendgrid", "resend", "mailgun"), ("postmark", "ses", "brevo"))

_PATIENCE: Final = 400  # seconds; a quiet machine needs a tenth of it


def chaos(tmp_path: Path, *words: str) -> tuple[int, list[dict[str, Any]]]:
    """Run chaos as ``make chaos`` does; its exit status and its reports. Shows what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--json", *words],
        cwd=ROOT,
        env=surroundings({"TMPDIR": str(tmp_path)}),
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    print(done.stdout, done.stderr, sep="\n")
    return done.returncode, json.loads(done.stdout)


@pytest.mark.processes
@pytest.mark.timeout(_PATIENCE + 20)
@pytest.mark.parametrize("names", TRIPLES, ids=" and ".join)
def test_whatever_is_killed_everybody_gets_one_copy(tmp_path: Path, names: tuple[str, ...]) -> None:

    status, reports = chaos(
        tmp_path,
        *(word for name in names for word in ("--provider", name)),
        *("--kills", "3", "--recipients", "90", "--seed", "9", "--workers", "2"),
    )

    for report in reports:
        found = report["verdict"]
        assert found["wrong"] == report["stuck"] == report["fell"] == []
        assert (found["duplicates"], found["missing"], found["unbooked"]) == (0, 0, 0)
        assert 0 < report["killed"] <= 3, "the send may be over before the last of them"
        assert found["accepted"] + found["rejected"] + found["excluded"] == found["audience"]
        assert found["accepted"] > found["audience"] / 2, "who mails nobody breaks no promise"
    assert [report["provider"] for report in reports] == list(names)
    assert status == 0


@pytest.mark.processes
@pytest.mark.timeout(_PATIENCE + 20)
def test_two_beats_and_four_workers_at_once_double_nothing(tmp_path: Path) -> None:
    status, [report] = chaos(
        tmp_path,
        *("--calm", "--kills", "0", "--beats", "2", "--workers", "4"),
        *("--recipients", "200", "--seed", "1"),
    )

    found = report["verdict"]
    assert found["wrong"] == []  # one edition, assembled once, planned once, sent once
    assert (found["duplicates"], found["missing"]) == (0, 0)
    assert found["accepted"] + found["excluded"] == found["audience"]
    assert found["accepted"] > found["audience"] / 2
    assert status == 0


@pytest.mark.processes
@pytest.mark.timeout(_PATIENCE + 20)
def test_a_service_that_repeats_what_it_does_not_know_is_found_out(tmp_path: Path) -> None:
    status, [report] = chaos(
        tmp_path,
        *("--sabotage", "retry-blindly", "--kills", "1", "--recipients", "240", "--seed", "18"),
    )

    assert report["verdict"]["duplicates"] > 0
    assert status == 1


def test_every_provider_has_its_run() -> None:
    assert {name for names in TRIPLES for name in names} == set(adapters)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", list(adapters))
def test_a_long_run_kills_at_every_step_that_there_is(name: str) -> None:
    traits = provider(name).traits

    planned = kills(40, traits=traits, dice=random.Random(1))

    assert {kill.step for kill in planned if kill.step} == set(reachable(traits))
    assert {kill.kind for kill in planned} >= set(Kind) - {Kind.database}
    assert sum(kill.step in RARE for kill in planned) == len(RARE) + 1


@pytest.mark.usefixtures("home")
def test_the_same_seed_chooses_the_same_kills() -> None:
    traits = provider("resend").traits

    first, second, other = (
        kills(200, traits=traits, dice=random.Random(seed)) for seed in (7, 7, 8)
    )

    assert first == second != other
