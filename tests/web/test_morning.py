"""An editor's morning, walked through in a browser: from a draft with a mistake in it to the report.

The clock, the store, the ticks and the pages are the real ones, and the mail goes over HTTP to a
real sandbox provider. Its two readers have chosen different topics. At the end what the editor saw
as each of them, the bytes that were approved, the bytes that the sandbox received and those of the
archive are laid beside each other.
"""

import re
from datetime import timedelta
from typing import Final

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from sqlmodel import Session, col, select

from digests.facts import ComparisonFacts
from digests.models import Digest, DigestItem, DigestStatus, Rendition
from digests.store import intake
from digests.store.comparisons import Revision, latest_revision
from digests.topics import listed
from newsletter.accounts.models import Role
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.tasks import ticks
from newsletter.web.desk.mail import in_scheme
from tests.support.processes import wait_until
from tests.support.soundness import DESKTOP, PHONE, is_sound
from tests.web.scene import a_draft, a_reader
from tests.web.staffing import signed_in_browser

pytestmark = [pytest.mark.browser, pytest.mark.processes]

DESK: Final = "/desk/2026-W48"
ADA, GRACE = "ada@readers.example", "grace@readers.example"
#: Where a reader's own link or value stands, the pixel with it; and what the archive puts in.
_OWN: Final = re.compile(
    r"<img\b[^>]*/o/[^>]*>|https?://[^\s\"']*/(?:[upvb]/[^\s\"']+|archive/personal|archive/2026-W48)"
    r"|on (?:\[%joined%\]|an earlier day|\d+ \w+ 20\d\d)\.|\[%kept%\]"
)
#: The 28 characters of a link that is signed for one copy.
_TOKEN: Final = re.compile(r"(/[upvborkc]/)[A-Za-z0-9_-]{28}")
_PIXEL: Final = re.compile(r"<img\b[^>]*/o/[^>]*>")
_ARCHIVES: Final = re.compile(r"<!--archive-->.*?<!--/archive-->", re.DOTALL)


def two_readers_of_different_topics(session: Session) -> list[str]:
    """Ada reads about design alone, Grace about everything else; the titles, Ada's first."""
    draft = a_draft(session, now=utc_now())
    draft.opening = "Three comparisons this week. TODO: say who pays."
    items = session.exec(select(DigestItem).order_by(col(DigestItem.position))).all()
    titles = []
    for item in items:
        facts = ComparisonFacts.model_validate(session.get_one(Revision, item.revision_id).facts)
        if item is items[1]:
            tools = [one.model_copy(update={"category": "Design"}) for one in facts.tools]
            facts = facts.model_copy(update={"tools": tuple(tools)})
            intake.take_in(session, facts, source="the morning", now=utc_now())
            revision = latest_revision(session, facts.slug)
            assert revision is not None
            item.revision_id = revision.id or 0
        titles.append(facts.title)
    topic = {one.slug: one.mask for one in listed(session)}
    a_reader(session, ADA, now=utc_now()).topics = topic["design"]
    grace = a_reader(session, GRACE, now=utc_now() - timedelta(days=40))
    grace.topics = topic["developer-tools"]
    return [titles[1], titles[0], titles[2]]


def drag(page: Page, number: int, *, onto: int) -> None:
    page.wait_for_load_state()
    page.locator(".keys").scroll_into_view_if_needed()
    grip = page.locator(".grip").nth(number).bounding_box()
    row = page.locator(".pairs-list > li").nth(onto).bounding_box()
    assert grip is not None
    assert row is not None
    page.mouse.move(grip["x"] + 5, grip["y"] + 5)
    page.mouse.down()
    page.mouse.move(grip["x"] + 5, row["y"] + 6, steps=8)
    page.mouse.up()


