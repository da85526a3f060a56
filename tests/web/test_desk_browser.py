"""The desk in a real browser: what its script promises, by mouse and by keyboard, and two editors at once."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from digests.facts import ComparisonFacts
from digests.making import versions
from digests.making.draft import Draft
from digests.models import DigestStatus
from digests.store import intake
from newsletter.accounts.models import Role
from newsletter.database import reading, unit_of_work
from newsletter.editions import editing, production
from tests.support.mails import a_pair, a_tool
from tests.support.processes import wait_until
from tests.support.soundness import DESKTOP, is_sound
from tests.web.scene import DATA, a_draft, a_reader
from tests.web.staffing import signed_in_browser

pytestmark = pytest.mark.browser

#: Opens the desk in a browser of its own, as an editor of that name.
AtTheDesk = Callable[..., Page]

SUBJECT = "Free weights, two dissents: who pays for a 2B model?"


@pytest.fixture
def desk(browser: Browser, site: str, now: datetime) -> Iterator[AtTheDesk]:
    """Editors at the desk of 2026-W48; whatever their pages complain about fails the test."""
    with unit_of_work() as session:
        a_draft(session, now=now)
        a_reader(session, now=now)
    complaints: list[str] = []
    contexts = []

    def sits_down(
        name: str = "Ada",
        *,
        path: str = "/desk/2026-W48",
        viewport: ViewportSize = DESKTOP,
        scheme: Literal["light", "dark"] = "light",
    ) -> Page:
        context = browser.new_context(viewport=viewport, color_scheme=scheme)
        contexts.append(context)
        signed_in_browser(context, site, roles={Role.editor}, name=name, now=now)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(site + path)
        return page

    yield sits_down
    for context in contexts:
        context.close()
    assert complaints == []


def standing() -> Draft:
    with reading() as session:
        return versions.read(session, production.by_issue(session, "latest"))


def order(page: Page) -> list[str]:
    return [one.split("\n")[0] for one in page.locator(".pairs-list .what").all_inner_texts()]


def test_what_is_typed_is_counted_shown_and_saved_without_a_button(desk: AtTheDesk) -> None:
    page = desk()

    page.get_by_role("textbox", name="Subject").fill(
        "Who pays when the weights are free, and for how long do they?"
    )
    page.get_by_label("Introduction").press("Control+End")
    page.get_by_label("Introduction").press_sequentially(" And **twice**.")

    expect(page.locator("[data-counts=subject]")).to_have_text(
        "61 of 40 on a phone, 60 on a desktop"
    )
    expect(page.locator("#inbox strong")).to_have_text(
        "Who pays when the weights are free, and for how long do they?"
    )
    expect(page.locator("#saved")).to_contain_text("by Ada")
    expect(page.frame_locator("#shown iframe:not(.coming)").get_by_text("twice")).to_be_visible()
    expect(page.locator(".findings")).to_contain_text("61 characters; a desktop shows about 60")
    assert standing().subject.startswith("Who pays when")
    assert standing().opening.endswith("And **twice**.")


def test_typing_on_while_the_last_words_are_saved_loses_nothing(desk: AtTheDesk) -> None:
    page = desk()
    subject = page.get_by_role("textbox", name="Subject")
    subject.fill("First")
    page.get_by_role("button", name="Move down").first.click()  # before the pause is over

    subject.press("End")
    subject.press_sequentially(" and second, and third", delay=60)

    expect(subject).to_have_value("First and second, and third")
    wait_until(
        lambda: standing().subject == "First and second, and third", what="a save", within=10
    )
    assert [place.revision_id for place in standing().places] == [2, 1, 3]


def test_comparisons_are_reordered_by_mouse_and_by_keyboard(desk: AtTheDesk) -> None:
    page = desk()
    first, second, third = order(page)

    page.locator(".keys").scroll_into_view_if_needed()
    grip = page.locator(".grip").nth(2).bounding_box()
    target = page.locator(".pairs-list > li").first.bounding_box()
    assert grip is not None
    assert target is not None
    page.mouse.move(grip["x"] + 5, grip["y"] + 5)
    page.mouse.down()
    page.mouse.move(grip["x"] + 5, target["y"] + 30, steps=4)
    page.mouse.move(grip["x"] + 5, target["y"] + 4, steps=4)
    page.mouse.up()

    expect(page.locator("#said")).to_have_text(f"{third} is number 1 of 3.")
    assert order(page) == [third, first, second]
    assert [place.revision_id for place in standing().places] == [3, 1, 2]

    page.get_by_role("button", name=f"Move up: {second}").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_have_text(f"{second} is number 2 of 3.")
    expect(page.get_by_role("button", name=f"Move up: {second}")).to_be_focused()
    page.keyboard.press("Alt+ArrowUp")
    expect(page.locator("#said")).to_have_text(f"{second} is number 1 of 3.")
    # It can rise no further: the focus stays with it.
    expect(page.get_by_role("button", name=f"Move down: {second}")).to_be_focused()
    assert order(page) == [second, third, first]
    expect(page.frame_locator("#shown iframe:not(.coming)").locator("h2").first).to_contain_text(
        second.split(" vs ", maxsplit=1)[0]
    )


def test_a_list_longer_than_the_window_comes_along_while_one_drags(desk: AtTheDesk) -> None:
    page = desk(viewport={"width": 1280, "height": 220})
    first, second, third = order(page)
    page.locator(".keys").scroll_into_view_if_needed()
    grip = page.locator(".grip").nth(2).bounding_box()
    assert grip is not None

    page.mouse.move(grip["x"] + 5, grip["y"] + 5)
    page.mouse.down()
    page.mouse.move(grip["x"] + 5, 6, steps=4)
    expect(page.locator(".pairs-list .what").first).to_contain_text(third)
    page.mouse.up()

    expect(page.locator("#said")).to_have_text(f"{third} is number 1 of 3.")
    assert order(page) == [third, first, second]


def test_two_editors_at_once_see_each_other_and_overwrite_nothing(desk: AtTheDesk) -> None:
    ada, grace = desk("Ada"), desk("Grace")
    first, second, _ = order(ada)

    # What Grace does where Ada writes nothing arrives by itself, and Ada's words are kept.
    ada.locator("summary", has_text="…").nth(2).click()
    ada.locator("#why-3").fill("Half a reason")
    grace.get_by_role("button", name=f"Move down: {first}").click()
    expect(ada.locator("#said")).to_contain_text("Grace:", timeout=15_000)
    expect(ada.locator(".pairs-list .what").first).to_contain_text(second)
    expect(ada.locator("#why-3")).to_have_value("Half a reason")

    # Words of one are no obstacle to other words of the other.
    grace.get_by_label("Preheader").fill("A preheader by Grace, long enough to be one")
    expect(grace.locator("#saved")).to_contain_text("by Grace")
    ada.get_by_role("textbox", name="Subject").fill("A subject by Ada, and two dissents")
    expect(ada.locator("#saved")).to_contain_text("by Ada")
    assert standing().preheader.startswith("A preheader by Grace")
    assert standing().subject.startswith("A subject by Ada")

    # The same words: the second to save sees both, and decides.
    expect(grace.get_by_role("textbox", name="Subject")).to_have_value(
        "A subject by Ada, and two dissents", timeout=15_000
    )
    grace.route("**/state.json", lambda route: route.abort())
    ada.get_by_role("textbox", name="Subject").fill("Ada once more, and two dissents")
    wait_until(lambda: "once more" in standing().subject, what="Ada's save", within=10)
    grace.get_by_role("textbox", name="Subject").fill("A subject by Grace, and one dissent")
    alert = grace.get_by_role("alert")
    expect(alert).to_contain_text("Ada has changed 2026-W48 since you looked at it")
    expect(alert).to_contain_text("Ada once more, and two dissents")
    expect(grace.get_by_role("textbox", name="Subject")).to_have_value(
        "A subject by Grace, and one dissent"
    )
    assert standing().subject.startswith("Ada once more")

    grace.get_by_role("button", name="Use my subject instead").click()
    expect(alert).to_be_hidden()
    wait_until(
        lambda: standing().subject.startswith("A subject by Grace"), what="Grace's word", within=10
    )


def test_a_note_is_saved_as_one_types_and_of_two_on_one_comparison_the_second_decides(
    desk: AtTheDesk,
) -> None:
    ada, grace = desk("Ada"), desk("Grace")
    for page in (ada, grace):
        page.locator("summary", has_text="…").nth(2).click()
        page.route("**/state.json", lambda route: route.abort())
    hers, other = ada.locator("#note-3"), grace.locator("#note-3")

    # No key is lost while it is saved, a space neither, and the caret stays where it is.
    hers.press_sequentially("Ask **Ada** ", delay=30)
    expect(ada.locator(".pairs-list li").nth(2)).to_contain_text("with a note")
    hers.press_sequentially("first", delay=30)
    expect(hers).to_have_value("Ask **Ada** first")
    wait_until(lambda: standing().note_on(3) == "Ask **Ada** first", what="a save", within=10)

    # Grace has not seen it: it stays, she is shown both, and both stay while other things are done.
    ada.get_by_role("textbox", name="Subject").fill("A subject by Ada, and two dissents")
    wait_until(lambda: "by Ada" in standing().subject, what="her subject", within=10)
    grace.get_by_role("textbox", name="Subject").fill("A subject by Grace, and one dissent")
    other.fill("Ask Grace")
    alert = grace.get_by_role("alert")
    expect(alert).to_contain_text("A subject by Ada")
    expect(alert).to_contain_text("Ask **Ada** first")
    expect(alert).to_contain_text("Ask Grace")
    # It is told where she is typing, far below the two texts.
    expect(grace.locator("#said")).to_be_in_viewport()
    is_sound(grace)
    grace.get_by_role("link", name="Keep their subject").click()
    expect(alert).not_to_contain_text("A subject by Ada")
    grace.get_by_label("Preheader").fill("A preheader by Grace, long enough to be one")
    wait_until(lambda: "by Grace" in standing().preheader, what="her preheader", within=10)
    expect(alert).to_contain_text("Ask **Ada** first")
    assert standing().note_on(3) == "Ask **Ada** first"

    # What is taken goes over the text that was shown, and over no third.
    hers.fill("Ask nobody")
    wait_until(lambda: standing().note_on(3) == "Ask nobody", what="a save", within=10)
    grace.get_by_role("button", name="Use my note instead").click()
    expect(alert).to_contain_text("Ask nobody")
    assert standing().note_on(3) == "Ask nobody"
    grace.get_by_role("link", name="Keep their note").click()
    expect(other).to_have_value("Ask nobody")
    expect(alert).to_be_hidden()

    # Whoever leaves the page leaves no half of it behind.
    other.fill("Ask them both")
    grace.get_by_role("link", name="Approve…").click()
    grace.wait_for_url("**/approval")
    assert standing().note_on(3) == "Ask them both"


def test_who_is_quoted_is_saved_as_it_is_ticked(desk: AtTheDesk) -> None:
    page = desk()
    page.locator("summary", has_text="…").first.click()
    ticks = page.locator("li[data-id]").first.get_by_role("checkbox")
    first = int(page.locator("li[data-id]").first.get_attribute("data-id") or 0)

    for tick in ticks.all():
        tick.uncheck()
    wait_until(lambda: standing().quotes_of(first) == (), what="nobody quoted", within=10)
    ticks.nth(1).press("Space")

    wait_until(lambda: len(standing().quotes_of(first) or ()) == 1, what="a voice", within=10)
    expect(page.locator("#saved")).to_contain_text("Saved")
    expect(ticks.nth(1)).to_be_checked()
    expect(ticks.nth(1)).to_be_focused()
    expect(page.locator(".pairs-list li").first).to_contain_text("quotes")


def test_a_refused_press_leaves_what_was_saved_saved(desk: AtTheDesk) -> None:
    page = desk()
    page.locator("summary", has_text="…").first.click()
    for tick in page.locator("li[data-id]").first.get_by_role("checkbox").all():
        tick.check()

    page.get_by_role("button", name="Quote these").first.click()

    expect(page.locator("#said")).to_contain_text("At most 4 voices")
    expect(page.locator("#saved")).to_contain_text("Saved")


def test_what_cannot_be_saved_is_said_and_kept_until_it_can(desk: AtTheDesk) -> None:
    page = desk()
    page.route("**/words?**", lambda route: route.abort())

    page.get_by_role("textbox", name="Subject").fill("Written on a train, in a tunnel")

    expect(page.locator("#said")).to_contain_text("No connection")
    page.unroute("**/words?**")
    wait_until(lambda: "tunnel" in standing().subject, what="the save", within=10)
    expect(page.locator("#said")).to_have_text("")
    page.get_by_role("textbox", name="Subject").fill(" ")
    expect(page.locator("#said")).to_contain_text("A mail needs a subject")


def test_who_comes_back_to_the_desk_finds_what_stands_and_not_what_they_once_wrote(
    desk: AtTheDesk,
) -> None:
    ada, grace = desk("Ada"), desk("Grace")
    ada.get_by_label("Introduction").fill("By Ada, an hour ago, long enough for a mail.")
    expect(ada.locator("#saved")).to_contain_text("by Ada")
    ada.get_by_role("link", name="2 versions").click()
    grace.reload()
    grace.get_by_label("Introduction").fill("By Grace, since then, long enough for a mail.")
    wait_until(lambda: standing().opening.startswith("By Grace"), what="a save", within=10)

    ada.go_back()

    expect(ada.get_by_label("Introduction")).to_have_value(
        "By Grace, since then, long enough for a mail."
    )


def test_what_was_typed_as_the_edition_left_is_not_taken_away_unread(desk: AtTheDesk) -> None:
    page = desk()
    page.route("**/words?**", lambda route: route.abort())
    page.get_by_role("textbox", name="Subject").fill("Written a second too late")

    with unit_of_work() as session:
        production.by_issue(session, "latest").status = DigestStatus.sending

    expect(page.locator("#said")).to_contain_text("can be changed no longer", timeout=15_000)
    expect(page.get_by_role("textbox", name="Subject")).to_have_value("Written a second too late")


def test_what_preflight_finds_while_nobody_types_is_shown_all_the_same(
    desk: AtTheDesk, now: datetime
) -> None:
    page = desk()
    page.clock.install()
    page.reload()
    changed = ComparisonFacts.model_validate_json(
        (DATA / "smolvlm2-vs-mistral-3-small.json").read_bytes()
    )
    left, right = changed.tools
    price = {"entry": "Free tier", "pricing": "Free tier, then $0.40 per million tokens"}
    dearer = changed.model_copy(update={"tools": (left, right.model_copy(update=price))})
    with unit_of_work() as session:
        intake.take_in(session, dearer, source="site", now=now)

    page.clock.run_for(70_000)

    expect(page.locator(".findings .error")).to_contain_text("Mistral 3 Small")


def test_who_is_signed_out_while_typing_signs_in_again_and_loses_nothing(
    desk: AtTheDesk, site: str, now: datetime
) -> None:
    page = desk()
    page.context.clear_cookies()

    page.get_by_role("textbox", name="Subject").fill("Written after the login was over")
    expect(page.locator("#said")).to_contain_text("You are signed out")
    signed_in_browser(page.context, site, roles={Role.editor}, name="Ada", now=now)

    wait_until(lambda: "login was over" in standing().subject, what="the save", within=15)
    expect(page.locator("#said")).to_have_text("")
    expect(page.locator("#saved")).to_contain_text("by Ada")

    # The same where she has signed in anew before this page knew that she had been out.
    signed_in_browser(page.context, site, roles={Role.editor}, name="Ada", now=now)
    page.get_by_role("textbox", name="Subject").fill("Written on a page of the login before")
    wait_until(lambda: "login before" in standing().subject, what="the save", within=15)


def test_an_editor_looks_at_it_by_night_as_text_and_as_a_reader_without_a_reload(
    desk: AtTheDesk, now: datetime
) -> None:
    with unit_of_work() as session:
        a_reader(session, "grace@readers.example", now=now - timedelta(days=5))
    page = desk()
    page.evaluate("window.same = true")

    page.get_by_role("link", name="Dark").click()
    expect(page.locator("iframe.dark:not(.coming)")).to_be_visible()
    page.get_by_label("As another reader").fill("ada@readers.example")
    page.keyboard.press("Enter")
    expect(page.locator("#looking")).to_contain_text("as a…@readers.example, reader 1")
    expect(
        page.frame_locator("iframe.dark:not(.coming)").get_by_text("5 October 2026")
    ).to_be_visible()
    page.get_by_label("As another reader").fill("nobody@readers.example")
    page.keyboard.press("Enter")
    expect(page.locator(".matches")).to_contain_text("Nobody who gets mail")
    page.get_by_label("As another reader").fill("@readers")
    page.keyboard.press("Enter")
    expect(page.locator(".matches li")).to_have_count(2)
    is_sound(page)
    page.get_by_role("link", name="g…@readers.example, reader 2").press("Enter")
    expect(page.locator("#looking")).to_contain_text("as g…@readers.example, reader 2")
    expect(page.get_by_label("As another reader")).to_be_focused()
    page.get_by_role("link", name="Text", exact=True).click()
    expect(page.get_by_label("The text part")).to_contain_text("Weekly AI Tool Verdicts")

    assert page.evaluate("window.same") is True
    assert "scheme=dark" in page.url


def test_an_editor_looks_at_it_as_a_reader_of_topics_that_nobody_has_chosen(
    desk: AtTheDesk, now: datetime
) -> None:
    with unit_of_work() as session:
        tools = a_tool("Ripcord", category="Vision"), a_tool("Needle", category="Vision")
        intake.take_in(session, a_pair(*tools), source="site", now=now)
        digest = production.by_issue(session, "latest")
        editing.edit(session, digest, lambda one: one.including(4), seen=1, by="Ada", now=now)
    page = desk()
    page.locator("#choice summary").click()
    is_sound(page)

    page.locator("#choice").get_by_label("Vision").check()
    page.locator("#choice").get_by_role("button", name="Show").click()

    expect(page.locator("#looking")).to_contain_text("as a reader of Vision alone")
    expect(page.locator("#choice").get_by_label("Vision")).to_be_checked()


def test_axe_finds_nothing_at_the_desk_and_it_never_scrolls_sideways(desk: AtTheDesk) -> None:
    page = desk()
    page.locator("#suggestions summary").click()
    page.locator("summary", has_text="…").first.click()

    is_sound(page)
