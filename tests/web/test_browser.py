"""In a real browser: leaving by keyboard alone, without scripts; nothing for axe to find."""

from datetime import datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from newsletter.database import unit_of_work
from tests.support.soundness import PHONE, is_sound
from tests.web.scene import Sent, a_draft, status_of

pytestmark = pytest.mark.browser


def test_a_reader_leaves_with_the_keyboard_alone_and_without_scripts(
    browser: Browser, site: str, sent: Sent
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    page = context.new_page()
    page.goto(f"{site}/u/{sent.unsubscribe}")

    for _ in range(3):
        page.keyboard.press("Tab")
        if page.locator("button:focus").count():
            break
    assert status_of(sent.ada) == "active"
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("You are unsubscribed")
    assert status_of(sent.ada) == "unsubscribed"
    page.reload()  # the form is sent once more, and nothing is wrong with that
    expect(page.get_by_role("heading", level=1)).to_have_text("You are unsubscribed")
    context.close()


def test_a_reader_switches_tracking_off_with_the_keyboard_and_sees_that_it_is(
    page: Page, site: str, sent: Sent
) -> None:
    page.goto(f"{site}/p/{sent.preferences}")

    page.get_by_role("button", name="Record nothing about me").focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("status")).to_contain_text("neither opens nor clicks")
    expect(page.get_by_role("button", name="Record opens and clicks again")).to_be_visible()


def test_the_front_page_follows_what_happens_without_being_asked(
    page: Page, site: str, sent: Sent
) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.goto(site)
    expect(page.get_by_text("opened by 0 readers")).to_be_visible()
    page.locator("#preview").focus()

    page.request.get(f"{site}/o/{sent.open}.gif", headers={"user-agent": "Thunderbird"})

    expect(page.get_by_text("opened by 1 reader,")).to_be_visible(timeout=15_000)
    expect(page.locator("#preview")).to_be_focused()
    assert errors == []


def test_without_scripts_the_front_page_reloads_itself(
    browser: Browser, site: str, sent: Sent
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site)

    page.request.get(f"{site}/o/{sent.open}.gif", headers={"user-agent": "Thunderbird"})

    expect(page.get_by_text("opened by 1 reader,")).to_be_visible(timeout=15_000)
    context.close()


def test_the_mail_in_the_browser_shows_its_styles_and_leads_to_leaving(
    page: Page, site: str, sent: Sent
) -> None:
    page.goto(f"{site}/v/{sent.view}")

    size = page.locator("h1").first.evaluate("one => getComputedStyle(one).fontSize")
    link = page.get_by_role("link", name="Unsubscribe").first.get_attribute("href")

    assert float(size.removesuffix("px")) >= 30
    assert link is not None
    assert link.endswith(f"/u/{sent.unsubscribe}")


def test_axe_finds_nothing_on_any_page_and_none_scrolls_sideways(
    browser: Browser,
    site: str,
    sent: Sent,
) -> None:
    context = browser.new_context()
    page = context.new_page()
    gone = f"{site}/u/{sent.preferences}"
    for address in (
        site,
        f"{site}/u/{sent.unsubscribe}",
        f"{site}/p/{sent.preferences}",
        f"{site}/digests/{sent.issue}?width=phone",
        f"{site}/digests/{sent.issue}?width=text",
        f"{site}/compare/smolvlm2-2b-vs-mistral-8b-instruct-v3",
        f"{site}/compare/smolvlm2-2b-vs-mistral-large-3",
        f"{site}/archive",
        f"{site}/archive/personal",
        gone,
    ):
        page.goto(address)
        is_sound(page)
    # A page with the mail in it runs no script, not even axe's: its HTML is looked at by itself.
    page.goto("about:blank")
    page.set_content(page.request.get(f"{site}/archive/{sent.issue}").text())
    is_sound(page)
    page.goto(f"{site}/u/{sent.unsubscribe}")
    page.get_by_role("button", name="Unsubscribe").click()
    is_sound(page)
    context.close()


def test_axe_finds_nothing_before_the_first_edition_and_on_a_draft(
    page: Page, site: str, now: datetime
) -> None:
    page.goto(site)
    is_sound(page)

    with unit_of_work() as session:
        a_draft(session, now=now)
    page.goto(site)
    is_sound(page)


def test_no_reader_page_holds_a_script(page: Page, site: str, sent: Sent) -> None:
    for path in (f"/u/{sent.unsubscribe}", f"/p/{sent.preferences}", f"/v/{sent.view}"):
        page.goto(site + path)
        assert page.locator("script").count() == 0
