"""Pictures of the product for docs/pictures: a site with a scene in its store, and a browser before it."""

import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import uvicorn
from playwright.sync_api import sync_playwright

from newsletter.clock import utc_now
from newsletter.web.app import create_app
from tests.support.processes import free_port, wait_until
from tests.web.staffing import signed_in_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Scheme = Literal["light", "dark"]
#: Name, address, size of the window, scheme.
Picture = tuple[str, str, tuple[int, int], Scheme]
_PHONE = 500  # pixels: what is narrower is taken sharper


def take_all(pictures: Iterable[Picture], scene: Callable[[], None], *, now: datetime) -> None:
    """Take *pictures* of a site at *now*, after *scene*, into the folder named on the command line."""
    folder = Path(*(sys.argv[1:] or ["docs", "pictures"]))
    folder.mkdir(parents=True, exist_ok=True)
    with a_site(scene, now=now) as site, a_browser() as browser:
        for picture in pictures:
            print(take(browser, site, picture, folder, now=now))


def take(browser: "Browser", site: str, picture: Picture, folder: Path, *, now: datetime) -> Path:
    """One picture, as somebody sees it who may go everywhere."""
    name, address, (width, height), scheme = picture
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        device_scale_factor=1.5 if width < _PHONE else 1,
    )
    signed_in_browser(context, site, now=now)
    page = context.new_page()
    page.goto(site + address, wait_until="networkidle")
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(300)
    page.screenshot(path=folder / f"{name}.png")
    context.close()
    return folder / f"{name}.png"


@contextmanager
def a_site(scene: Callable[[], None], *, now: datetime) -> Iterator[str]:
    """A service of its own on a store that *scene* has filled, whose clock stands at *now*."""
    with tempfile.TemporaryDirectory(prefix="newsletter-pictures-") as folder:
        os.environ["NEWSLETTER_HOME"] = folder
        os.environ["NEWSLETTER_SITE_URL"] = "https://shiporskip.example"
        scene()
        app = create_app()
        app.dependency_overrides[utc_now] = lambda: now
        port = free_port()
        server = uvicorn.Server(
            uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, ws="none")
        )
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        wait_until(lambda: server.started, what="the web server", within=20)
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join(20)


@contextmanager
def a_browser() -> Iterator["Browser"]:
    """The Chromium of this machine."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        opened = driver.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()
