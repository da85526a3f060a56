"""The web application on a real database, with one edition that three readers have."""

import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.testclient import TestClient

from newsletter.clock import utc_now
from newsletter.database import unit_of_work
from newsletter.links import Purpose
from newsletter.providers import provider
from newsletter.web.app import create_app
from tests.conftest import Configure
from tests.support.processes import free_port, running, wait_until
from tests.support.soundness import DESKTOP
from tests.web.scene import Sent, a_reader, a_sent_edition, link

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture
def database(request: pytest.FixtureRequest, configure: Configure) -> str:
    """SQLite, unless a claim about what is stored asks for ``on_both`` kinds."""
    kind = getattr(request, "param", "sqlite")
    url: str = request.getfixturevalue(f"{kind}_database")
    configure(database_url=url)
    return url


@pytest.fixture
def app(database: str, now: datetime) -> FastAPI:
    """The application, at whose doors it is always *now*."""
    made = create_app()
    made.dependency_overrides[utc_now] = lambda: now
    return made


@pytest.fixture
def web(app: FastAPI) -> Iterator[TestClient]:
    """Somebody at the door. What goes wrong inside is answered, as it would be in production."""
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


@pytest.fixture
def sent(database: str, now: datetime) -> Sent:
    """An edition that Ada, Grace and Linus were mailed, with the links in Ada's copy."""
    with unit_of_work() as session:
        names = ("ada", "grace", "linus")
        readers = [a_reader(session, f"{name}@readers.example", now=now) for name in names]
        digest = a_sent_edition(session, *readers, now=now)
        links = {purpose: link(purpose, digest, readers[0]) for purpose in Purpose}
        return Sent(
            digest_id=digest.id or 0,
            issue=digest.issue,
            ada=readers[0].id or 0,
            grace=readers[1].id or 0,
            unsubscribe=links[Purpose.unsubscribe],
            preferences=links[Purpose.preferences],
            view=links[Purpose.view],
            open=links[Purpose.open],
            click=links[Purpose.click],
            verdict=links[Purpose.verdict],
        )


@pytest.fixture
def site(app: FastAPI) -> Iterator[str]:
    """The application on a real port, as its address."""
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host="127.0.0.1",
            port=port,
            log_config=None,
            ws="none",
            timeout_graceful_shutdown=1,  # a page that is still open may follow for ever
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, what="the web server", within=20)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture
def mailbox(
    database: str, tmp_path: Path, configure: Configure, app: FastAPI
) -> Iterator[httpx.Client]:
    """A sandbox provider in a process of its own; here the web's clock is everybody's."""
    app.dependency_overrides.clear()
    port = free_port()
    configure(home=tmp_path / "var", sandbox_port=port, send_threads=1, approval_undo=2)
    surroundings = {
        "NEWSLETTER_HOME": str(tmp_path / "var"),
        "NEWSLETTER_SANDBOX_PORT": str(port),
        "NEWSLETTER_PORT": "9",  # nobody listens there
    }
    url = f"http://127.0.0.1:{port}"
    with (
        running("sandbox", folder=tmp_path, environment=surroundings, answers=f"{url}/"),
        httpx.Client(base_url=url, timeout=10) as client,
    ):
        yield client
        provider("sendgrid").close()


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    context = browser.new_context(viewport=DESKTOP)
    yield context.new_page()
    context.close()