def test_an_editors_morning(  # noqa: PLR0915 - one morning, told once
    browser: Browser, site: str, mailbox: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticks, "nudge", lambda ids: [ticks.send_digest(one) for one in ids])
    with unit_of_work() as session:
        designs, *others = two_readers_of_different_topics(session)

    # Who has come in to read figures has no business here.
    visitor = browser.new_context(viewport=DESKTOP)
    signed_in_browser(visitor, site, roles={Role.reader}, name="Linus")
    refused = visitor.new_page()
    answer = refused.goto(site + DESK)
    assert answer is not None
    assert answer.status == 403
    expect(refused.locator("body")).to_contain_text("This is for an editor")
    visitor.close()

    # The board leads to what waits; by mouse and by keyboard it is put in order.
    editor = browser.new_context(viewport=DESKTOP)
    signed_in_browser(editor, site, roles={Role.editor}, name="Ada")
    page = editor.new_page()
    page.goto(f"{site}/desk")
    is_sound(page)
    page.get_by_role("link", name="2026-W48").first.click()
    first, second, third = page.locator(".pairs-list .what strong").all_inner_texts()
    drag(page, 2, onto=0)
    expect(page.locator("#said")).to_have_text(f"{third} is number 1 of 3.")
    page.get_by_role("button", name=f"Move up: {second}").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_have_text(f"{second} is number 2 of 3.")
    assert page.locator(".pairs-list .what strong").all_inner_texts() == [third, second, first]

    # Preflight finds what was left to be written, and nobody's name lets it go like that.
    expect(page.locator("#preflight .error")).to_contain_text("TODO")
    page.get_by_role("link", name=re.compile("^Approve")).click()
    expect(page.locator("#checks ~ .findings .error, .findings .error").first).to_contain_text(
        "TODO"
    )
    assert page.get_by_role("button", name=re.compile("^Approve")).count() == 0
    is_sound(page)
    page.goto(site + DESK)

    # It is written, and the finding is gone before anything was pressed.
    page.get_by_role("textbox", name="Introduction").fill(
        "Three comparisons this week: *who pays?*"
    )
    expect(page.locator("#preflight .error")).to_have_count(0)
    expect(page.locator("#saved")).to_contain_text("by Ada")

    # On a phone and by night, as two of the readers, each of whom gets a mail of their own.
    phone = browser.new_context(
        viewport=PHONE, color_scheme="dark", storage_state=editor.storage_state()
    )
    small = phone.new_page()
    for number, (address, joined) in enumerate(((ADA, 0), (GRACE, 40)), start=1):
        small.goto(f"{site}{DESK}?width=phone&scheme=dark&find={address}")
        expect(small.locator("#looking")).to_contain_text(f"reader {number}")
        day = (utc_now() - timedelta(days=joined, weeks=7)).date()
        mail = small.frame_locator("iframe.phone.dark")
        expect(mail.get_by_text(f"{day.day} {day:%B %Y}")).to_be_attached()
        night = mail.locator("body").evaluate("one => getComputedStyle(one).backgroundColor")
        assert night == "rgb(16, 18, 21)"
        its = mail.locator("body").inner_text()
        of_theirs, of_others = ([designs], others) if address == ADA else (others, [designs])
        assert all(title in its for title in of_theirs)
        assert not [title for title in of_others if title in its]
        is_sound(small)
    # Behind the frame: the bytes as each of them would get them, and as text.
    previewed = {
        address: tuple(
            editor.request.get(f"{site}{DESK}/mail.{kind}?scheme=light&reader=reader:{number}")
            .body()
            .decode()
            for kind in ("html", "txt")
        )
        for number, address in enumerate((ADA, GRACE), start=1)
    }
    phone.close()

    # She puts her name to it, and watches it go.
    page.get_by_role("link", name=re.compile("^Approve")).click()
    if page.get_by_label("Why it may go").count():
        page.get_by_label("Why it may go").fill("Looked at with Grace.")
    page.get_by_role("button", name="Approve 2026-W48").click()
    expect(page.get_by_text("Approved by Ada").first).to_be_visible()
    is_sound(page)
    with reading() as session:
        approved = {one.topics: one for one in session.exec(select(Rendition))}
    assert approved.keys() == {"all", "design", "developer-tools"}
    wait_until(lambda: status_after_a_tick() is DigestStatus.sent, what="the send", within=20)
    expect(page.get_by_text("It went out")).to_be_visible(timeout=15_000)
    expect(page.get_by_text("The books are closed")).to_be_visible()
    is_sound(page)

    # From the desk, which is closed now, she goes on to the report.
    page.goto(site + DESK)
    expect(page.get_by_role("heading", name="It cannot be changed any more")).to_be_visible()
    page.get_by_role("link", name="its report").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("2026-W48")
    is_sound(page)

    # What was previewed is what was approved and what the sandbox received, for each of them; the
    # archive shows the one with everything to anybody.
    listed_there = mailbox.get("/sandbox/mailbox.json").json()["messages"]
    assert sorted(one["recipient"] for one in listed_there) == [ADA, GRACE]
    for one in listed_there:
        received = mailbox.get(f"/sandbox/messages/{one['id']}.json").json()
        seen_html, seen_text = previewed[one["recipient"]]
        assert linkless(in_scheme(received["html"], "light")) == linkless(seen_html)
        assert linkless(received["text"]) == linkless(seen_text)
        frozen = approved["design" if one["recipient"] == ADA else "developer-tools"]
        assert steady(received["html"]) == steady(frozen.html)
        assert received["subject"] == frozen.subject
    assert previewed[ADA] != previewed[GRACE]
    whole = steady(approved["all"].html)
    assert whole.count("*") > 20
    archive = httpx.get(f"{site}/archive/2026-W48").text
    shown = steady(_ARCHIVES.sub("", archive))
    assert shown == whole.replace("*", "", 1)  # the pixel is not in it
    editor.close()


def status_after_a_tick() -> DigestStatus:
    ticks.start()
    ticks.send()
    with reading() as session:
        return session.exec(select(Digest)).one().status


def linkless(mail: str) -> str:
    """*mail* but for whose links they are: a preview has nobody's, and no pixel."""
    return _TOKEN.sub(r"\1*", _PIXEL.sub("", mail))


def steady(html: str) -> str:
    """*html* without what is a reader's own; nobody keeps a tool here, so that line is empty."""
    return re.sub(r'(<b class="j">)\*?(</b>)', r"\1\2", _OWN.sub("*", html))
