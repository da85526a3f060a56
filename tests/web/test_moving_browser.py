"""Pace and a change of address in a real browser: by keyboard, without scripts, and nothing for axe."""

import pytest
from playwright.sync_api import Browser, Page, expect

from newsletter.database import reading
from newsletter.service_mail import Kind
from subscribers.models import Subscriber
from tests.support.soundness import PHONE, is_sound
from tests.web.scene import Sent
from tests.web.test_privacy import mailed

pytestmark = pytest.mark.browser


def press(page: Page, name: str) -> None:
    """Come to the button with the tab key alone, and press it."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.locator("button:focus", has_text=name).count():
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"the keyboard does not reach {name}")


def test_fewer_mails_and_another_address_by_keyboard_and_without_scripts(
    browser: Browser, site: str, sent: Sent
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    page = context.new_page()
    title = page.get_by_role("heading", level=1)

    page.goto(f"{site}/u/{sent.unsubscribe}")
    press(page, "Stay, with fewer")
    expect(page.get_by_role("status")).to_contain_text("You get the first edition of each month")
    page.get_by_label("Not until the day below").focus()
    page.keyboard.press("Space")
    page.get_by_label("The pause ends on").focus()
    page.keyboard.type("01032027")
    press(page, "Save the pace")
    expect(page.get_by_role("status")).to_contain_text("Nothing comes before 3 January 2027")

    page.get_by_label("The new address").focus()
    page.keyboard.type("ada.king@elsewhere.example")
    page.keyboard.press("Enter")
    expect(title).to_have_text("Look into both inboxes")
    page.goto(site + mailed(Kind.move_from))
    press(page, "Yes, move it")
    expect(title).to_have_text("One press is still to come")
    page.goto(site + mailed(Kind.move_to))
    press(page, "Yes, send it here")
    expect(title).to_have_text("The address is changed")
    context.close()

    with reading() as session:
        person = session.get_one(Subscriber, sent.ada)
        assert person.address == "ada.king@elsewhere.example"
        assert (person.pace, str(person.paused_until)) == ("monthly", "2027-01-03")


def test_axe_finds_nothing_on_these_pages(browser: Browser, site: str, sent: Sent) -> None:
    context = browser.new_context()
    page = context.new_page()
    seen: list[str] = []

    def look() -> None:
        seen.append(page.get_by_role("heading", level=1).inner_text())
        is_sound(page)

    page.goto(f"{site}/u/{sent.unsubscribe}")
    look()
    page.goto(f"{site}/p/{sent.preferences}")
    look()
    page.get_by_label("The new address").fill("ada.king@elsewhere.example")
    page.get_by_role("button", name="Write to both").click()
    look()
    for kind, button in ((Kind.move_from, "Yes, move it"), (Kind.move_to, "Yes, send it here")):
        page.goto(site + mailed(kind))
        look()
        page.get_by_role("button", name=button).click()
        look()
    context.close()

    assert seen[-1] == "The address is changed"
    assert len(seen) == 7
