"""An editor's Markdown -> a little HTML, and the same as plain text."""

from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Final
from urllib.parse import unquote

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from newsletter.rendering.inert import address, plain

_ALLOWED: Final = {"p", "em", "strong", "a", "ul", "ol", "li", "br", "code", "blockquote"}
# No headings (the mail has an order of its own), no pictures, no code blocks, no raw HTML.
_MARKDOWN: Final = MarkdownIt("commonmark", {"html": False, "xhtmlOut": True}).disable(
    [
        "heading",
        "lheading",
        "hr",
        "image",
        "code",
        "fence",
        "html_block",
        "html_inline",
        "reference",
    ]
)

#: Turns an http(s) address into what stands for it in a part.
Link = Callable[[str], str]


def as_html(markdown: str, *, link: Link) -> Markup:
    """*markdown* as paragraphs, lists, emphasis and links to http(s); anything else is text."""
    tokens = _tokens(markdown, link)
    shown = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    clean = nh3.clean(
        shown,
        tags=_ALLOWED,
        attributes={"a": {"href"}},
        url_schemes={"http", "https"},
        link_rel=None,
    )
    return Markup(clean.replace("<br>", "<br />").strip())  # noqa: S704 - nh3 has cleaned it


def as_text(markdown: str, *, link: Link) -> Markup:
    """*markdown* as paragraphs with a blank line between them; an address stands after its words."""
    blocks: list[str] = []
    prefix, ordinal = "", [0]
    for token in _tokens(markdown, link):
        match token.type:
            case "ordered_list_open":
                ordinal.append(int(token.attrGet("start") or 1))
            case "bullet_list_open":
                ordinal.append(0)
            case "ordered_list_close" | "bullet_list_close":
                ordinal.pop()
            case "list_item_open":
                prefix = f"{ordinal[-1]}. " if ordinal[-1] else "- "
                ordinal[-1] += bool(ordinal[-1])
            case "inline":
                blocks.append(prefix + _spoken(token.children or ()))
                prefix = ""
    # Not HTML: marked only because its links are slots, which text from elsewhere must not hold.
    return Markup("\n\n".join(block for block in blocks if block.strip()))  # noqa: S704


def not_linked(markdown: str) -> list[tuple[str, str]]:
    """The words and the address of each link in *markdown* that stays mere words: no http(s) address."""
    found: list[tuple[str, str]] = []
    for token in _MARKDOWN.parse(plain(markdown)):
        children = iter(token.children or ())
        for child in children:
            href = str(child.attrGet("href") or "")
            if child.type == "link_open" and address(href) is None:
                inside = takewhile(lambda one: one.type != "link_close", children)
                found.append((_spoken(list(inside)), unquote(href)))
    return found


def _tokens(markdown: str, link: Link) -> list[Token]:
    tokens = _MARKDOWN.parse(plain(markdown))
    for token in tokens:
        open_links: list[bool] = []
        kept: list[Token] = []
        for child in token.children or ():
            # Entities are decoded by now, so what they hid is seen here.
            child.content = plain(child.content)
            if child.type == "link_open":
                target = address(str(child.attrGet("href") or ""))
                child.attrs = {"href": link(target)} if target else {}
                open_links.append(target is not None)
            if child.type == "link_close":
                if open_links.pop():
                    kept.append(child)
            elif child.type != "link_open" or open_links[-1]:
                kept.append(child)
        token.children = kept if token.children is not None else None
    return tokens


def _spoken(children: Sequence[Token]) -> str:
    said: list[str] = []
    targets: list[str] = []
    for child in children:
        match child.type:
            case "text" | "code_inline":
                said.append(child.content)
            case "softbreak" | "hardbreak":
                said.append(" ")
            case "link_open":
                targets.append(str(child.attrGet("href")))
            case "link_close":
                said.append(f" ({targets.pop()})")
    return "".join(said)
