"""In a real browser: the reports by day and night, wide and narrow, with nothing for axe to find."""

from datetime import datetime, timedelta
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ViewportSize, expect

from newsletter import recording, reporting
from newsletter.accounts.models import Role
from newsletter.database import unit_of_work
from subscribers.engagement import Reader
from tests.web.scene import LOOKS, Sent
from tests.web.staffing import signed_in_browser
from tests.web.test_reports import clicked

pytestmark = pytest.mark.browser


@LOOKS
def test_axe_finds_nothing_on_the_reports(  # noqa: PLR0917 - what it is looked at with
    browser: Browser,
    site: str,
    sent: Sent,
    now: datetime,
    scheme: Literal["light", "dark"],
    size: ViewportSize,
) -> None:
    later = now + timedelta(hours=1)
    with unit_of_work() as session:
        clicked(session, sent, sent.grace, 0, reader=Reader.person, at=later)
        recording.record_open(session, sent.open, machine=False, now=later)
    reporting.recount(sent.digest_id, now=later)
    context = browser.new_context(color_scheme=scheme, viewport=size)
    signed_in_browser(context, site, roles={Role.reader}, now=now)
    page = context.new_page()

    page.goto(f"{site}/reports")
    expect(page.get_by_role("img", name="Opened")).to_be_visible()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.get_by_role("link", name=sent.issue).click()
    found = Axe().run(page)

    assert found.violations_count == 0, found.generate_report()
    context.close()
