"""In a real browser: an operator stops a send within one batch and resumes it, and axe finds nothing."""

from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Browser, expect

from newsletter import pulse
from newsletter.accounts.models import Role
from newsletter.database import unit_of_work
from newsletter.delivery.circuit import Circuit
from newsletter.pulse import Part
from tests.support.editions import a_sending_digest, readers
from tests.support.soundness import is_sound
from tests.web.staffing import signed_in_browser
from tests.web.test_console import may_claim

pytestmark = pytest.mark.browser


@pytest.fixture
def digest_id(site: str, now: datetime) -> int:
    assert site
    with unit_of_work() as session:
        readers(session, 50, now=now)
        pulse.sign(session, Part.worker, "alpha:12", began_at=now, lag=0.2, doing="send", now=now)
        gone = now - timedelta(minutes=5)
        pulse.sign(session, Part.beat, "alpha:11", began_at=gone, now=gone)
        session.add(Circuit(provider="resend", failures=2, reason="503: maintenance"))
        return a_sending_digest(session, now=now, batch_size=10).id or 0


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_an_operator_stops_a_send_by_keyboard_and_resumes_it(
    browser: Browser, site: str, digest_id: int, now: datetime, *, scripts: bool
) -> None:
    context = browser.new_context(java_script_enabled=scripts)
    signed_in_browser(context, site, roles={Role.operator}, now=now)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{site}/console")

    page.get_by_label("Why").first.fill("a wrong price in the lead")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="It is paused")).to_be_visible()
    expect(page.locator("#live")).to_contain_text("a wrong price in the lead")
    assert not may_claim(digest_id, now)
    page.get_by_role("button", name="Resume").click()

    expect(page.get_by_role("status").filter(has_text="goes on")).to_be_visible()
    assert may_claim(digest_id, now)
    assert errors == []
    context.close()


def test_it_follows_what_happens_and_leaves_whoever_types_alone(
    browser: Browser, site: str, digest_id: int, now: datetime
) -> None:
    context = browser.new_context()
    signed_in_browser(context, site, roles={Role.operator}, now=now)
    page = context.new_page()
    page.goto(f"{site}/console")
    expect(page.locator("#live")).not_to_contain_text("In workers")

    assert may_claim(digest_id, now)
    expect(page.locator("#live")).to_contain_text("In workers", timeout=15_000)

    page.get_by_label("Why").first.fill("half a")
    with unit_of_work() as session:
        pulse.leave(session, Part.worker, "alpha:12", now=now)
    page.wait_for_timeout(3000)  # longer than the script's own wait
    expect(page.get_by_label("Why").first).to_have_value("half a")
    page.get_by_label("Why").first.fill("")
    page.get_by_role("heading", name="Console").click()
    expect(page.locator("#live")).to_contain_text("No worker has been seen", timeout=15_000)
    context.close()


def test_axe_finds_nothing_on_the_console(
    browser: Browser,
    site: str,
    digest_id: int,
    now: datetime,
) -> None:
    assert digest_id
    context = browser.new_context()
    signed_in_browser(context, site, roles={Role.operator}, now=now)
    page = context.new_page()
    page.goto(f"{site}/console")

    is_sound(page)
    context.close()
