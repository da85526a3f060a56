"""Whether every word can be read on its ground, by day and by night, computed from the mail's own styles."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from newsletter.preflight.findings import Check, Finding, error, warning
from newsletter.preflight.mail import Mail, Node, tree
from newsletter.preflight.styles import Sheet

Colour = tuple[int, int, int]

_BLACK: Final[Colour] = (0, 0, 0)
_WHITE: Final[Colour] = (255, 255, 255)
_NAMES: Final[dict[str, Colour]] = {"black": _BLACK, "white": _WHITE}
_HEX: Final = re.compile(r"#([0-9a-f]{3}|[0-9a-f]{6})\b")
_RGB: Final = re.compile(r"rgba?\(\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)(?:[\s,/]+([\d.]+))?\s*\)")

#: WCAG 2: what AA asks of text, of large text, and what can hardly be read at all.
_ENOUGH: Final = 4.5
_ENOUGH_WHEN_LARGE: Final = 3.0
_UNREADABLE: Final = 2.0
_LARGE: Final = 24.0  # pixels
_LARGE_WHEN_BOLD: Final = 18.66


@dataclass(frozen=True, slots=True)
class _Look:
    """What an element inherits and passes on."""

    colour: Colour
    ground: Colour
    size: float
    bold: bool


def contrast(mail: Mail) -> Iterator[Finding]:
    """Each pair of colours that is too close, once for each mode, with the first words it hides."""
    yield from _found(mail.html)


@lru_cache(maxsize=32)
def _found(html: str) -> tuple[Finding, ...]:
    root = tree(html)
    css = "\n".join(
        child
        for node in root.walk()
        if node.tag == "style"
        for child in node.children
        if isinstance(child, str)
    )
    return tuple(
        finding
        for dark, mode in ((False, "by day"), (True, "by night"))
        for finding in _in_mode(root, Sheet(css, dark=dark), mode, dark=dark)
    )


def _in_mode(root: Node, sheet: Sheet, mode: str, *, dark: bool) -> Iterator[Finding]:
    # A client that darkens draws on near black with near white, until the mail says otherwise.
    start = (
        _Look(_WHITE, (18, 18, 18), 16.0, bold=False)
        if dark
        else _Look(_BLACK, _WHITE, 16.0, bold=False)
    )
    told: set[tuple[Colour, Colour]] = set()
    for words, look in _words(root, sheet, start):
        large = look.size >= (_LARGE_WHEN_BOLD if look.bold else _LARGE)
        found = ratio(look.colour, look.ground)
        if found >= (_ENOUGH_WHEN_LARGE if large else _ENOUGH):
            continue
        if (look.colour, look.ground) in told:
            continue
        told.add((look.colour, look.ground))
        made = error if found < _UNREADABLE else warning
        yield made(
            Check.contrast,
            f"“{words[:50]}”",
            f"{_hex(look.colour)} on {_hex(look.ground)} {mode} has a contrast of {found:.1f} to 1; "
            f"AA asks for {_ENOUGH_WHEN_LARGE if large else _ENOUGH:g}.",
            "Darken or lighten one of the two in the mail’s styles.",  # noqa: RUF001 - print
        )


def _words(node: Node, sheet: Sheet, above: _Look) -> Iterator[tuple[str, _Look]]:
    if node.tag in {"head", "style", "script"}:
        return
    style = sheet.style_of(node)
    if style.get("display") == "none" or style.get("visibility") == "hidden":
        return
    look = _look(node, style, above)
    # What is one pixel high is a rule, not text.
    if (words := node.own_text().strip("\u00a0 ")) and look.size > 1:
        yield words, look
    for child in node.children:
        if isinstance(child, Node):
            yield from _words(child, sheet, look)


def _look(node: Node, style: Mapping[str, str], above: _Look) -> _Look:
    ground = colour_of(style.get("background-color", ""), over=above.ground)
    if ground is None and "background-color" not in style:
        ground = colour_of(node.attributes.get("bgcolor", "").lower(), over=above.ground)
    bold = above.bold or node.tag in {"b", "strong", "h1", "h2", "h3", "th"}
    if "font-weight" in style:
        weight = style["font-weight"]
        bold = weight == "bold" or (weight.isdigit() and int(weight) >= 600)  # noqa: PLR2004 - CSS
    return _Look(
        colour=colour_of(style.get("color", ""), over=above.ground) or above.colour,
        ground=ground or above.ground,
        size=_size(style.get("font-size", ""), above.size),
        bold=bold,
    )


def ratio(one: Colour, other: Colour) -> float:
    """The contrast of two colours as WCAG 2 counts it: 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def colour_of(value: str, *, over: Colour = _WHITE) -> Colour | None:
    """*value* as a colour drawn on *over*; None for transparent and for what is no colour."""
    if shape := _HEX.search(value):
        digits = shape[1] if len(shape[1]) > 3 else "".join(c * 2 for c in shape[1])  # noqa: PLR2004 - #rgb
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    if shape := _RGB.search(value):
        share = float(shape[4]) if shape[4] else 1.0
        parts = zip(shape.groups()[:3], over, strict=True)
        mixed = [round(int(part) * share + under * (1 - share)) for part, under in parts]
        return (mixed[0], mixed[1], mixed[2]) if share else None
    return next((_NAMES[word] for word in value.split() if word in _NAMES), None)


def _luminance(colour: Colour) -> float:
    red, green, blue = (
        c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - WCAG's own
        for c in (part / 255 for part in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _size(value: str, above: float) -> float:
    number = re.match(r"([\d.]+)(px|em|rem|%|pt)", value)
    if number is None:
        return above
    scale = {"px": 1.0, "em": above, "rem": 16.0, "%": above / 100, "pt": 4 / 3}
    return float(number[1]) * scale[number[2]]


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
