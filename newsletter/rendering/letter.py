"""A letter's values -> the mail: the same paper as an edition, for one person."""

from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup

from newsletter.esp import Content
from newsletter.rendering.house import House
from newsletter.rendering.inert import Slots, address, inert, line
from newsletter.rendering.mjml import compiled
from newsletter.rendering.typesetting import environment, padding, wrapped

#: Nobody's absence note is to answer these (RFC 3834).
_HEADERS: Final[tuple[tuple[str, str], ...]] = (("Auto-Submitted", "auto-generated"),)


def letter(  # noqa: PLR0913 - the parts of a letter
    kind: str,
    values: Mapping[str, Any],
    *,
    subject: str,
    preheader: str,
    house: House,
    unsubscribe: str | None = None,
) -> Content:
    """The templates of *kind* with *values* filled in; there is nothing left to merge.

    ``here(path)`` in a template is an address of ours, ``link(url)`` any other one.
    *unsubscribe*: a path where the person leaves by one click. Raises BadTemplate.
    """
    slots = Slots()
    root = house.public_url.rstrip("/")

    def here(path: str) -> Markup:
        return slots.hold(root + path)

    def link(url: str) -> Markup:
        return slots.hold(address(url) or root)

    head = inert(line(subject))
    known = {
        **values,
        "house": house,
        "title": slots.hold(head),
        "preheader": line(preheader),
        "padding": padding(line(preheader)),
        "here": here,
        "link": link,
        "wrapped": wrapped,
        "unsubscribe": unsubscribe,
    }
    templates = environment("letters", "email")
    html = compiled(templates.get_template(f"{kind}.mjml").render(known))
    text = templates.get_template(f"{kind}.txt").render(known)
    headers = _HEADERS
    if unsubscribe:
        headers = (
            *_HEADERS,
            ("List-Unsubscribe", f"<{root}{unsubscribe}>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        )
    return Content(
        subject=head,
        html=slots.fill_html(inert(html)),
        text=slots.fill_text(inert(text)).strip() + "\n",
        headers=headers,
    )
