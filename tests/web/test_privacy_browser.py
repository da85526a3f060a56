"""The pages about being told, erased and leaving, in a real browser: nothing for axe, by day and by night."""

import pytest
from playwright.sync_api import Browser

from newsletter.service_mail import Kind
from tests.support.soundness import is_sound
from tests.web.scene import ADA, Sent
from tests.web.test_privacy import mailed

pytestmark = pytest.mark.browser


def test_axe_finds_nothing_from_asking_to_being_erased(
    browser: Browser, site: str, sent: Sent
) -> None:
    context = browser.new_context()
    page = context.new_page()
    seen: list[str] = []

    def look() -> None:
        seen.append(page.get_by_role("heading", level=1).inner_text())
        is_sound(page)

    page.goto(f"{site}/u/{sent.unsubscribe}")
    look()
    page.goto(f"{site}/privacy")
    look()
    for wanted, button, kind in (
        ("Tell me what is known", "Send it to me", Kind.export_link),
        ("Erase me", "Erase me", Kind.erase_link),
    ):
        page.goto(f"{site}/privacy")
        page.get_by_label("Your address").fill(ADA)
        page.get_by_role("button", name=wanted).click()
        look()
        page.goto(site + mailed(kind))
        look()
        if kind is Kind.erase_link:
            page.goto(site + mailed(Kind.known))
            look()
            page.goto(site + mailed(kind))
        page.get_by_role("button", name=button).click()
        look()
    context.close()

    assert seen[-1] == "You are erased"
    assert len(seen) == 9
