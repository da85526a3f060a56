"""The command line explains itself: each command has a page of help with an example that works."""

import contextlib
import re
import shlex
import subprocess
import sys
import tomllib
from typing import Final

import pytest
import typer
from typer.testing import CliRunner

from newsletter.cli import PARTS, app, brought_by
from newsletter.cli.settings import as_markdown
from tests.support.commands import every_command
from tests.support.processes import ROOT

COMMANDS: Final = every_command()


@pytest.mark.parametrize("part", PARTS)
def test_a_module_brings_the_commands_for_which_it_is_imported(part: str) -> None:
    assert set(brought_by(part)) == set(PARTS[part])


def test_every_module_of_commands_is_known() -> None:
    modules = {
        path.stem
        for path in (ROOT / "newsletter" / "cli").glob("*.py")
        if "def register(app: typer.Typer)" in path.read_text()
    }

    assert modules == set(PARTS)


def test_a_command_reads_only_what_it_needs() -> None:
    program = "import sys; from newsletter.cli import app; app(['worker', '--help'])"

    said = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert "Processes that send" in said.stdout
    for stranger in ("newsletter.cli.accounts", "newsletter.web", "fastapi"):
        assert f" {stranger}\n" not in said.stderr


def test_it_says_which_version_it_is() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    shown = CliRunner().invoke(app, ["--version"])

    assert (shown.exit_code, shown.output) == (0, f"newsletter {declared}\n")


def test_a_misspelt_command_is_met_with_the_right_one() -> None:
    shown = CliRunner().invoke(app, ["digest"])

    assert shown.exit_code == 2
    assert "Did you mean 'digests'" in shown.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands(shell: str) -> None:
    asked = {
        "bash": {"COMP_WORDS": "newsletter sched", "COMP_CWORD": "1"},
        "zsh": {"_TYPER_COMPLETE_ARGS": "newsletter sched"},
        "fish": {
            "_TYPER_COMPLETE_ARGS": "newsletter sched",
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        },
    }[shell]

    shown = CliRunner().invoke(
        app, [], prog_name="newsletter", env={"_NEWSLETTER_COMPLETE": f"complete_{shell}", **asked}
    )

    assert "schedule" in shown.output


def test_the_lines_of_the_documentation_give_each_shell_its_script_whoever_types_them() -> None:
    """`--show-completion` looks for the shell that it is called from, and finds none in a script."""
    told = (ROOT / "docs" / "deploy.md").read_text()

    for shell, says in (("bash", "complete -o default -F"), ("zsh", "compdef")):
        assert f"_NEWSLETTER_COMPLETE=source_{shell} newsletter" in told
        script = CliRunner().invoke(
            app, [], prog_name="newsletter", env={"_NEWSLETTER_COMPLETE": f"source_{shell}"}
        )
        assert says in script.output


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
