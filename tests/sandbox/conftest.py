"""A sandbox to speak to: in this process with a clock of its own, or behind a real socket."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from newsletter.sandbox.app import create_app
from newsletter.sandbox.config import Delays, Keys, SandboxConfig, fresh_keys
from newsletter.sandbox.server import Server, server

#: Ask until it is true, and fail after a while.
WaitUntil = Callable[[Callable[[], Any]], Any]


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment

    def tick(self, **by: float) -> None:
        self.moment += timedelta(**by)


@dataclass
class Hook:
    """A webhook endpoint: what it heard, and what it answers next (204 when nothing is left)."""

    url: str
    heard: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def events(self) -> list[dict[str, Any]]:
        """Everything heard, whether it came in lists or alone."""
        whole: list[dict[str, Any]] = []
        for _, _, body in self.heard:
            said = json.loads(body)
            whole += said if isinstance(said, list) else [said]
        return whole


@pytest.fixture
def wait_until() -> WaitUntil:
    def wait(holds: Callable[[], Any]) -> Any:
        end = time.monotonic() + 30
        while not (found := holds()):
            if time.monotonic() > end:
                pytest.fail("It did not come about within 30 seconds.")
            time.sleep(0.02)
        return found

    return wait


@pytest.fixture(scope="session")
def keys() -> Keys:
    return fresh_keys()


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2026, 11, 23, 8, 0, tzinfo=UTC))


@pytest.fixture
def config(tmp_path: Path, keys: Keys) -> SandboxConfig:
    return SandboxConfig(store=tmp_path / "sandbox.db", keys=keys)


@pytest.fixture
def client(config: SandboxConfig, clock: Clock) -> Iterator[TestClient]:
    """The sandbox in this process, without webhooks, at a moment of its own."""
    with TestClient(create_app(config, clock=clock)) as http:
        yield http


@pytest.fixture
def sendgrid(client: TestClient, keys: Keys) -> Callable[..., Any]:
    """Post a SendGrid mail."""

    def send(mail: object, **headers: str) -> Any:
        given = {"authorization": f"Bearer {keys.sendgrid_api_key}", **headers}
        return client.post("/v3/mail/send", json=mail, headers=given)

    return send


@pytest.fixture
def resend(client: TestClient, keys: Keys) -> Callable[..., Any]:
    """Post a Resend batch, or a single email."""

    def send(body: object, path: str = "/emails/batch", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {"authorization": f"Bearer {keys.resend_api_key}", **named}
        return client.post(path, json=body, headers=given)

    return send


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A webhook endpoint on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            lowered = {name.lower(): value for name, value in self.headers.items()}
            heard.heard.append((self.path, lowered, body))
            self.send_response(heard.answers.pop(0) if heard.answers else 204)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Tests print enough."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        heard = Hook(f"http://127.0.0.1:{listening.server_port}")
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield heard
        listening.shutdown()
        thread.join()


class Sandboxes:
    """Sandboxes behind real sockets, each on a thread of its own."""

    def __init__(self, config: SandboxConfig) -> None:
        self._config = config
        self._running: dict[httpx.Client, tuple[Server, threading.Thread]] = {}

    def __call__(self, **changes: Any) -> httpx.Client:
        """Start one with changes to its configuration; the client speaks to it."""
        quick = Delays(
            processed=0, delivered=0.05, deferred=0.05, failed=0.05, reaction=0.1, index=0
        )
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        settings = replace(
            self._config, **({"delays": quick, "batch_interval": 0.05, "port": port} | changes)
        )
        serving = server(settings)
        thread = threading.Thread(target=lambda: asyncio.run(serving.serve()), daemon=True)
        thread.start()
        while not serving.started:
            assert thread.is_alive()
            time.sleep(0.01)
        http = httpx.Client(base_url=settings.url, timeout=10)
        self._running[http] = (serving, thread)
        return http

    def stop(self, http: httpx.Client) -> None:
        serving, thread = self._running.pop(http)
        http.close()
        serving.should_exit = True
        thread.join(20)
        assert not thread.is_alive()

    def stop_all(self) -> None:
        for http in list(self._running):
            self.stop(http)


@pytest.fixture
def running(config: SandboxConfig) -> Iterator[Sandboxes]:
    sandboxes = Sandboxes(config)
    yield sandboxes
    sandboxes.stop_all()
