"""Every command's own example, on a service that has an edition: it works, or says why not in a sentence."""

import re
import shlex
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner

from digests.schedules.schedule_files import install
from newsletter.accounts import register
from newsletter.accounts.models import Role
from newsletter.cli import app
from newsletter.cli.refusals import in_a_sentence
from newsletter.database import unit_of_work
from tests.conftest import Configure
from tests.support.commands import every_command
from tests.support.processes import ROOT
from tests.web.scene import a_reader, a_sent_edition

#: They serve until they are stopped; tests of processes run them.
SERVING: Final = {"run", "demo", "web", "worker", "beat", "sandbox", "top"}


def examples() -> dict[str, list[str]]:
    """What is typed for each command's example, without a shell's part of it."""
    found: dict[str, list[str]] = {}
    for name, command in every_command().items():
        if name not in SERVING:
            said = " ".join((command.help or "").split())
            typed = re.search(r"Example: `(?:[A-Z_]+=\S+ )*newsletter ([^`|>]+)", said)
            assert typed is not None, name
            found[name] = shlex.split(typed[1])
    return found


def test_every_example_works_or_says_why_not(
    home: Path, configure: Configure, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    configure(home=home, sandbox_port=9)  # nobody listens there
    with unit_of_work() as session:
        install(session, ROOT / "celerybeat-schedule", now=now)
        a_sent_edition(session, a_reader(session, now=now), now=now)
        register.add(
            session,
            "ada@newsletter.example",
            name="Ada",
            roles=frozenset({Role.operator}),
            by="the test",
            now=now,
        )
    fell: list[str] = []
    worked: set[str] = set()

    for name, words in examples().items():
        # Whatever it writes, it writes here.
        here = [re.sub(r"^/(tmp|backups)/", f"{tmp_path}/", word) for word in words]
        shown = CliRunner().invoke(app, here)
        if shown.exit_code == 0:
            worked.add(name)
        elif isinstance(shown.exception, Exception) and in_a_sentence(shown.exception) is None:
            fell.append(f"newsletter {shlex.join(words)}: {shown.exception!r}")

    assert fell == []
    assert len(worked) > len(examples()) / 2, "most of them have something to do here"
    assert {"reclass", "receipt", "backup", "schedule show", "accounts token"} <= worked
