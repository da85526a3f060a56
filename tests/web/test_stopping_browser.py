"""An operator stops a real send on the console and lets it go on: real workers, a real provider.

PostgreSQL and Redis, beat and two worker processes, the sandbox provider over HTTP and a browser.
While the send goes Olga presses Pause; nothing that no worker held at that moment is claimed any
more. She presses Resume, and at the end each reader has been sent one copy.
"""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx
import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, expect
from sqlalchemy import func
from sqlmodel import col, select

from digests.models import Batch, BatchStatus, Digest, DigestStatus
from newsletter.accounts.models import Role
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from tests.conftest import Configure
from tests.support.editions import a_sending_digest, readers
from tests.support.processes import free_port, running, wait_until
from tests.support.servers import Redis
from tests.web.staffing import signed_in_browser

pytestmark = [pytest.mark.browser, pytest.mark.processes]

READERS: Final = 400
OUR_HANDS: Final = 2 * 2  # batches at a time: processes, and calls in each


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_running_send_stops_within_one_batch_and_goes_on_without_anybody_twice(  # noqa: PLR0917 - fixtures
    browser: Browser,
    app: FastAPI,
    site: str,
    redis: Redis,
    database: str,
    configure: Configure,
    tmp_path: Path,
) -> None:
    app.dependency_overrides.clear()
    settings = {
        "database_url": database,
        "broker_url": redis.url,
        "redis_url": redis.url,
        "home": str(tmp_path / "var"),
        "sandbox_port": str(free_port()),
        "tick": "0.5",
        "send_processes": "2",
        "send_threads": "2",
    }
    configure(**settings)
    with unit_of_work() as session:
        readers(session, READERS, now=utc_now())
        a_sending_digest(session, now=utc_now(), batch_size=2)
    context = browser.new_context()
    signed_in_browser(context, site, roles={Role.operator}, name="Olga")
    page = context.new_page()
    surroundings = {f"NEWSLETTER_{name.upper()}": value for name, value in settings.items()}
    sandbox = f"http://127.0.0.1:{settings['sandbox_port']}"

    with ExitStack() as stack:
        start = {"folder": tmp_path, "environment": surroundings}
        stack.enter_context(running("sandbox", answers=f"{sandbox}/", **start))  # type: ignore[arg-type]  # names of two kinds in one
        slow = {"rules": [{"kind": "slow", "rate": 1.0, "seconds": 0.25}]}
        httpx.put(f"{sandbox}/sandbox/faults", json=slow).raise_for_status()
        worker = stack.enter_context(running("worker", "--processes", "2", **start))  # type: ignore[arg-type]  # the same
        stack.enter_context(running("beat", **start))  # type: ignore[arg-type]  # the same
        page.goto(f"{site}/console")
        wait_until(lambda: batches()["accepted"] > 3, process=worker, within=60, what="a start")

        page.get_by_label("Why").first.fill("a wrong price in the lead")
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_role("status").filter(has_text="It is paused")).to_be_visible()
        at_once = batches()
        wait_until(lambda: batches()["claimed"] == 0, within=30, what="what was in flight")
        expect(page.locator("#live")).to_contain_text("a wrong price in the lead")
        page.wait_for_timeout(2500)  # as long as several ticks
        later = batches()

        assert later["planned"] == at_once["planned"] > READERS / 4
        assert at_once["claimed"] <= OUR_HANDS
        assert later["accepted"] == at_once["accepted"] + at_once["claimed"]

        httpx.put(f"{sandbox}/sandbox/faults", json={"rules": []}).raise_for_status()
        page.get_by_role("button", name="Resume").click()
        expect(page.get_by_role("status").filter(has_text="goes on")).to_be_visible()
        wait_until(is_sent, process=worker, within=60, what="the rest of the send")
        received = recipients(sandbox)
    context.close()

    assert len(received) == READERS
    assert set(received.values()) == {1}


def batches() -> Counter[str]:
    """How many are in which state."""
    with reading() as session:
        rows = session.exec(
            select(Batch.status, func.count()).group_by(col(Batch.status)).order_by(None)
        ).all()
    return Counter({str(BatchStatus(status)): count for status, count in rows})


def is_sent() -> bool:
    with reading() as session:
        return session.exec(select(Digest.status)).one() is DigestStatus.sent


def recipients(sandbox: str) -> Counter[str]:
    """Who was sent how many copies, as the provider has it."""
    found: Counter[str] = Counter()
    after = 0
    with httpx.Client(base_url=sandbox, timeout=10) as client:
        while messages := (
            client.get("/sandbox/mailbox.json", params={"after": after}).raise_for_status().json()
        )["messages"]:
            found.update(one["recipient"] for one in messages)
            after = max(one["id"] for one in messages)
    return found
