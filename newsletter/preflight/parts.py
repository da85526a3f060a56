"""The two parts of one mail: whoever reads the text must learn what the HTML says."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from newsletter.preflight.findings import Check, Finding, error, warning
from newsletter.preflight.mail import Mail, Node, seen, tree

_WORD: Final = re.compile(r"[^\W_]{3,}")
_BLOCKS: Final = frozenset({"p", "h1", "h2", "h3", "td", "th", "li", "blockquote", "div"})
#: Of the words of one passage: fewer than this in the text part, and it is not there.
_THERE: Final = 0.75
_MANY: Final = 0.25  # of all passages: an error and no longer a warning
_SHORTEST: Final = 5  # words: less is a label


def text_part(mail: Mail) -> Iterator[Finding]:
    """Passages of the HTML that the text part leaves out."""
    said = set(_words(mail.text))
    passages = _passages(mail.html)
    missing = [one for one in passages if _share(one, said) < _THERE]
    if not mail.text.strip():
        missing = list(passages)
    if not missing:
        return
    made = error if len(missing) > _MANY * len(passages) else warning
    yield made(
        Check.text,
        "text part",
        f"The text part leaves out {len(missing)} of {len(passages)} passages, "
        f"the first: “{missing[0][:70]}{'…' if len(missing[0]) > 70 else ''}”",  # noqa: PLR2004 - a line
        "Say it in the template of the text part too.",
    )


@lru_cache(maxsize=32)
def _passages(html: str) -> tuple[str, ...]:
    """The innermost blocks that say something, in order, without what is hidden from view."""
    found: list[str] = []

    def look(node: Node) -> None:
        style = node.attributes.get("style", "").replace(" ", "")
        if "display:none" in style or node.tag in {"head", "style", "script"}:
            return
        inner = [child for child in node.children if isinstance(child, Node)]
        blocks = any(one.tag in _BLOCKS or one.tag in {"table", "ul"} for one in _all(inner))
        if node.tag in _BLOCKS and not blocks:
            words = node.text()
            if len(_words(words)) >= _SHORTEST:
                found.append(words)
            return
        for child in inner:
            look(child)

    look(tree(html))
    return tuple(dict.fromkeys(found))


def _all(nodes: list[Node]) -> Iterator[Node]:
    for node in nodes:
        yield from node.walk()


def _share(passage: str, said: set[str]) -> float:
    words = _words(passage)
    return sum(word in said for word in words) / len(words)


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(seen(text))]
