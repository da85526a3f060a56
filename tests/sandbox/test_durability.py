"""Whatever the sandbox answered 2xx for is still there after SIGKILL, and so are its keys."""

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sized
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from newsletter.sandbox.config import Keys
from newsletter.sandbox.store import Store
from tests.sandbox.calls import a_mail, a_person, an_email
from tests.sandbox.conftest import Hook, WaitUntil

SERVE = """
import json, pathlib, sys
from newsletter.sandbox.config import Delays, Keys, SandboxConfig
from newsletter.sandbox.server import serve
told = json.loads(sys.argv[1])
serve(SandboxConfig(
    store=pathlib.Path(told["store"]), keys=Keys(**told["keys"]), port=told["port"],
    webhook_url=told["hook"], batch_interval=0.1, delays=Delays(processed=0.1, delivered=0.3),
))
"""


class Process:
    """A sandbox as a process of its own, to be killed."""

    def __init__(self, store: Path, keys: Keys, hook: str | None) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        told = {"store": str(store), "keys": keys.as_dict(), "port": port, "hook": hook}
        self._arguments = [sys.executable, "-c", SERVE, json.dumps(told)]
        self.url = f"http://127.0.0.1:{port}"
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._arguments)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                httpx.get(f"{self.url}/sandbox/health", timeout=1)
            except httpx.HTTPError:
                assert self.process.poll() is None
                time.sleep(0.05)
            else:
                return
        pytest.fail("The sandbox did not start.")

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(30)


@pytest.fixture
def process(tmp_path: Path, keys: Keys, hook: Hook) -> Iterator[Process]:
    started = Process(tmp_path / "sandbox.db", keys, hook.url)
    yield started
    if started.process.poll() is None:
        started.end(signal.SIGKILL)


@pytest.mark.processes
def test_a_kill_in_the_middle_of_a_send_loses_nothing_that_was_answered(
    process: Process, keys: Keys, hook: Hook, wait_until: WaitUntil
) -> None:
    mine = {"authorization": f"Bearer {keys.sendgrid_api_key}"}
    answered: set[str] = set()
    stop = threading.Event()

    def send() -> None:
        number = 0
        with httpx.Client(base_url=process.url, headers=mine, timeout=5) as http:
            while not stop.is_set():
                people = [a_person(number + i) for i in range(20)]
                try:
                    answer = http.post("/v3/mail/send", json=a_mail(*people))
                except httpx.HTTPError:
                    number += 20
                    time.sleep(0.01)
                    continue
                if answer.status_code == 202:
                    answered.update(f"d-{number + i}" for i in range(20))
                number += 20

    sender = threading.Thread(target=send)
    sender.start()
    for _ in range(3):
        wait_until(partial(longer_than, answered, len(answered) + 200))
        process.end(signal.SIGKILL)
        process.start()
    stop.set()
    sender.join()

    lines = httpx.get(f"{process.url}/sandbox/recipients.ndjson").text.splitlines()
    kept = [json.loads(line)["ref"] for line in lines]
    assert answered <= set(kept)
    assert len(kept) == len(set(kept))
    told = {"processed", "delivered"}
    wait_until(
        lambda: (
            {(ref, kind) for ref in kept for kind in told}
            <= {(event["nl_delivery"], event["event"]) for event in hook.events()}
        )
    )


@pytest.mark.processes
def test_a_key_is_remembered_after_a_kill(process: Process, keys: Keys) -> None:
    mine = {"authorization": f"Bearer {keys.resend_api_key}", "idempotency-key": "k-1"}

    def send() -> Any:
        return httpx.post(f"{process.url}/emails/batch", json=[an_email()], headers=mine).json()

    first = send()
    process.end(signal.SIGKILL)
    process.start()

    assert send() == first
    assert httpx.get(f"{process.url}/sandbox/counts.json").json()["messages"] == 1


@pytest.mark.processes
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_when_it_is_told_to(process: Process, how: signal.Signals) -> None:
    assert process.end(how) == 0


def test_a_mailbox_of_another_version_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.db"
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE call (id INTEGER)")
    old.close()

    store = Store(path)

    assert store.read().execute("SELECT count(*) FROM message").fetchone()[0] == 0
    store.close()
    assert (tmp_path / "sandbox.db.v0").exists()


def longer_than(seen: Sized, length: int) -> bool:
    return len(seen) > length
