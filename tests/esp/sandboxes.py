"""A sandbox behind a real socket, for adapters to speak to, with a webhook that listens."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from newsletter.clock import utc_now
from newsletter.esp import Esp
from newsletter.sandbox.config import Delays, Keys, SandboxConfig, fresh_keys
from newsletter.sandbox.server import server
from tests.esp.providers import MAKES


@dataclass
class Sandbox:
    """A sandbox that runs, what it is told, and what its webhooks said."""

    keys: Keys
    http: httpx.Client
    heard: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    made: list[Esp] = field(default_factory=list)
    hook: str = ""  # where webhooks go, with {provider} in it

    @property
    def url(self) -> str:
        return str(self.http.base_url).rstrip("/")

    def adapter(self, name: str, **more: Any) -> Esp:
        keys = self.keys
        words: dict[str, dict[str, Any]] = {
            "sendgrid": {
                "api_key": keys.sendgrid_api_key,
                "webhook_key": keys.sendgrid_public_key,
            },
            "resend": {
                "api_key": keys.resend_api_key,
                "webhook_key": keys.resend_webhook_secret,
            },
            "mailgun": {
                "api_key": keys.mailgun_api_key,
                "webhook_key": keys.mailgun_signing_key,
            },
            "postmark": {
                "api_key": keys.postmark_server_token,
                "webhook_user": keys.postmark_webhook_user,
                "webhook_key": keys.postmark_webhook_password,
            },
            "ses": {
                "key_id": keys.ses_access_key_id,
                "api_key": keys.ses_secret_access_key,
                "region": keys.ses_region,
                "topics": [keys.ses_topic_arn],
                "origins": [self.url],
                "clock": utc_now,
            },
            "brevo": {
                "api_key": keys.brevo_api_key,
                "webhook_user": keys.brevo_webhook_user,
                "webhook_key": keys.brevo_webhook_password,
            },
        }
        made = MAKES[name](**(words[name] | {"base_url": self.url, "timeout": 60.0} | more))
        self.made.append(made)
        return made

    def order(self, kind: str, **more: Any) -> None:
        self.http.put(
            "/sandbox/faults", json={"rules": [{"kind": kind, **more}]}
        ).raise_for_status()

    def calm(self) -> None:
        self.http.delete("/sandbox/faults").raise_for_status()

    def stand(self, **how: Any) -> None:
        """Let the accounts stand as they should, save for *how*."""
        self.http.put("/sandbox/account", json=how).raise_for_status()

    def messages(self, **where: str) -> list[dict[str, Any]]:
        found = self.http.get("/sandbox/mailbox.json", params=where).raise_for_status().json()
        whole = [
            self.http.get(f"/sandbox/messages/{m['id']}.json").json() for m in found["messages"]
        ]
        return sorted(whole, key=lambda message: str(message["ref"]))


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    heard: list[tuple[str, dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            heard.append((self.path.strip("/"), headers, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Tests print enough."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as hook:
        hook.daemon_threads = True
        listening = threading.Thread(target=hook.serve_forever, daemon=True)
        listening.start()
        config = SandboxConfig(
            store=tmp_path_factory.mktemp("sandbox") / Path("sandbox.db"),
            keys=fresh_keys(),
            port=a_free_port(),
            webhook_url=f"http://127.0.0.1:{hook.server_port}/{{provider}}",
            batch_interval=0.05,
            delays=Delays(
                processed=0, delivered=0.02, deferred=0.02, failed=0.02, reaction=0.05, index=0
            ),
        )
        serving = server(config)
        thread = threading.Thread(target=lambda: asyncio.run(serving.serve()), daemon=True)
        thread.start()
        wait_until(lambda: serving.started)
        with httpx.Client(base_url=config.url, timeout=60) as http:
            yield Sandbox(config.keys, http, heard, hook=str(config.webhook_url))
        serving.should_exit = True
        thread.join(20)
        hook.shutdown()
        listening.join(5)


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    """Empty, on a quiet day."""
    running.calm()
    running.http.post("/sandbox/reset").raise_for_status()
    running.stand()
    running.heard.clear()
    yield running
    while running.made:
        running.made.pop().close()


def a_free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def wait_until(holds: Callable[[], Any]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "It did not come about within 30 seconds."
        time.sleep(0.01)
