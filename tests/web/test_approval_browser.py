"""In a real browser: approved from the mailed link, undone by keyboard, approved anew, watched as it goes."""

from datetime import timedelta

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, expect
from sqlmodel import col, select, update

from digests.making import versions
from digests.models import Batch, BatchStatus, Digest
from newsletter.accounts.models import Role
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.delivery import dispatch
from newsletter.editions import deadlines, production
from newsletter.service_mail import ServiceMail
from tests.support.soundness import DESKTOP, is_sound
from tests.web.scene import a_draft, a_reader
from tests.web.staffing import signed_in_browser

pytestmark = pytest.mark.browser


PRESS_UNDO = """() => {
    const form = document.createElement("form");
    form.method = "post";
    form.action = location.pathname + "/undo";
    form.append(document.querySelector("input[name=csrf]").cloneNode());
    document.body.append(form);
    form.submit();
}"""


def test_from_the_mailed_link_to_the_closed_books_with_second_thoughts_between(
    browser: Browser, app: FastAPI, site: str
) -> None:
    now = utc_now()  # the page's own clock counts down
    app.dependency_overrides.pop(utc_now)
    context = browser.new_context(viewport=DESKTOP)
    signed_in_browser(context, site, roles={Role.editor}, now=now)
    with unit_of_work() as session:
        digest = a_draft(session, now=now)
        digest.send_at = now + timedelta(hours=2)
        a_reader(session, now=now)
        words = versions.read(session, digest).reworded(preheader="")
        versions.save(session, digest, words, seen=1, by="Ada", now=now)
    deadlines.announce(now=now)
    complaints: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))

    page.goto(site + mailed_path())
    is_sound(page, "approval-draft")
    page.get_by_role("button", name="Approve 2026-W48").click()  # the browser asks for the word
    expect(page.get_by_label("Why it may go despite the warning")).to_be_focused()
    page.keyboard.type("Short on purpose.")
    page.get_by_role("button", name="Approve 2026-W48").press("Enter")
    expect(page.get_by_role("heading", name="Approved by Ada")).to_be_visible()
    expect(page.locator("time[data-until]")).to_contain_text("1 h 59 min")
    is_sound(page, "approval-approved")

    page.get_by_role("button", name="Undo the approval").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("taken back")
    page.get_by_label("Why it may go despite the warning").fill("Short on purpose.")
    page.get_by_role("button", name="Approve 2026-W48").press("Enter")
    expect(page.get_by_role("heading", name="Approved by Ada")).to_be_visible()

    with unit_of_work() as session:
        production.by_issue(session, "latest").send_at = utc_now() + timedelta(seconds=1)
    page.reload()
    with unit_of_work(snapshot=True) as session:
        [digest_id] = dispatch.start_due(session, now=utc_now() + timedelta(seconds=2))
    expect(page.get_by_role("heading", name="On its way")).to_be_visible(timeout=15_000)
    expect(page.get_by_role("button", name="Undo the approval")).to_be_visible()
    is_sound(page, "approval-sending")

    an_undo_comes_too_late(page)
    with unit_of_work() as session:
        dispatch.close_finished(session, now=utc_now())
    expect(page.get_by_role("heading", name="It went out")).to_be_visible(timeout=15_000)
    expect(page.get_by_text("The books are closed")).to_be_visible()
    is_sound(page, "approval-sent")
    context.close()
    assert complaints == []
    with reading() as session:
        assert session.get_one(Digest, digest_id).approval_word == "Short on purpose."


def an_undo_comes_too_late(page: Page) -> None:
    """A worker has the only batch; what follows is seen on the page of the refusal as well."""
    with unit_of_work() as session:
        session.execute(update(Batch).values(fence=1))
    page.evaluate(PRESS_UNDO)  # the button goes with the next look
    expect(page.get_by_role("alert")).to_contain_text("the approval stands")
    with unit_of_work() as session:
        session.execute(update(Batch).values(status=BatchStatus.accepted))
    expect(page.locator("#live dt:text-is('Accepted') + dd")).to_have_text("1", timeout=15_000)
    expect(page.get_by_role("button", name="Undo the approval")).to_be_hidden()
    expect(page.get_by_role("alert")).to_contain_text("the approval stands")


def mailed_path() -> str:
    with reading() as session:
        letter = session.exec(select(ServiceMail).order_by(col(ServiceMail.id).desc())).first()
        assert letter is not None
        return str((letter.values or {})["path"])
