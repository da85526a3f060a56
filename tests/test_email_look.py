"""The mail in a real browser: readable by everybody, on any screen, by day and by night."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from digests.words.wording import entry
from newsletter.rendering import render
from tests.pictures.camera import Scheme
from tests.pictures.email import DESKTOP, PHONE, PICTURES, take, the_mail
from tests.support.mails import HOUSE, MIXED, SHIP, SKIP, a_pair, a_tool, an_edition, filled
from tests.support.soundness import is_sound

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

LOOKS = pytest.mark.parametrize(
    ("width", "scheme"), [(width, scheme) for _, width, scheme in PICTURES]
)


def a_mail_of_everything() -> str:
    """Every colour, every kind of voice, changes, notes, and names that break no line by themselves."""
    divided = a_tool("D" * 60, verdicts=(SHIP, SKIP, SHIP, SKIP), pricing="https://" + "x" * 140)
    skipped = a_tool("Tool Two", verdicts=(SKIP, SKIP, SKIP, SHIP))
    assert divided.panel.verdict is MIXED
    known = entry(
        a_pair(divided, skipped),
        address="https://shiporskip.example/compare/x",
        changes=["The panel now skips Tool Two."],
        note="A note with [a link](https://notes.example/) and `code`.",
    )
    opening = "> quoted\n\n1. one\n2. [two](https://two.example/)"
    return filled(render(an_edition(known, known, opening=opening), house=HOUSE).content.html)


@pytest.mark.parametrize("mail", [the_mail, a_mail_of_everything])
def test_axe_finds_nothing_to_object_to(browser: "Browser", mail: Callable[[], str]) -> None:
    page = browser.new_page()
    page.set_content(mail())

    is_sound(page)

    page.close()


@LOOKS
def test_nothing_sticks_out_to_the_side(browser: "Browser", width: int, scheme: Scheme) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)

    for mail in (the_mail(), a_mail_of_everything()):
        page.set_content(mail)

        assert page.evaluate("document.documentElement.scrollWidth") == width
    page.close()


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_both_tools_stand_side_by_side_on_every_screen(browser: "Browser", width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.set_content(the_mail())

    left, right = (page.locator("th").nth(n).bounding_box() for n in (0, 1))

    assert left is not None
    assert right is not None
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]
    page.close()


def test_without_a_clients_help_for_styles_the_mail_is_still_whole(browser: "Browser") -> None:
    page = browser.new_page(viewport={"width": PHONE, "height": 900})
    page.set_content(the_mail())

    page.evaluate("document.querySelectorAll('style').forEach(style => style.remove())")

    assert page.evaluate("document.documentElement.scrollWidth") == PHONE
    assert page.locator("td[bgcolor]").first.evaluate(
        "e => getComputedStyle(e).backgroundColor"
    ) == ("rgb(11, 122, 75)")
    page.close()


def test_by_night_nothing_stays_as_bright_as_by_day(browser: "Browser") -> None:
    page = browser.new_page(viewport={"width": DESKTOP, "height": 900}, color_scheme="dark")
    page.set_content(the_mail())

    bright = page.evaluate(
        """() => [...document.querySelectorAll('body, div, table, td')].filter(e => {
            const [r, g, b] = getComputedStyle(e).backgroundColor.match(/[\\d.]+/g).map(Number)
            return !e.closest('.btn') && r + g + b > 600
        }).length"""
    )

    assert bright == 0
    page.close()


def test_the_pictures_in_the_documentation_can_be_taken_again(
    browser: "Browser", tmp_path: Path
) -> None:
    taken = take(browser, tmp_path)

    assert [picture.name for picture in taken] == [f"{name}.png" for name, *_ in PICTURES]
    assert all(picture.stat().st_size > 10_000 for picture in taken)
