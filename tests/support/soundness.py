"""What every page owes whoever looks at it: nothing for axe to find, nothing to scroll to sideways."""

from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Page, ViewportSize

DESKTOP: Final["ViewportSize"] = {"width": 1200, "height": 800}
PHONE: Final["ViewportSize"] = {"width": 390, "height": 844}
#: What colours and sizes can change; everything else is the same by day and by night.
_OF_THE_LOOK: Final = {"type": "rule", "values": ["color-contrast", "scrollable-region-focusable"]}


def is_sound(page: "Page", name: str = "") -> None:
    """All of axe's rules on a desk by day, and those about looks on a phone by night; as the page stands.

    It is left as it was looked at before.
    """
    size, by_night = (
        page.viewport_size or DESKTOP,
        "matchMedia('(prefers-color-scheme: dark)').matches",
    )
    scheme: Literal["dark", "light"] = "dark" if page.evaluate(by_night) else "light"
    # A colour on its way from day to night is neither.
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.set_viewport_size(DESKTOP)
    _look(page, name, {"resultTypes": ["violations"]})
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(PHONE)
    _look(page, name, {"resultTypes": ["violations"], "runOnly": _OF_THE_LOOK})
    page.emulate_media(color_scheme=scheme, reduced_motion="no-preference")
    page.set_viewport_size(size)


def _look(page: "Page", name: str, options: dict[str, Any]) -> None:
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - only with a browser

    found = Axe().run(page, options=options)
    assert found.violations_count == 0, f"{name or page.url}: {found.generate_report()}"
    wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wider <= 0, f"{name or page.url} is {wider} pixels too wide"
