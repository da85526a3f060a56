"""In a real browser: joining by keyboard and without scripts, from our page and from somebody else's."""

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from newsletter.service_mail import Kind
from tests.support.processes import ROOT
from tests.support.soundness import PHONE, is_sound
from tests.web.scene import Sent
from tests.web.test_joining import confirmation, letters, person

pytestmark = pytest.mark.browser


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def elsewhere(tmp_path: Path, site: str) -> Iterator[str]:
    """Somebody else's page, with the form just as the documentation gives it."""
    snippet = re.search(r"```html\n(.*?)```", (ROOT / "docs/subscribers.md").read_text(), re.DOTALL)
    assert snippet is not None
    form = snippet[1].replace("https://news.example.com", site)
    (tmp_path / "index.html").write_text(f"<!doctype html><title>A blog</title>{form}")
    handler = partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_what_went_wrong_looks_like_it(browser: Browser, site: str) -> None:
    context = browser.new_context(java_script_enabled=False, color_scheme="light")
    page = context.new_page()
    page.goto(f"{site}/join")
    page.get_by_label("Your address").fill("ada@readers")  # which browsers take for one
    page.get_by_role("button", name="Get it").click()

    expect(page.get_by_role("alert")).to_have_css("border-left-color", "rgb(180, 35, 24)")
    expect(page.get_by_label("Your address")).to_have_value("ada@readers")
    context.close()


def test_a_stranger_joins_with_the_keyboard_alone_and_without_scripts(
    browser: Browser, site: str, sent: Sent
) -> None:
    assert sent
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    page = context.new_page()
    page.goto(f"{site}/compare/smolvlm2-vs-mistral-3-small")
    page.get_by_label("Your address").focus()

    page.keyboard.type("grete@readers.example")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Look into your inbox")
    page.goto(site + confirmation())
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    if not page.locator("button:focus").count():
        page.get_by_role("button").focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("You are on the list")
    known = person("grete@readers.example")
    assert known is not None
    assert (known.status, known.source) == (
        "active",
        "http://127.0.0.1:8000/compare/smolvlm2-vs-mistral-3-small",
    )
    context.close()


def test_the_documented_form_works_on_somebody_elses_page(
    browser: Browser, site: str, elsewhere: str
) -> None:
    assert site
    context = browser.new_context()
    page = context.new_page()
    page.goto(elsewhere)

    page.get_by_label("Your address").fill("emmy@readers.example")
    page.get_by_role("button").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Look into your inbox")
    assert confirmation()
    assert len(letters(Kind.confirm)) == 1
    known = person("emmy@readers.example")
    assert known is not None
    assert known.source == "shiporskip.example/compare"
    context.close()


def test_axe_finds_nothing_on_the_way_in(browser: Browser, site: str) -> None:
    context = browser.new_context()
    page = context.new_page()

    page.goto(f"{site}/join")
    is_sound(page)
    page.get_by_label("Your address").fill("x@mailinator.com")
    page.get_by_role("button").click()
    expect(page.get_by_role("alert")).to_be_visible()
    is_sound(page)
    page.get_by_label("Your address").fill("grete@readers.example")
    page.get_by_role("button").click()
    is_sound(page)
    page.goto(site + confirmation())
    is_sound(page)
    page.get_by_role("button").click()
    is_sound(page)
    context.close()
