"""What holds for the repository as a whole: its modules, its rules and their reasons, its locks."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

import pytest
from pydantic import BaseModel

from newsletter.settings import Settings
from tests.support.processes import ROOT

PACKAGES: Final = ("digests", "newsletter", "subscribers")
LONGEST_MODULE: Final = 320  # lines
LONGEST_TEST: Final = 550  # a table of cases has one subject still
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS: Final = ("requirements.lock", "tests/requirements.lock")

# Written with brackets, so that this file does not name what it forbids.
_FORBIDDEN: Final = re.compile(
    r"py[p]i\.org|py[t]honhosted\.org|np[m]js\.org|cra[t]es\.io/api|pro[x]y\.golang"
    r"|rep[o]1?\.maven|de[b]\.debian|\.\./shar[e]d|/wor[k]/|/tm[p]/lab|/opt/whee[l]s"
)

#: An exception from a rule in the code, and the reason that must follow it.
_EXCEPTION: Final = re.compile(
    r"#\s*(?:noqa|type: ignore)(?P<rules>: [A-Z0-9, ]*[0-9]|\[[a-z-, ]+\])?"
    r"(?P<reason>\s*[-#]\s+\S+)?"
)


class TestTheModules:
    def test_every_module_says_where_it_stands(self) -> None:
        silent = [
            str(path.relative_to(ROOT))
            for path in _python_files()
            if "migrations/versions" not in str(path)
            and not ast.get_docstring(ast.parse(path.read_text()))
        ]

        assert silent == []

    def test_no_module_has_two_subjects(self) -> None:
        too_long = {
            str(path.relative_to(ROOT)): lines
            for path in _python_files()
            if "migrations/versions" not in str(path)
            if (lines := len(path.read_text().splitlines()))
            > (LONGEST_TEST if path.name.startswith("test_") else LONGEST_MODULE)
        }

        assert too_long == {}

    def test_no_module_is_called_after_nothing(self) -> None:
        vague = {"utils", "helpers", "common", "misc", "services", "base", "manager"}

        assert [path for path in _python_files() if path.stem in vague] == []

    def test_what_is_imported_is_declared(self) -> None:
        declared = {_plain(line) for line in PROJECT["project"]["dependencies"]}
        makers = packages_distributions()

        borrowed = {
            f"{name} in {path.relative_to(ROOT)}"
            for path in _python_files()
            if path.relative_to(ROOT).parts[0] in PACKAGES
            for name in _imports(path)
            if name not in sys.stdlib_module_names and name not in PACKAGES
            if not declared & {_plain(maker) for maker in makers.get(name, [])}
        }

        assert borrowed == set()

    def test_what_is_declared_is_used(self) -> None:
        at_work_unnamed = {
            "psycopg",  # SQLAlchemy's driver for PostgreSQL
            "python-multipart",  # with which FastAPI reads forms
            "redis",  # Celery's transport, and the store of the rate limits
            "tzdata",  # zoneinfo's zones, where the system has none
        }
        makers = packages_distributions()

        used = {
            _plain(maker)
            for path in _python_files()
            if path.relative_to(ROOT).parts[0] in PACKAGES
            for name in _imports(path)
            for maker in makers.get(name, [])
        }

        declared = {_plain(line) for line in PROJECT["project"]["dependencies"]}
        assert declared - used - at_work_unnamed == set()


class TestTheRules:
    def test_every_module_has_its_place_in_the_flow(self) -> None:
        layers = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
        placed = {name.strip() for layer in layers for name in layer.split("|")}
        doors = {"newsletter.__main__", "newsletter.__init__", "newsletter.migrations"}
        found = {
            f"newsletter.{path.relative_to(ROOT / 'newsletter').parts[0].removesuffix('.py')}"
            for path in _python_files()
            if path.is_relative_to(ROOT / "newsletter")
        }

        assert found - placed - doors == set()

    def test_every_ignored_rule_has_its_reason_beside_it(self) -> None:
        text = (ROOT / "pyproject.toml").read_text()
        lists = re.findall(r'^(?:ignore|"[^"\n]+") = \[\n(.*?)^\]', text, re.DOTALL | re.MULTILINE)
        rules = [
            line
            for ignored in lists
            for line in ignored.splitlines()
            if re.match(r'\s+"[A-Z]+\d*"', line)
        ]

        assert len(rules) > len(PACKAGES)
        assert [line for line in rules if not re.search(r"#\s+\S+ \S+", line)] == []

    def test_every_exception_in_the_code_names_its_rule_and_its_reason(self) -> None:
        bare = [
            f"{path.relative_to(ROOT)}:{number + 1}: {line.strip()}"
            for path in _python_files()
            for lines in [path.read_text().splitlines()]
            for number, line in enumerate(lines)
            if _EXCEPTION.search(line)
            and not _has_a_reason(line, before=lines[max(0, number - 4) : number])
        ]

        assert bare == []


class TestTheLocks:
    @pytest.mark.parametrize("name", LOCKS)
    def test_everything_locked_has_its_hashes_and_no_place_of_origin(self, name: str) -> None:
        text = (ROOT / name).read_text()
        entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)

        assert [entry for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == []
        assert "://" not in text
        assert "index" not in "".join(line for line in text.splitlines() if line.startswith("-"))

    def test_the_tests_run_on_what_the_service_runs_on(self) -> None:
        service, tests = (_pins(ROOT / name) for name in LOCKS)

        assert service.items() <= tests.items()

    def test_everything_declared_is_locked(self) -> None:
        declared = PROJECT["project"]["dependencies"]
        for_tests = PROJECT["project"]["optional-dependencies"]["test"]
        service, tests = (_pins(ROOT / name) for name in LOCKS)

        assert {_plain(line) for line in declared} - service.keys() == set()
        assert {_plain(line) for line in for_tests} - tests.keys() == set()


class TestTheRepository:
    def test_nothing_names_a_registry_or_the_machine_it_was_written_on(self) -> None:
        named = [
            f"{path.relative_to(ROOT)}: {found.group()}"
            for path in _kept_files()
            if (found := _FORBIDDEN.search(path.read_text(errors="ignore")))
        ]

        assert named == []

    def test_the_readme_starts_where_a_newcomer_starts(self) -> None:
        readme = (ROOT / "README.md").read_text()

        assert "make run" in readme
        assert "make test" in readme

    def test_every_target_of_make_explains_itself(self) -> None:
        targets = re.findall(
            r"^([a-z][a-z-]*):(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE
        )

        assert [name for name, rest in targets if " ## " not in rest] == []

    def test_the_pages_of_the_documentation_link_to_what_is_there(self) -> None:
        broken = [
            f"{page.relative_to(ROOT)}: {target}"
            for page in _kept_files()
            if page.suffix == ".md"
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
            if "://" not in target and not target.startswith("mailto:")
            if not (page.parent / target).exists()
        ]

        assert broken == []

    def test_every_setting_that_is_written_about_exists(self) -> None:
        known = _settings() | {"NEWSLETTER_REQUIRE_BROWSER"}

        unknown = {
            f"{page.relative_to(ROOT)}: {name}"
            for page in _kept_files()
            if page.suffix in {".md", ".toml", ".service", ".yaml", ".yml"}
            for name in re.findall(r"\bNEWSLETTER_[A-Z0-9_]*", page.read_text())
            if name not in known
            # A family of them: NEWSLETTER_BREAKER_*
            if not (name.endswith("_") and any(one.startswith(name) for one in known))
        }

        assert unknown == set()


def _kept_files() -> list[Path]:
    """What git keeps or would keep."""
    # A clone that belongs to somebody else, as CI's may, is this one all the same.
    git = [shutil.which("git") or "git", "-c", f"safe.directory={ROOT}"]
    listed = subprocess.run(
        [*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def _python_files() -> list[Path]:
    return [path for path in _kept_files() if path.suffix == ".py"]


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def _has_a_reason(line: str, *, before: list[str]) -> bool:
    """On the line itself, or just above it: in a comment, or beside the same exception."""
    mark = _EXCEPTION.search(line)
    if mark is None or not mark.group("rules"):
        return False
    return bool(mark.group("reason")) or any(
        text.strip().startswith("#")
        or ((same := _EXCEPTION.search(text)) and same["rules"] == mark["rules"] and same["reason"])
        for text in before
    )


def _pins(lock: Path) -> dict[str, str]:
    """Each name and version, with the platforms they are for."""
    lines = [line for line in lock.read_text().splitlines() if re.match(r"[a-z0-9]", line)]
    return {_plain(line) + line.partition(";")[2].strip(" \\"): line for line in lines}


def _plain(requirement: str) -> str:
    """A distribution's name as it is compared: lower case, with dashes, without anything else."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement.partition("[")[0])
    return re.sub(r"[-_.]+", "-", name.group()).lower() if name else ""


def _settings() -> set[str]:
    known = set()
    for name, field in Settings.model_fields.items():
        known.add(f"NEWSLETTER_{name.upper()}")
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            known |= {f"NEWSLETTER_{name.upper()}_{part.upper()}" for part in group.model_fields}
    return known
