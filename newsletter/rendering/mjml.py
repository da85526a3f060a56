"""MJML -> HTML: checked, because the compiler passes what it does not know; compiled; minified."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import minify_html
from mjml import mjml2html

_TAG: Final = re.compile(r"<(/?)(mj[a-z-]*)((?:[^>\"']|\"[^\"]*\"|'[^']*')*?)(/?)>", re.IGNORECASE)
_ATTRIBUTE: Final = re.compile(r"([a-z-]+)\s*=")

# Comments (Outlook's among them) and style sheets stay as they are; what else matches is a tag.
_TAGS: Final = re.compile(
    r"<!--.*?-->|<style.*?</style>|<[a-zA-Z](?:[^\"'>]+|\"[^\"]*\"|'[^']*')*>", re.DOTALL
)
_VALUE: Final = re.compile(r"(\s[a-zA-Z:-]+=)(?:(\"[^\"]*\"|'[^']*')|([^\s\"'>]+))")

_SPACE: Final = {"padding", "padding-top", "padding-bottom", "padding-left", "padding-right"}
_TYPE: Final = {"font-family", "font-size", "font-weight", "line-height", "color", "align"}
# Tag: where it may stand, and the attributes that this compiler is known to honour.
_KNOWN: Final[Mapping[str, tuple[frozenset[str], frozenset[str]]]] = {
    tag: (frozenset(parents), frozenset(attributes))
    for tag, (parents, attributes) in {
        "mjml": ({""}, {"lang"}),
        "mj-head": ({"mjml"}, set()),
        "mj-title": ({"mj-head"}, set()),
        "mj-preview": ({"mj-head"}, set()),
        "mj-attributes": ({"mj-head"}, set()),
        "mj-all": ({"mj-attributes"}, {*_SPACE, *_TYPE}),
        "mj-style": ({"mj-head"}, set()),
        "mj-raw": ({"mj-head", "mj-body"}, set()),
        "mj-body": ({"mjml"}, {"width", "background-color", "css-class"}),
        "mj-section": ({"mj-body"}, {*_SPACE, "background-color", "border-radius", "css-class"}),
        "mj-column": ({"mj-section"}, {"width", "css-class"}),
        "mj-text": ({"mj-column", "mj-attributes"}, {*_SPACE, *_TYPE, "css-class"}),
        "mj-button": (
            {"mj-column", "mj-attributes"},
            {
                *_SPACE,
                *_TYPE,
                "href",
                "background-color",
                "border-radius",
                "inner-padding",
                "css-class",
            },
        ),
    }.items()
}


class BadTemplate(Exception):
    """A template is not the MJML that this compiler understands; nothing can be sent with it."""


def checked(source: str) -> str:
    """*source*, once every MJML tag in it is known, in its place and with known attributes.

    Raises BadTemplate. The compiler would pass an unknown tag on to readers as
    it is and drop an attribute it does not know, both without a word.
    """
    open_tags: list[str] = []
    for closing, name, attributes, empty in _TAG.findall(source):
        tag = name.lower()
        if tag not in _KNOWN:
            raise BadTemplate(f"The mail's template has a tag <{name}>, which is not known.")
        if closing:
            if not open_tags or open_tags.pop() != tag:
                raise BadTemplate(f"The mail's template closes <{tag}> where it is not open.")
            continue
        parents, honoured = _KNOWN[tag]
        parent = open_tags[-1] if open_tags else ""
        if parent not in parents:
            raise BadTemplate(f"The mail's template has <{tag}> inside <{parent or 'nothing'}>.")
        for attribute in _ATTRIBUTE.findall(re.sub(r"\"[^\"]*\"|'[^']*'", "", attributes)):
            if attribute not in honoured:
                raise BadTemplate(f"The compiler ignores {attribute!r} on <{tag}>.")
        if not empty:
            open_tags.append(tag)
    if open_tags:
        raise BadTemplate(f"The mail's template leaves <{open_tags[-1]}> open.")
    return source


def compiled(source: str) -> str:
    """*source* as minified HTML. Raises BadTemplate."""
    try:
        made = mjml2html(checked(source), fonts={})
    except ValueError as error:
        raise BadTemplate(f"The mail's template does not compile: {error}.") from error
    if "<mj-" in made:
        raise BadTemplate("The compiler left an MJML tag in the mail.")
    # The same bytes are a page of their own in the browser view and the archive, and a page has a
    # main part; a mail program shows them in a document of their own or drops the role.
    return minified(made.replace(' role="article"', ' role="main"', 1))


def minified(made: str) -> str:
    """*made* without needless bytes.

    Conditional comments for Outlook stay as they are, and attributes keep
    their quotes: not everything that looks at mail on its way reads HTML 5.
    """
    small = minify_html.minify(
        made,
        keep_comments=True,
        keep_closing_tags=True,
        keep_html_and_head_opening_tags=True,
    )
    return _TAGS.sub(lambda tag: _quoted(tag[0]), small)


@lru_cache(maxsize=1024)
def _quoted(tag: str) -> str:
    """*tag* with its values in quotes; a mail has thousands of tags and few different ones."""
    if tag.startswith(("<!--", "<style")):
        return tag
    return _VALUE.sub(lambda value: value[1] + (value[2] or f'"{value[3]}"'), tag)
