"""What the checks look at, as values: one rendition, its HTML as a tree, the readers who get it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from html.parser import HTMLParser
from typing import Final

_VOID: Final = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input"}
    | {"link", "meta", "source", "track", "wbr"}
)
_UNREAD: Final = frozenset({"head", "style", "script", "title", "template"})
#: Characters that take up room and say nothing: the padding behind a preheader.
_SILENT: Final = str.maketrans("", "", "\u034f\u200b\u200c\u200d\u2060\ufeff")


@dataclass(frozen=True, slots=True)
class Mail:
    """One rendition, and the addresses its links lead to in the order of their numbers."""

    topics: str
    subject: str
    preheader: str
    html: str
    text: str
    fields: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]
    links: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """Readers whose copies weigh the same: their choice of topics, and the day they joined in words."""

    topics: str
    joined: str
    count: int
    reader: int  # one of them


@dataclass(slots=True)
class Node:
    """One element, with its children and pieces of text in their order."""

    tag: str
    attributes: dict[str, str]
    parent: "Node | None" = None
    children: list["Node | str"] = field(default_factory=list)

    @property
    def classes(self) -> frozenset[str]:
        """Its class names."""
        return frozenset(self.attributes.get("class", "").split())

    def walk(self) -> Iterator["Node"]:
        """It and everything in it, in document order."""
        yield self
        for child in self.children:
            if isinstance(child, Node):
                yield from child.walk()

    def own_text(self) -> str:
        """The text directly in it, without what cannot be seen."""
        return " ".join(" ".join(seen(c) for c in self.children if isinstance(c, str)).split())

    def text(self) -> str:
        """All that can be read in it, pictures by their alternatives."""
        if self.tag in _UNREAD:
            return ""
        pieces = [self.attributes.get("alt", "")] if self.tag == "img" else []
        pieces += [
            seen(child) if isinstance(child, str) else child.text() for child in self.children
        ]
        return " ".join(" ".join(pieces).split())


def seen(text: str) -> str:
    """*text* without characters that take up room and say nothing."""
    return text.translate(_SILENT)


@lru_cache(maxsize=32)
def tree(html: str) -> Node:
    """*html* as a tree; what is open at the end of its parent is closed there, as browsers do."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.root


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("#document", {})
        self._at = self.root

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"p", "li", "tr", "td", "th"}:
            self._close_like(tag)
        node = Node(tag, {name: value or "" for name, value in attrs}, self._at)
        self._at.children.append(node)
        if tag not in _VOID:
            self._at = node

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID and self._at.parent is not None:
            self._at = self._at.parent

    def handle_endtag(self, tag: str) -> None:
        node: Node | None = self._at
        while node is not None and node.tag != tag:
            node = node.parent
        if node is not None and node.parent is not None:
            self._at = node.parent

    def handle_data(self, data: str) -> None:
        self._at.children.append(data)

    def _close_like(self, tag: str) -> None:
        """Minified HTML leaves out end tags that the next start tag implies."""
        closes = {
            "p": {"p"},
            "li": {"li", "p"},
            "td": {"td", "th", "p"},
            "th": {"td", "th", "p"},
            "tr": {"td", "th", "tr", "p"},
        }[tag]
        while self._at.tag in closes and self._at.parent is not None:
            self._at = self._at.parent
