"""The picture of an edition that a link to it shows: its subject, and each panel's verdicts as pips."""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from unicodedata import normalize

import font_source_sans_pro
import font_source_serif_pro
from PIL import Image, ImageDraw, ImageFont

from digests.facts import Verdict

WIDTH: Final = 1200  # pixels: what Open Graph's readers cut nothing from
HEIGHT: Final = 630

_INK: Final = "#15171c"
_MUTED: Final = "#5b6270"
_PAPER: Final = "#f5f2ea"
_CARD: Final = "#ffffff"
_LINE: Final = "#e3ded2"
_PIPS: Final = {Verdict.ship: "#0b7a4b", Verdict.skip: "#b42318"}
_UNDECIDED: Final = "#8b8779"
_MARGIN: Final = 64
_MOST: Final = 3  # comparisons
_SERIF: Final = font_source_serif_pro.font_files_ttf["SourceSerifProBold"]
_SANS: Final = font_source_sans_pro.font_files_ttf["SourceSansProSemibold"]

_NO_CHARACTER: Final = "\U0010ffff"  # of which no font has a shape

Font = ImageFont.FreeTypeFont


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison in the picture: its title, and the verdicts of each tool's panel."""

    title: str
    panels: tuple[tuple[Verdict, ...], ...]


@lru_cache(maxsize=32)
def picture(publication: str, dated: str, subject: str, rows: Sequence[Row]) -> bytes:
    """A PNG of 1200 by 630 pixels; the same arguments make the same bytes.

    What the fonts have no shape for is left out, an emoji say: they would draw a crossed box.
    """
    image = Image.new("RGB", (WIDTH, HEIGHT), _PAPER)
    draw = ImageDraw.Draw(image)
    right = WIDTH - _MARGIN
    name = _drawable(publication, _SERIF)
    draw.text((_MARGIN, 44), name, font=_font(_SERIF, 34), fill=_INK)
    draw.text((right, 52), dated, font=_font(_SANS, 24), fill=_MUTED, anchor="ra")
    draw.rectangle((_MARGIN, 102, right, 105), fill=_INK)
    draw.rectangle((_MARGIN, 109, right, 110), fill=_INK)
    shown = rows[:_MOST]
    top = HEIGHT - 44 - 74 * len(shown)
    _headline(draw, _drawable(subject, _SERIF) or name, top=128, bottom=top - 16)
    for number, row in enumerate(shown):
        _row(draw, row, top + 74 * number)
    if len(rows) > _MOST:
        more = f"and {len(rows) - _MOST} more"
        draw.text((right, HEIGHT - 34), more, font=_font(_SANS, 22), fill=_MUTED, anchor="ra")
    kept = io.BytesIO()
    # Few colours, many plain areas: an eighth of the bytes, and the same to the eye.
    image.quantize(64).save(kept, "PNG", compress_level=6)
    return kept.getvalue()


def _headline(draw: ImageDraw.ImageDraw, subject: str, *, top: int, bottom: int) -> None:
    """As large as the room allows; too long a one ends in dots."""
    for size in (68, 60, 54, 48, 42, 36):
        font, height = _font(_SERIF, size), round(size * 1.16)
        lines = _wrapped(draw, subject, font, WIDTH - 2 * _MARGIN)
        if len(lines) * height <= bottom - top:
            break
    most = max(1, (bottom - top) // height)
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1].rstrip(' .,;:')} …"]
    start = top + (bottom - top - len(lines) * height) // 2
    for number, line in enumerate(lines):
        draw.text((_MARGIN, start + number * height), line, font=font, fill=_INK)


def _wrapped(draw: ImageDraw.ImageDraw, words: str, font: Font, width: int) -> list[str]:
    lines: list[str] = []
    for word in _pieces(draw, words.split(), font, width):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and draw.textlength(longer, font=font) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _pieces(
    draw: ImageDraw.ImageDraw, words: Iterable[str], font: Font, width: int
) -> Iterator[str]:
    """*words*, of which one that no line has room for is broken."""
    for word in words:
        rest = word
        while draw.textlength(rest, font=font) > width:
            fits = next(
                most
                for most in range(len(rest) - 1, 0, -1)
                if most == 1 or draw.textlength(rest[:most], font=font) <= width
            )
            yield rest[:fits]
            rest = rest[fits:]
        yield rest


def _row(draw: ImageDraw.ImageDraw, row: Row, top: int) -> None:
    right = WIDTH - _MARGIN
    draw.rounded_rectangle((_MARGIN, top, right, top + 62), 8, fill=_CARD, outline=_LINE)
    at = right - 24
    for panel in reversed(row.panels):
        for pip in reversed(panel):
            at -= 18
            colour = _PIPS.get(pip, _UNDECIDED)
            draw.rounded_rectangle((at, top + 19, at + 13, top + 42), 2, fill=colour)
        at -= 18 if panel else 0
    font = _font(_SANS, 30)
    whole = title = _drawable(row.title, _SANS)
    while title and draw.textlength(f"{title} …", font=font) > at - _MARGIN - 40:
        title = title[:-1]
    shown = whole if title == whole else f"{title.rstrip()} …"
    draw.text((_MARGIN + 24, top + 31), shown, font=font, fill=_INK, anchor="lm")


def _drawable(words: str, path: str) -> str:
    return " ".join("".join(one for one in normalize("NFC", words) if _has(path, one)).split())


@lru_cache(maxsize=4096)
def _has(path: str, character: str) -> bool:
    if character.isspace():
        return True
    shape, none = (bytes(_font(path, 20).getmask(one)) for one in (character, _NO_CHARACTER))
    return bool(shape) and shape != none


@lru_cache
def _font(path: str, size: int) -> Font:
    return ImageFont.truetype(path, size)
