"""The command line explains itself: each command has a page of help with an example that works."""

import contextlib
import re
import shlex
from typing import Any, Final

import pytest
import typer
from typer.testing import CliRunner

from newsletter.cli import app
from newsletter.cli.settings import as_markdown
from tests.processes import ROOT

# Typer brings a Click of its own, whose classes are not public: hence Any for a command.
COMMANDS: Final[dict[str, Any]] = {}


def _gather(command: Any, path: str) -> None:
    for name, part in getattr(command, "commands", {}).items():
        _gather(part, f"{path} {name}".strip())
    if not hasattr(command, "commands"):
        COMMANDS[path] = command


_gather(typer.main.get_command(app), "")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_page_of_help(name: str) -> None:
    shown = CliRunner().invoke(app, [*name.split(), "--help"])

    assert shown.exit_code == 0
    assert shown.output.strip()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_gives_an_example_that_it_understands(name: str) -> None:
    # Settings may stand before the command, and a pipe behind it.
    examples = re.findall(
        r"Example: `(?:[A-Z_]+=\S+ )*newsletter ([^`|]+)", COMMANDS[name].help or ""
    )

    assert examples
    for example in examples:
        words = shlex.split(example)
        assert words[: len(name.split())] == name.split()
        # That a file of the example is not here is no fault of the example.
        with contextlib.suppress(typer.BadParameter):
            COMMANDS[name].make_context(name, words[len(name.split()) :])


def test_every_option_says_what_it_is_for() -> None:
    silent = [
        f"{name} {parameter.name}"
        for name, command in COMMANDS.items()
        for parameter in command.params
        if not getattr(parameter, "help", None)
    ]

    assert silent == []


def test_the_page_of_settings_is_what_the_code_says_and_says_something_of_each() -> None:
    written = (ROOT / "docs" / "settings.md").read_text()

    assert written == as_markdown(), "run: newsletter settings > docs/settings.md"
    for line in written.splitlines():
        if line.startswith("| `"):
            assert len(line.split("|")[3].split()) > 2, line
