"""In a real browser: from the mail's link to a vote, by keyboard and without scripts; nothing for axe."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import Configure
from tests.support.soundness import PHONE, is_sound
from tests.web.scene import Sent

pytestmark = pytest.mark.browser


def test_a_reader_votes_keeps_changes_their_mind_and_sees_it_on_the_compare_page(
    browser: Browser, site: str, sent: Sent, configure: Configure
) -> None:
    configure(votes_haste=0)  # the clock of this test stands still
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    page = context.new_page()
    page.goto(f"{site}/b/{sent.verdict}/smolvlm2/ship")
    expect(page.get_by_text("Nothing has been changed yet.")).to_be_visible()

    page.get_by_role("button", name="Ship it").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("your vote is in")
    page.get_by_role("button", name="Keep for later").click()
    page.goto(f"{site}/b/{sent.verdict}/smolvlm2/skip")
    page.get_by_role("button", name="Skip it").click()
    expect(page.get_by_role("heading", name="Your verdict: Skip · kept")).to_be_visible()

    page.goto(f"{site}/compare/smolvlm2-vs-mistral-3-small")
    expect(page.locator("#vote")).to_contain_text("Your verdict: Skip · kept")
    page.locator("#vote").get_by_role("button", name="Take back my vote").click()
    expect(page).to_have_url(re.compile("#vote$"))
    expect(page.locator("#vote")).to_contain_text("You have not voted · kept")
    page.get_by_role("link", name="All you keep and have voted on").click()
    expect(page.get_by_role("heading", name="SmolVLM2")).to_be_visible()
    page.get_by_role("button", name="Let this device forget me").click()
    page.goto(f"{site}/compare/smolvlm2-vs-mistral-3-small")
    expect(page.locator("#vote")).to_contain_text("Subscribers vote")
    context.close()


def test_axe_finds_nothing_on_a_readers_pages(
    browser: Browser, site: str, sent: Sent, configure: Configure
) -> None:
    configure(votes_haste=0)
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{site}/b/{sent.verdict}/smolvlm2/keep")
    page.get_by_role("button", name="Keep it").click()
    for path in (
        f"/b/{sent.verdict}/smolvlm2/ship",
        f"/b/{sent.verdict}/smolvlm2/keep",
        f"/kept/{sent.verdict}",
        "/compare/smolvlm2-vs-mistral-3-small",
    ):
        page.goto(site + path)
        is_sound(page)
    context.close()
