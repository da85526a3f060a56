"""In a real browser: the reports by day and night, wide and narrow, with nothing for axe to find."""

from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Browser, expect

from newsletter.accounts.models import Role
from newsletter.database import unit_of_work
from newsletter.feedback import recording, reporting
from subscribers.engagement import Reader
from tests.support.soundness import is_sound
from tests.web.scene import Sent
from tests.web.staffing import signed_in_browser
from tests.web.test_reports import clicked

pytestmark = pytest.mark.browser

_INK_AND_PAPER = """() => {
    const { color, backgroundColor } = getComputedStyle(document.querySelector(".panel"));
    return [color, backgroundColor];
}"""


def test_axe_finds_nothing_on_the_reports(
    browser: Browser,
    site: str,
    sent: Sent,
    now: datetime,
) -> None:
    later = now + timedelta(hours=1)
    with unit_of_work() as session:
        clicked(session, sent, sent.grace, 0, reader=Reader.person, at=later)
        recording.record_open(session, sent.open, machine=False, now=later)
    reporting.recount(sent.digest_id, now=later)
    context = browser.new_context()
    signed_in_browser(context, site, roles={Role.reader}, now=now)
    page = context.new_page()

    page.goto(f"{site}/reports")
    opened = page.get_by_role("figure", name="Opened, of those who got it")
    expect(opened.get_by_role("listitem")).to_have_text("W4833–67%")  # noqa: RUF001 - as it is printed
    certain, possible = (
        opened.locator(f"rect.{part}").bounding_box() for part in ("certain", "possible")
    )
    assert certain is not None
    assert possible is not None
    assert certain["width"] == pytest.approx(possible["width"] / 2, rel=0.02)
    is_sound(page)
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.get_by_role("link", name="CSV")).to_be_hidden()
    ink, paper = page.evaluate(_INK_AND_PAPER)
    assert (ink, paper) == ("rgb(21, 23, 28)", "rgb(255, 255, 255)"), "dark on white, even by night"
    page.emulate_media(media="screen", color_scheme="light")
    page.get_by_role("link", name=sent.issue).click()
    is_sound(page)
    context.close()
