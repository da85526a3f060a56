"""What every mail's templates stand on: the environment, filled lines, and the space after a preheader."""

from functools import cache
from typing import Final

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from newsletter.rendering.inert import plain

_PREVIEW_WIDTH: Final = 120  # characters: what inboxes show at most beside a subject
_TEXT_WIDTH: Final = 76  # characters: what a plain text reader shows without wrapping again


@cache
def environment(*folders: str) -> Environment:
    """The templates of *folders*; escaping for MJML, none for plain text; a missing name is an error."""
    return Environment(
        loader=ChoiceLoader([PackageLoader("newsletter", f"templates/{one}") for one in folders]),
        autoescape=select_autoescape(["mjml"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )


def padding(preheader: str) -> Markup:
    """Invisible signs after a short preheader, or inboxes show the masthead's links behind it."""
    missing = max(0, _PREVIEW_WIDTH - len(preheader))
    return Markup("\u034f\u200c\u00a0" * missing)  # noqa: S704 - a constant


def wrapped(words: str, *, indent: str = "") -> Markup:
    """*words* in lines of at most 76 characters; an address is never broken."""
    safe = str(words) if isinstance(words, Markup) else plain(words)
    if len(indent) + len(safe) <= _TEXT_WIDTH and "\n" not in safe:
        return Markup(indent + safe)  # noqa: S704 - as below
    paragraphs = [_lines(paragraph.split(), indent) for paragraph in safe.split("\n\n")]
    return Markup("\n\n".join(paragraphs))  # noqa: S704 - for the text part, where nothing is markup


def _lines(words: list[str], indent: str) -> str:
    """*words* filled into lines; the standard library's way takes a third of a mail's whole time."""
    lines: list[str] = []
    current: list[str] = []
    width = len(indent)
    for word in words:
        if current and width + len(word) > _TEXT_WIDTH:
            lines.append(indent + " ".join(current))
            current, width = [], len(indent)
        current.append(word)
        width += len(word) + 1
    return "\n".join([*lines, indent + " ".join(current)])


def _shown(value: object) -> object:
    """Everything a template prints goes through here: only markup we made may be more than text."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else plain(value)
