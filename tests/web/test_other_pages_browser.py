"""In a real browser: axe finds nothing on the pages that no other test of a browser opens."""

from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlmodel import select

from digests.making import versions
from digests.store.comparisons import Tool
from newsletter import links
from newsletter.accounts import audit, codes
from newsletter.accounts.models import Role
from newsletter.database import reading, unit_of_work
from newsletter.doctor import examining
from tests.conftest import Configure
from tests.support.processes import wait_until
from tests.support.soundness import DESKTOP, PHONE, is_sound
from tests.web.scene import Sent, a_draft
from tests.web.staffing import SECRET, an_account, code_at, signed_in_browser
from tests.web.test_doctor import found
from tests.web.test_front import PRODUCTION
from tests.web.test_mailed_link import ADA, letters, mailed_path

pytestmark = pytest.mark.browser


def sound(page: Page, address: str, *, status: int = 200) -> None:
    answer = page.goto(address)
    assert answer is not None
    assert answer.status == status, address
    is_sound(page)


def test_what_operators_look_at_seldom(
    browser: Browser, site: str, sent: Sent, now: datetime
) -> None:
    context = browser.new_context(viewport=DESKTOP)
    signed_in_browser(context, site, roles={Role.operator}, now=now)
    page = context.new_page()
    sound(page, f"{site}/votes")
    sound(page, f"{site}/doctor")

    examining.keep(found(now - timedelta(minutes=20), dmarc=False))
    with reading() as session:
        tool = session.exec(select(Tool.slug)).first()
    page.goto(f"{site}/b/{sent.verdict}/{tool}/ship")
    page.get_by_role("button", name="Ship").click()  # at the very moment at which it opened
    page.goto(f"{site}/votes")
    expect(page.get_by_role("button", name="Count them")).to_be_visible()
    is_sound(page)
    sound(page, f"{site}/doctor")
    context.close()


def test_versions_beside_each_other(browser: Browser, site: str, now: datetime) -> None:
    with unit_of_work() as session:
        digest = a_draft(session, now=now)
        words = versions.read(session, digest).reworded(subject="Who pays for a 2B model?")
        versions.save(session, digest, words, seen=1, by="Grace", now=now)
    context = browser.new_context(viewport=DESKTOP)
    signed_in_browser(context, site, roles={Role.editor}, now=now)
    page = context.new_page()

    sound(page, f"{site}/desk/2026-W48/versions")
    sound(page, f"{site}/desk/2026-W48/versions?old=1&new=2")
    context.close()


def test_on_a_phone_no_column_of_words_is_squeezed_to_a_word_a_line(
    browser: Browser, site: str, sent: Sent, now: datetime
) -> None:
    context = browser.new_context(viewport=PHONE)
    signed_in_browser(context, site, roles={Role.editor, Role.operator}, now=now)
    with unit_of_work() as session:
        after = {"content": "81649f4b0af2667e" * 4, "audience": "916935748629ab14" * 4}
        audit.note(
            session, by="Ada", action="digest.approved", subject=sent.issue, after=after, now=now
        )
    page = context.new_page()

    for address in ("/desk", f"/desk/{sent.issue}/approval", "/reports", "/audit"):
        page.goto(site + address)
        heights = page.locator(".table tbody tr").evaluate_all(
            "rows => rows.map(r => r.offsetHeight)"
        )
        assert heights, address
        assert max(heights) < 220, address  # two hashes, whole
    context.close()


def test_an_edition_that_is_closed_and_what_is_not_there_or_not_for_them(
    browser: Browser, site: str, sent: Sent, now: datetime
) -> None:
    context = browser.new_context(viewport=DESKTOP)
    signed_in_browser(context, site, roles={Role.editor}, now=now)
    page = context.new_page()

    sound(page, f"{site}/desk/{sent.issue}")
    sound(page, f"{site}/desk/2020-W01", status=404)
    sound(page, f"{site}/console", status=403)
    sound(page, f"{site}/archive/2020-W01", status=404)
    sound(page, f"{site}/p/{'x' * 28}", status=404)
    nobodys = links.token(links.signer().all_for(1, 0), links.Purpose.view)
    sound(page, f"{site}/v/{nobodys}", status=404)
    context.close()


def test_the_way_in_by_mail_with_a_code_after_it(page: Page, site: str, now: datetime) -> None:
    with unit_of_work() as session:
        ada = an_account(session, now=now)
        codes.switch_on(session, ada, secret=SECRET, code=code_at(now), now=now)
    page.goto(f"{site}/sign-in")
    page.get_by_label("Email address").fill(ADA)
    page.get_by_role("button", name="Mail me a link instead").click()
    is_sound(page)
    wait_until(is_written, within=20, what="the letter")

    sound(page, site + mailed_path())
    page.get_by_role("button", name="Sign in as Ada").click()
    is_sound(page)
    page.goto(site + mailed_path())
    is_sound(page)


def is_written() -> bool:
    with reading() as session:
        return bool(letters(session))


def test_what_a_stranger_sees_in_production(
    page: Page, site: str, sent: Sent, configure: Configure, database: str
) -> None:
    assert sent
    configure(**PRODUCTION, database_url=database)

    sound(page, site)
