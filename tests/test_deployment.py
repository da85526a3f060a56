"""What docs/deploy/ hands to an operator: the compose file, the units, the proxy, the example settings."""

import configparser
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest
import yaml
from dotenv import dotenv_values

from newsletter.cli import PARTS
from newsletter.settings import Settings
from newsletter.web.app import ROUTERS
from newsletter.web.mailed import pixel
from tests.conftest import Configure
from tests.support.processes import ROOT, Kept, command, free_port, surroundings, wait_until
from tests.support.servers import Redis

DEPLOY: Final = ROOT / "docs" / "deploy"
UNITS: Final = sorted((DEPLOY / "systemd").glob("*.service"))
OURS: Final = ("migrate", "web", "worker", "beat")


def compose() -> dict[str, Any]:
    known: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return known


def example() -> dict[str, str]:
    """The settings of the example file, as systemd and Docker read them."""
    return {name: value or "" for name, value in dotenv_values(DEPLOY / "newsletter.env").items()}


def filled() -> dict[str, str]:
    """The same with what is to be changed changed, to something else in each."""
    return {
        name: value.replace("CHANGE-ME", hashlib.sha256(name.encode()).hexdigest())
        for name, value in example().items()
    }


def answers(*words: str) -> bool:
    """Whether that command is here and succeeds."""
    if shutil.which(words[0]) is None:
        return False
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


