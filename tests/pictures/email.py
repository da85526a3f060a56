"""Pictures of the mail for docs/pictures: ``python -m tests.pictures.email [FOLDER]``."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from digests.facts import Verdict
from digests.week_said import ToolSaid, WeekSaid
from newsletter.rendering import render
from tests.pictures.camera import Scheme, a_browser
from tests.support.mails import HOUSE, an_edition, entries, filled, the_pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DESKTOP: Final = 760
PHONE: Final = 390
PICTURES: Final[tuple[tuple[str, int, Scheme], ...]] = (
    ("email", DESKTOP, "light"),
    ("email-phone", PHONE, "light"),
    ("email-dark", DESKTOP, "dark"),
    ("email-phone-dark", PHONE, "dark"),
)


#: What readers made of the week before; the votes are invented, and of tools that are none.
_FOGLAMP: Final = ToolSaid(
    name="Foglamp", slug="foglamp", panel=100, panel_verdict=Verdict.ship, community=40, votes=900
)
_NEEDLEWORK: Final = ToolSaid(
    name="Needlework",
    slug="needlework",
    panel=50,
    panel_verdict=Verdict.mixed,
    community=70,
    votes=900,
)
_READERS: Final = WeekSaid(
    tools=(_FOGLAMP, _NEEDLEWORK),
    widest=_FOGLAMP,
    widest_title="Foglamp vs Needlework",
    widest_slug="foglamp-vs-needlework",
)


def the_mail() -> str:
    """The real pages' edition as one reader gets it."""
    edition = replace(an_edition(*entries(*the_pages())), readers=_READERS)
    house = replace(HOUSE, comparison_address="https://shiporskip.example/compare/{slug}")
    return filled(render(edition, house=house, track_opens=False).content.html)


def take(browser: "Browser", folder: Path) -> list[Path]:
    """Every picture, as files in *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    for name, width, scheme in PICTURES:
        page = browser.new_page(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            device_scale_factor=1.5 if width == PHONE else 1,
        )
        page.set_content(the_mail())
        taken.append(folder / f"{name}.png")
        page.screenshot(path=taken[-1], full_page=True)
        page.close()
    return taken


if __name__ == "__main__":
    with a_browser() as started:
        for picture in take(started, Path(*(sys.argv[1:] or ["docs", "pictures"]))):
            print(picture)
