"""The web application on a real database, with one edition that three readers have."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from newsletter.clock import utc_now
from newsletter.database import unit_of_work
from newsletter.links import Purpose
from newsletter.web.app import create_app
from tests.conftest import Configure
from tests.web.scene import Sent, a_reader, a_sent_edition, link


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