class Unit:
    """One systemd unit's lines; a key may stand several times, the last one is read."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._lines = configparser.ConfigParser(strict=False, interpolation=None)
        self._lines.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
        self._lines.read_string(path.read_text())

    def says(self, key: str, section: str = "Service") -> str:
        return self._lines.get(section, key, fallback="")

    @property
    def arguments(self) -> list[str]:
        """What comes after ``newsletter`` in ExecStart."""
        program, *arguments = shlex.split(self.says("ExecStart"))
        assert program == "/srv/newsletter/.venv/bin/newsletter"
        return arguments


def commands() -> set[str]:
    return {command for commands in PARTS.values() for command in commands}


class TestTheExampleSettings:
    def test_they_are_all_that_production_asks_for(self, configure: Configure) -> None:
        configure(**{name.removeprefix("NEWSLETTER_").lower(): v for name, v in filled().items()})

        known = Settings()

        assert not known.is_embedded
        assert known.esp_names == ("sendgrid",)

    @pytest.mark.parametrize(
        "left",
        # The suppression secret is `newsletter migrate`'s to refuse, which sees whether there is a list.
        sorted(
            name
            for name, value in example().items()
            if "CHANGE-ME" in value and name != "NEWSLETTER_SUPPRESSION_SECRET"
        ),
    )
    def test_nothing_starts_while_one_of_them_stands_there_for_all_to_read(self, left: str) -> None:
        given = surroundings(filled() | {left: example()[left]})

        done = subprocess.run(
            command("worker"), env=given, capture_output=True, text=True, check=False, timeout=60
        )

        assert done.returncode != 0
        assert f"{left} still says CHANGE-ME" in done.stderr
        assert "Traceback" not in done.stderr

    def test_every_secret_is_to_be_changed(self) -> None:
        secret = ("TOKEN", "SECRET", "KEY")

        assert {
            name
            for name, value in example().items()
            if name.endswith(secret) and value != "CHANGE-ME"
        } == set()

    def test_the_command_reads_them_as_the_units_do(self, tmp_path: Path) -> None:
        told = (DEPLOY / "newsletter").read_text()
        for there, here in (
            ("/etc/newsletter.env", str(DEPLOY / "newsletter.env")),
            ("runuser -u newsletter -- /srv/newsletter/.venv/bin/newsletter", "env"),
        ):
            assert there in told
            told = told.replace(there, here)
        (tmp_path / "newsletter").write_text(told)

        said = subprocess.run(
            ["/bin/sh", str(tmp_path / "newsletter")],
            env={"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )

        pairs = dict(line.split("=", 1) for line in said.stdout.splitlines() if "=" in line)
        assert {k: v for k, v in pairs.items() if k.startswith("NEWSLETTER_")} == example()


class TestTheComposeFile:
    def test_each_part_runs_a_command_that_exists(self) -> None:
        started = {
            name: part["command"][0]
            for name, part in compose()["services"].items()
            if part.get("image") == "newsletter"
        }

        assert set(started) == set(OURS)
        assert set(started.values()) <= commands()

    def test_what_a_part_waits_for_is_there_and_can_be_healthy(self) -> None:
        parts = compose()["services"]

        waits = [
            (name, other, how["condition"])
            for name, part in parts.items()
            for other, how in part.get("depends_on", {}).items()
        ]

        assert waits
        for _, other, condition in waits:
            assert other in parts
            assert condition != "service_healthy" or "healthcheck" in parts[other]

    def test_our_parts_may_do_nothing_but_their_work(self) -> None:
        for part in (compose()["services"][name] for name in OURS):
            assert part["read_only"] is True
            assert part["cap_drop"] == ["ALL"]
            assert part["security_opt"] == ["no-new-privileges:true"]

    def test_only_the_proxy_can_be_reached_from_outside(self) -> None:
        assert [name for name, part in compose()["services"].items() if "ports" in part] == [
            "proxy"
        ]

    def test_redis_gives_up_being_root_before_it_has_nothing_to_give_it_up_with(self) -> None:
        """Its image would change owners and users as root; without capabilities that fails."""
        redis = compose()["services"]["redis"]

        assert redis["cap_drop"] == ["ALL"]
        assert redis["user"] == "redis"

    def test_the_image_is_built_from_what_the_repository_has(self) -> None:
        copied = [
            source
            for line in (DEPLOY / "Dockerfile").read_text().splitlines()
            if line.startswith("COPY ") and "--from" not in line
            for source in line.split()[1:-1]
        ]

        assert copied
        assert [name for name in copied if not (ROOT / name).exists()] == []
        # What is not let in cannot be copied, and what is let in is nothing but that.
        let_in = {
            line[1:].partition("/")[0]
            for line in (ROOT / ".dockerignore").read_text().splitlines()
            if line.startswith("!")
        }
        assert let_in == set(copied)

    @pytest.mark.skipif(
        not answers("docker", "compose", "version"),
        reason="no docker compose on this machine; the claims above hold without it",
    )
    def test_docker_itself_reads_it(self, tmp_path: Path) -> None:
        shutil.copytree(DEPLOY, tmp_path / "docs" / "deploy")
        told = ["docker", "compose", "-f", str(tmp_path / "docs/deploy/compose.yaml"), "config"]

        read = subprocess.run(
            told, env={"PATH": "/usr/bin:/bin", "POSTGRES_PASSWORD": "x"}, check=False
        )

        assert read.returncode == 0

    @pytest.mark.processes
    @pytest.mark.timeout(1200)
    @pytest.mark.skipif(
        not (answers("docker", "compose", "version") and answers("docker", "info")),
        reason="no docker on this machine that could start it; the claims above hold without",
    )
    def test_docker_starts_all_of_it(self, tmp_path: Path) -> None:
        images = [part["image"] for part in compose()["services"].values()]
        bases = re.findall(r"^FROM (\S+)", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
        for image in {*images, *bases} - {"newsletter"}:
            if not (
                answers("docker", "image", "inspect", image) or answers("docker", "pull", image)
            ):
                pytest.skip(f"{image} cannot be had here")
        port = free_port()
        mine = tmp_path / "mine.env"
        mine.write_text("".join(f"{name}='{value}'\n" for name, value in filled().items()))
        (tmp_path / "here.yaml").write_text(
            "services:\n"
            f"  proxy: {{ports: !override ['127.0.0.1:{port}:443']}}\n"
            f"  migrate: {{build: {{network: host}}, env_file: [{mine}]}}\n"
            + "".join(f"  {part}: {{env_file: [{mine}]}}\n" for part in ("web", "worker", "beat"))
        )
        files = ("-f", str(DEPLOY / "compose.yaml"), "-f", str(tmp_path / "here.yaml"))
        whole = ["docker", "compose", *files, "--project-name", f"newsletter-{uuid4().hex[:8]}"]
        surrounded = os.environ | {"POSTGRES_PASSWORD": "of-the-test"}

        def told(*words: str) -> str:
            done = subprocess.run(
                [*whole, *words], env=surrounded, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        def alive() -> tuple[int, ...]:
            status = json.loads(told("exec", "-T", "worker", "newsletter", "status", "--json"))
            return tuple(len(status[part]["alive"]) for part in ("beats", "workers"))

        try:
            told("build", "--quiet", "migrate")
            told("up", "--detach", "--no-build", "--wait")
            wait_until(lambda: alive() == (2, 2), within=60, what="two beats and two workers")
        finally:
            subprocess.run([*whole, "down", "--volumes"], env=surrounded, check=False)


class TestTheProxies:
    """What a proxy writes down of a call: the kind of page, never a reader's link or a query."""

    @pytest.mark.parametrize("program", ["Caddyfile", "nginx.conf"])
    def test_no_secret_of_a_link_comes_into_its_log(self, program: str) -> None:
        secret = "kD3-x_9.aZ"
        paths = [
            re.sub(r"{(token|ticket)}", secret, path)
            for path in served()
            if re.search(r"{(token|ticket)}", path)
        ]

        assert len(paths) > 20
        assert [path for path in paths if secret in logged(program, path)] == []

    @pytest.mark.parametrize("program", ["Caddyfile", "nginx.conf"])
    def test_other_pages_stay_readable_there(self, program: str) -> None:
        for path in ("/", "/ready", "/compare/a-vs-b", "/people/17", "/reports/2026-W48.csv"):
            assert logged(program, path) == path

    def test_caddy_drops_every_query(self) -> None:
        """nginx's ``$uri`` never has one."""
        assert "reader" not in logged("Caddyfile", "/people?q=reader@example.com")

    def test_nginx_writes_down_nothing_else(self) -> None:
        """Its own words on a failed call have the whole link in them, below ``crit``."""
        written = re.findall(
            r"^ *((?:access|error)_log) .*?(\w+);$",
            (DEPLOY / "nginx.conf").read_text(),
            flags=re.MULTILINE,
        )

        assert written == [
            *(("access_log", "quiet"), ("error_log", "crit")),
            *(("access_log", "off"), ("error_log", "crit")),
        ]


