"""In a real browser: in by a mailed link and a code, and nothing for axe to find at the door or behind it."""

from datetime import datetime, timedelta

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, expect

from newsletter.accounts import audit, tokens
from newsletter.accounts.models import Role
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from tests.support.processes import wait_until
from tests.support.soundness import DESKTOP, is_sound
from tests.web.staffing import an_account, code_at, comes_in, signed_in_browser
from tests.web.test_mailed_link import ADA, letters, mailed_path

pytestmark = pytest.mark.browser


def test_in_by_a_mailed_link_and_from_then_on_by_a_code_as_well(
    browser: Browser, app: FastAPI, site: str, now: datetime
) -> None:
    with unit_of_work() as session:
        an_account(session, roles={Role.editor}, now=now)
    context = browser.new_context(java_script_enabled=False, viewport=DESKTOP)
    page = context.new_page()
    asked = 0

    def mailed() -> int:
        with reading() as session:
            return len(letters(session))

    def asks_for_a_link() -> None:
        nonlocal asked
        asked += 1
        page.goto(f"{site}/account")
        page.get_by_label("Email address").fill(ADA)
        page.get_by_role("button", name="Mail me a link instead").press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mail")
        # It is written once the page has been answered.
        wait_until(lambda: mailed() == asked, within=20, what="a letter with a new link")
        page.goto(site + mailed_path())
        page.get_by_role("button", name="Sign in as Ada").press("Enter")

    asks_for_a_link()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ada")

    page.get_by_role("link", name="Set it up").click()
    secret = page.locator("input[name=secret]").get_attribute("value") or ""
    page.get_by_label("Six digits").fill(code_at(now, secret))
    page.get_by_role("button", name="Ask me for a code").click()
    recovery = page.locator(".codes code").all_inner_texts()
    assert len(recovery) == 10
    page.get_by_role("button", name="Sign out").click()

    asks_for_a_link()
    page.get_by_label("Code").fill(code_at(now, secret))  # it has been used
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_contain_text("used already")
    later = now + timedelta(seconds=30)
    app.dependency_overrides[utc_now] = lambda: later
    page.get_by_label("Code").fill(code_at(later, secret))
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("By mailed link")).to_have_count(1)

    page.get_by_role("button", name="Sign out").click()
    asks_for_a_link()
    page.get_by_label("Code").fill(recovery[3])
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("9 recovery codes are left")).to_be_visible()
    context.close()


def test_axe_finds_nothing_at_the_door_and_behind_it(
    browser: Browser, site: str, now: datetime
) -> None:
    context = browser.new_context(viewport=DESKTOP)
    page = context.new_page()
    page.goto(f"{site}/sign-in")
    page.get_by_label("Email address").fill(ADA)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in", exact=True).click()
    is_sound(page, "door")

    me = signed_in_browser(context, site, now=now)
    comes_in(roles={Role.editor}, name="Grace", now=now)
    with unit_of_work() as session:
        ada = an_account(session, now=now)
        tokens.make(session, ada, "the build", by="Ada", now=now)
        long = {"subject": "Free weights, two dissents: who pays for a 2B model?"}
        audit.note(
            session,
            by="Grace",
            action="digest.edited",
            subject="2026-W48",
            before=long,
            after={"subject": "The SQLite of LLMs", "version": 7},
            now=now,
        )
    for name, path in (
        ("account", "/account"),
        ("second-step", "/account/second-step"),
        ("accounts", "/accounts"),
        ("account-of", f"/accounts/{me.account_id + 1}"),
        ("audit", "/audit"),
    ):
        page.goto(site + path)
        is_sound(page, name)
    context.close()
