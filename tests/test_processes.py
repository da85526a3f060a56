"""Nothing that a test starts outlives it, and a server that was killed comes back with its data."""

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest
import redis as redis_client

from newsletter import launch
from newsletter.cli import serving
from tests.support.processes import ROOT, Kept, ProcessError, free_port, wait_until
from tests.support.servers import Postgres, Redis

pytestmark = pytest.mark.processes

SLEEPS = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
IGNORES = [SLEEPS[0], "-c", DEAF + SLEEPS[2]]
STARTS_AND_WAITS = """
import sys, time
from pathlib import Path
from tests.support.processes import Kept
process = Kept([sys.executable, "-c", "import time; time.sleep(600)"], log=Path(sys.argv[1]))
print(process.pid, flush=True)
time.sleep(600)
"""


def test_a_process_ends_when_the_one_who_wanted_it_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_AND_WAITS, tmp_path / "log"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert psutil.pid_exists(pid)

        starter.kill()

        wait_until(lambda: not psutil.pid_exists(pid), what="the orphan's end")


def test_a_process_that_is_asked_ends_and_tells_its_status(tmp_path: Path) -> None:
    process = Kept(SLEEPS, log=tmp_path / "log")
    wait_until(lambda: "up" in process.said(), process=process)

    assert process.stop() == 128 + signal.SIGTERM
    assert process.stop() == 128 + signal.SIGTERM
    assert not psutil.pid_exists(process.pid)


def test_a_process_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    process = Kept(IGNORES, log=tmp_path / "log", patience=0.1)
    wait_until(lambda: "up" in process.said(), process=process)

    assert process.stop() == 128 + signal.SIGKILL


def test_waiting_for_a_process_that_has_died_shows_what_it_said(tmp_path: Path) -> None:
    dies = [sys.executable, "-c", "print('no such table'); raise SystemExit(3)"]

    with (
        Kept(dies, log=tmp_path / "log") as process,
        pytest.raises(ProcessError, match=r"ended with 3.\nno such table"),
    ):
        wait_until(lambda: False, process=process)


def test_a_program_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="could not be started"):
        Kept([tmp_path / "nothing"], log=tmp_path / "log")


def test_postgresql_never_runs_as_root_and_keeps_its_data_when_killed(tmp_path: Path) -> None:
    with Postgres(tmp_path) as server:
        plain = server.url.replace("+psycopg", "")
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (n int)")
            connection.execute("INSERT INTO kept VALUES (48)")
            path = connection.execute("SHOW data_directory").fetchone()
        assert path is not None
        assert Path(path[0]).stat().st_uid != 0

        server.kill()
        server.start()

        with psycopg.connect(plain) as connection:
            assert connection.execute("SELECT n FROM kept").fetchall() == [(48,)]


def test_connections_to_postgresql_can_be_cut(postgres: Postgres) -> None:
    with psycopg.connect(postgres.url.replace("+psycopg", "")) as connection:
        assert postgres.cut_connections() >= 1

        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_redis_comes_back_where_it_was_with_nothing_in_it(tmp_path: Path) -> None:
    with Redis(tmp_path) as server, redis_client.from_url(server.url) as client:
        client.set("digest", "2026-W48")

        server.kill()
        server.start()

        assert client.get("digest") is None


def test_a_durable_redis_remembers(tmp_path: Path) -> None:
    with Redis(tmp_path, durable=True) as server, redis_client.from_url(server.url) as client:
        client.set("digest", "2026-W48")

        server.stop()
        server.start()

        assert client.get("digest") == b"2026-W48"


def test_a_port_is_one_runs_own_until_its_process_ends() -> None:
    port = free_port()
    asks = (
        "from tests.support.processes import free_port; import sys; free_port([int(sys.argv[1])])"
    )
    other = [sys.executable, "-c", asks, str(port)]

    refused = subprocess.run(other, cwd=ROOT, capture_output=True, text=True, check=False)

    assert "No port is free" in refused.stderr
    with pytest.raises(ProcessError, match="No port is free"):
        free_port([port])


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("status", [os.EX_TEMPFAIL, 1])
def test_a_part_that_ends_to_be_started_anew_is_and_any_other_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    (tmp_path / "newsletter").mkdir()
    (tmp_path / "newsletter" / "__main__.py").write_text(
        "import sys, time; from pathlib import Path; began = Path('began')\n"
        f"if not began.exists(): began.touch(); sys.exit({status})\n"
        "print('again', flush=True); time.sleep(600)"
    )
    monkeypatch.chdir(tmp_path)
    worker = launch.Part("worker", ("worker",))

    with launch.Service(tmp_path, (worker,)) as service:
        assert worker.process is not None
        assert worker.process.wait(30) == status
        failed = service.failed()

        assert failed is (None if status == os.EX_TEMPFAIL else worker)
        if failed is None:
            wait_until(lambda: "again" in service.log_of(worker).read_text(), what="a second start")


def test_a_server_looks_for_no_garbage_among_what_it_has_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: list[int] = []
    monkeypatch.setattr(serving, "set_up_logging", lambda: None)  # this process has its own
    monkeypatch.setattr("uvicorn.run", lambda *_, **__: kept.append(gc.get_freeze_count()))

    try:
        serving.web()
    finally:
        gc.unfreeze()

    assert kept[0] > 100_000