def served() -> list[str]:
    """The path of every page there is."""
    routes = [pixel.route, *(route for router in ROUTERS for route in router.routes)]
    return [getattr(route, "path", "") for route in routes]


def logged(program: str, path: str) -> str:
    """What *program* writes down for *path*, by the pattern in its file."""
    text = (DEPLOY / program).read_text()
    if program == "Caddyfile":
        found = re.search(r"request>uri regexp `(.+)` `(.+)`", text)
        assert found is not None
        return re.sub(found[1], found[2].replace("${1}", r"\1"), path)
    found = re.search(r'"~(.+)" "\$1(.+)";', text)
    assert found is not None
    begins = re.match(found[1], path)
    return begins[1] + found[2] if begins else path


class TestTheUnits:
    @pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
    def test_each_runs_a_command_that_exists_without_any_privilege(self, path: Path) -> None:
        unit = Unit(path)

        assert unit.arguments[0] in commands()
        assert unit.says("User") == "newsletter"
        assert unit.says("CapabilityBoundingSet") == ""
        assert unit.says("NoNewPrivileges") == "yes"
        assert unit.says("ProtectSystem") == "strict"

    @pytest.mark.skipif(
        shutil.which("systemd-analyze") is None, reason="no systemd on this machine to ask"
    )
    def test_systemd_itself_reads_them(self, tmp_path: Path) -> None:
        """The program's path is that of a server; here it is one that exists."""
        for path in (DEPLOY / "systemd").iterdir():
            said = path.read_text().replace("/srv/newsletter/.venv/bin/newsletter", "/bin/true")
            (tmp_path / path.name.replace("@.", "@1.")).write_text(said)
        whole = [str(path) for path in sorted(tmp_path.iterdir())]

        read = subprocess.run(
            [shutil.which("systemd-analyze") or "", "verify", "--man=no", *whole],
            capture_output=True,
            text=True,
            check=False,
        )

        # Of the host's own units it may complain as well.
        assert [line for line in read.stderr.splitlines() if str(tmp_path) in line] == []

    @pytest.mark.processes
    def test_the_processes_start_answer_and_stop_as_the_units_say(
        self, postgresql_database: str, redis: Redis, tmp_path: Path
    ) -> None:
        port = free_port()
        served = filled() | {
            "NEWSLETTER_DATABASE_URL": postgresql_database,
            "NEWSLETTER_BROKER_URL": redis.url,
            "NEWSLETTER_REDIS_URL": redis.url,
            "NEWSLETTER_HOME": str(tmp_path / "home"),
            "NEWSLETTER_SCHEDULES": str(ROOT / "celerybeat-schedule"),
            "NEWSLETTER_PORT": str(port),
        }
        migrate, *others = (
            [Unit(path) for path in UNITS if "migrate" in path.name]
            + [Unit(path) for path in UNITS if "@" in path.name] * 2
            + [Unit(path) for path in UNITS if "web" in path.name]
        )
        subprocess.run(command(*migrate.arguments), env=surroundings(served), check=True)

        with ExitStack() as stack:
            started: list[Kept] = []
            for number, unit in enumerate(others):
                folder = tmp_path / f"{number}"
                folder.mkdir()
                own = {"NEWSLETTER_BEAT_STATE": str(folder / "beat")}
                started.append(
                    stack.enter_context(
                        Kept(
                            command(*unit.arguments),
                            log=folder / "log",
                            environment=surroundings(served | own),
                            folder=folder,
                        )
                    )
                )
            wait_until(lambda: _is_ready(port), within=60, process=started[-1], what="/ready")
            for process in started:
                process.send(signal.SIGTERM)
            for process in started:
                process.ends(within=60)

        clean = {0, -signal.SIGTERM, *map(int, others[0].says("SuccessExitStatus").split())}
        assert {process.status for process in started} <= clean


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ready").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
