"""In a real browser, as an operator: read the next ten; skip, move, pause and run now; nothing for axe."""

from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Browser, expect

from digests.schedules.schedule import Holiday, Schedule
from newsletter import pulse
from newsletter.accounts.models import Role
from newsletter.database import unit_of_work
from newsletter.pulse import Part
from tests.support.soundness import is_sound
from tests.web.scene import Sent
from tests.web.staffing import signed_in_browser

pytestmark = pytest.mark.browser


@pytest.fixture
def weekly(site: str, sent: Sent, now: datetime) -> str:
    assert sent
    with unit_of_work() as session:
        before = now - timedelta(days=20)
        session.add(Schedule(name="weekly", weekday=0, zone="Europe/Berlin", installed_at=before))
        session.add(Holiday(on_date=(now + timedelta(days=14)).date(), name="St. Nobody's"))
        pulse.sign(session, Part.beat, "alpha:3", began_at=before, now=now)
        pulse.sign(session, Part.worker, "alpha:4", began_at=before, lag=0.2, now=now)
    return f"{site}/schedules"


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_an_operator_reads_the_next_ten_and_skips_moves_pauses_and_runs(
    browser: Browser, site: str, weekly: str, now: datetime, *, scripts: bool
) -> None:
    context = browser.new_context(java_script_enabled=scripts)
    signed_in_browser(context, site, roles={Role.operator}, now=now)
    page = context.new_page()
    page.goto(weekly)
    rows = page.get_by_role("region", name="The next ten sends").locator("tbody tr")
    expect(rows).to_have_count(10)
    expect(rows.filter(has_text="St. Nobody's")).to_have_count(1)
    done = page.get_by_role("status")

    def act(row: int, button: str) -> None:
        rows.nth(row).get_by_text("Change").focus()
        page.keyboard.press("Enter")
        rows.nth(row).get_by_role("button", name=button).focus()
        page.keyboard.press("Enter")

    act(1, "Leave it out")
    expect(done).to_have_text("The turn is left out.")
    expect(rows.nth(1)).to_contain_text("skipped")
    act(1, "Let it happen")
    expect(done).to_have_text("The turn happens after all.")
    rows.nth(2).get_by_text("Change").click()
    rows.nth(2).get_by_label("to, by the clocks of").fill("2026-12-09T11:00")
    rows.nth(2).get_by_role("button", name="Move it").click()
    expect(done).to_have_text("The turn is moved.")
    expect(rows.filter(has_text="instead of")).to_have_count(1)
    act(0, "Run it now")
    expect(done).to_have_text("It runs with the next tick.")
    page.get_by_text("Pause weekly…").click()
    page.get_by_label("until, by the clocks of").fill("2027-02-01")
    page.get_by_role("button", name="Pause weekly").click()
    expect(done).to_have_text("Paused.")
    page.get_by_role("button", name="End the pause of weekly").click()
    expect(done).to_have_text("The pause is over.")
    context.close()


def test_axe_finds_nothing_on_the_schedules_pages(
    browser: Browser,
    site: str,
    weekly: str,
    now: datetime,
) -> None:
    context = browser.new_context()
    signed_in_browser(context, site, roles={Role.operator}, now=now)
    page = context.new_page()
    for address in (weekly, f"{weekly}/weekly", f"{weekly}/new"):
        page.goto(address)
        is_sound(page)
    context.close()
