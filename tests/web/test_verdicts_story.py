"""A reader's verdicts from one edition to the next, in a browser: from the inbox to being forgotten.

Time is moved by hand, for the ticks and for the pages alike; the store, the ticks, the pages and
the mail in the sandbox's inbox are the real ones.
"""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from freezegun import freeze_time
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlmodel import col, select

from digests.models import Digest, DigestStatus
from digests.schedules.schedule_files import install
from digests.store import intake
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.demo import add_readers, take_in_examples
from newsletter.editions import production
from newsletter.service_mail import ServiceMail
from newsletter.tasks import ticks
from tests.conftest import Configure
from tests.support.mails import a_pair, a_tool
from tests.support.processes import wait_until
from tests.support.soundness import DESKTOP, PHONE, is_sound

pytestmark = [pytest.mark.browser, pytest.mark.processes]

ADA, GRACE = "ada@readers.example", "grace@readers.example"
SCHEDULES = Path(__file__).parents[2] / "celerybeat-schedule"
THURSDAY = datetime(2026, 11, 19, 10, 0, tzinfo=UTC)
SUNDAY_NINE = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)  # 09:00 in Berlin: the draft is due
MONDAY_NINE = datetime(2026, 11, 23, 8, 0, 10, tzinfo=UTC)  # 09:00 in Berlin: the edition goes
WEEK = timedelta(weeks=1)
TOOL = "smolvlm2-2b"


class Clock:
    """What time it is, for pages and ticks."""

    now = THURSDAY


def ticked(clock: Clock, now: datetime) -> None:
    clock.now = now
    with freeze_time(now, ignore=["asyncio"]):  # the server's loop goes on
        for tick in (ticks.assemble, ticks.start, ticks.send, ticks.send):
            tick()


def sent(clock: Clock, issue: str, *, week: int) -> None:
    """The week's edition is assembled, approved as it was seen, and goes."""
    ticked(clock, SUNDAY_NINE + week * WEEK)
    with unit_of_work() as session:
        digest = production.by_issue(session, issue)
        shown = production.preview(session, digest).content_hash
        production.approve(session, digest, by="Grace", seen_hash=shown, now=clock.now)
    ticked(clock, MONDAY_NINE + week * WEEK)
    with reading() as session:
        digest = session.exec(select(Digest).where(col(Digest.issue) == issue)).one()
        assert digest.status is DigestStatus.sent


def newest_mail(mailbox: httpx.Client, address: str) -> str:
    """Where the newest mail to *address* lies in the sandbox."""
    listed = mailbox.get("/sandbox/mailbox.json", params={"recipient": address}).json()
    return str(max(one["id"] for one in listed["messages"]))


def way_to_be_erased() -> str | None:
    """The path in the newest letter of ours, once it is written."""
    with reading() as session:
        letter = session.exec(select(ServiceMail).order_by(col(ServiceMail.id).desc())).first()
        return str(letter.values["path"]) if letter and letter.values else None


def pressed(context: BrowserContext, mailbox: httpx.Client, address: str, choice: str) -> Page:
    """The mail is opened in the sandbox's inbox and the tool's *choice* is clicked in it."""
    inbox = context.new_page()
    inbox.goto(f"{mailbox.base_url}/inbox/{newest_mail(mailbox, address)}")
    link = inbox.frame_locator("iframe").locator(f'a[href*="/{TOOL}/{choice}"]').first
    with context.expect_page() as opened:
        link.click(modifiers=["Control"])
    page = opened.value
    page.wait_for_load_state()
    inbox.close()
    return page


def test_from_the_inbox_to_a_verdict_in_the_next_digest_and_to_being_forgotten(  # noqa: PLR0915, PLR0917 - one story
    browser: Browser,
    site: str,
    mailbox: httpx.Client,
    app: FastAPI,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ticks, "nudge", lambda ids: [ticks.send_digest(one) for one in ids])
    configure(public_url=site, votes_enough=2, votes_step=1, votes_haste=0)
    clock = Clock()
    app.dependency_overrides[utc_now] = lambda: clock.now
    with unit_of_work() as session:
        install(session, SCHEDULES, now=THURSDAY)
        take_in_examples(session, now=THURSDAY)
        add_readers(session, (ADA, GRACE), now=THURSDAY)
    sent(clock, "2026-W48", week=0)

    # Ada votes from her mail, keeps the tool, and changes her mind.
    hers = browser.new_context(viewport=PHONE, color_scheme="dark")
    page = pressed(hers, mailbox, ADA, "ship")
    expect(page.get_by_text("Nothing has been changed yet.")).to_be_visible()
    page.get_by_role("button", name="Ship it").click()
    expect(page.get_by_role("status")).to_contain_text("your vote is in")
    page.get_by_role("button", name="Keep for later").click()
    page.close()
    page = pressed(hers, mailbox, ADA, "skip")
    page.get_by_role("button", name="Skip it").click()
    expect(page.get_by_role("heading", name="Your verdict: Skip · kept")).to_be_visible()
    page.get_by_role("link", name="All you keep and have voted on").click()
    expect(page.get_by_role("heading", name="SmolVLM2-2B")).to_be_visible()
    kept = page.url

    # One vote says nothing yet; with Grace's there is a verdict on the page.
    page.goto(f"{site}/tools/{TOOL}")
    expect(page.locator("main")).to_contain_text("No community votes yet")
    others = browser.new_context(viewport=DESKTOP)
    graces = pressed(others, mailbox, GRACE, "skip")
    graces.get_by_role("button", name="Skip it").click()
    others.close()
    page.reload()
    expect(page.locator("main")).to_contain_text("Skip 5% ship · 2+ votes")
    page.goto(f"{site}/compare?sort=gap")
    expect(page.locator("main")).to_contain_text("readers 5%")
    is_sound(page)

    # The next digest says what readers made of it, and begins with what Ada keeps.
    with unit_of_work() as session:
        facts = a_pair(a_tool("SmolVLM2-2B"), a_tool("Newcomer"))
        intake.take_in(session, facts, source="the site", now=THURSDAY + WEEK)
    sent(clock, "2026-W49", week=1)
    letters = {
        who: mailbox.get(f"/sandbox/messages/{newest_mail(mailbox, who)}.json").json()
        for who in (ADA, GRACE)
    }
    assert "You keep SmolVLM2-2B: compared this week." in letters[ADA]["text"]
    assert "You keep" not in letters[GRACE]["text"]
    for letter in letters.values():
        assert re.search(r"SmolVLM2-2B.{0,80}5%", letter["text"], re.DOTALL)
        assert "5%" in letter["html"]

    # She has herself forgotten: what she kept is gone, and her vote has left the count.
    page.goto(f"{site}/privacy")
    page.get_by_label("Your address").fill(ADA)
    with page.expect_navigation():
        page.get_by_role("button", name="Erase me").click()
    wait_until(way_to_be_erased, what="the letter, which is written after the answer has gone")
    page.goto(f"{site}{way_to_be_erased()}")
    with page.expect_navigation():
        page.get_by_role("button", name="Erase me").click()
    answer = page.goto(kept)
    assert answer is not None
    assert answer.status == 404
    page.goto(f"{site}/tools/{TOOL}")
    expect(page.locator("main")).to_contain_text("No community votes yet")
    assert "Skip 5% ship" not in page.locator("main").inner_text()
    hers.close()
