"""As much of CSS as mail uses: which declarations reach an element, by day or by night."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from newsletter.preflight.mail import Node

_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_SIMPLE: Final = re.compile(r"([a-zA-Z][a-zA-Z0-9]*|\*)?((?:[.#][\w-]+)*)")
_PART: Final = re.compile(r"([.#])([\w-]+)")

#: Order in the cascade: important, then inline, then ids, classes, tags, then how late it stands.
Weight = tuple[bool, int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Simple:
    """``td.card#x``, and how it hangs on what stands before it: by " " or by ">"."""

    tag: str
    classes: frozenset[str]
    name: str
    hangs: str

    def fits(self, node: Node) -> bool:
        return (
            (not self.tag or node.tag == self.tag)
            and self.classes <= node.classes
            and (not self.name or node.attributes.get("id") == self.name)
        )


@dataclass(frozen=True)
class Rule:
    """One selector with its declarations: value and whether it is important, by property."""

    chain: tuple[_Simple, ...]
    declarations: Mapping[str, tuple[str, bool]]
    place: int

    def fits(self, node: Node) -> bool:
        """Whether its selector selects *node*."""
        return _fits(self.chain, node)

    @cached_property
    def specificity(self) -> tuple[int, int, int]:
        """Ids, classes, tags."""
        return (
            sum(bool(one.name) for one in self.chain),
            sum(len(one.classes) for one in self.chain),
            sum(bool(one.tag) for one in self.chain),
        )


class Sheet:
    """The rules of all of a mail's style sheets that hold in one mode."""

    def __init__(self, css: str, *, dark: bool) -> None:
        self._by_last: dict[str, list[Rule]] = {}
        for place, (selector, declarations) in enumerate(_blocks(css, dark=dark)):
            for one in selector.split(","):
                chain = _chain(one)
                if chain:
                    rule = Rule(chain, declared(declarations), place)
                    self._by_last.setdefault(_key(chain[-1]), []).append(rule)

    def style_of(self, node: Node) -> dict[str, str]:
        """What the cascade leaves of every declaration that reaches *node*, its own inline ones included."""
        won: dict[str, tuple[Weight, str]] = {}
        keys = ["*", node.tag, *(f".{name}" for name in node.classes)]
        if node.attributes.get("id"):
            keys.append(f"#{node.attributes['id']}")
        for key in keys:
            for rule in self._by_last.get(key, ()):
                if rule.fits(node):
                    ids, classes, tags = rule.specificity
                    for name, (value, important) in rule.declarations.items():
                        _take(won, name, value, (important, 0, ids, classes, tags, rule.place))
        for name, (value, important) in declared(node.attributes.get("style", "")).items():
            _take(won, name, value, (important, 1, 0, 0, 0, 0))
        return {name: value for name, (_, value) in won.items()}


@lru_cache(maxsize=1024)
def declared(block: str) -> Mapping[str, tuple[str, bool]]:
    """The declarations of *block*; a shorthand background counts as its colour.

    A mail says the same few hundreds of times over.
    """
    found: dict[str, tuple[str, bool]] = {}
    for declaration in block.split(";"):
        name, _, value = declaration.partition(":")
        value, important, _ = value.partition("!important")
        name = name.strip().lower()
        if name and value.strip():
            name = "background-color" if name == "background" else name
            found[name] = (value.strip().lower(), bool(important))
    return found


def _take(won: dict[str, tuple[Weight, str]], name: str, value: str, weight: Weight) -> None:
    if name not in won or weight >= won[name][0]:
        won[name] = (weight, value)


def _blocks(css: str, *, dark: bool) -> Iterator[tuple[str, str]]:
    """Every selector list with its declarations, in order, as far as its media query holds."""
    css = _COMMENT.sub("", css)
    at = 0
    while (start := css.find("{", at)) >= 0:
        head = css[at:start].split(";")[-1].strip()
        end = _closing(css, start)
        inside = css[start + 1 : end]
        if head.startswith("@media"):
            if _holds(head, dark=dark):
                yield from _blocks(inside, dark=dark)
        elif not head.startswith("@"):
            yield head, inside
        at = end + 1


def _closing(css: str, start: int) -> int:
    depth = 0
    for place in range(start, len(css)):
        depth += (css[place] == "{") - (css[place] == "}")
        if not depth:
            return place
    return len(css)


def _holds(media: str, *, dark: bool) -> bool:
    query = media.replace(" ", "").lower()
    if "prefers-color-scheme:dark" in query:
        return dark
    if "prefers-color-scheme:light" in query:
        return not dark
    # Widths change sizes and not colours; the wide layout is looked at.
    return "max-width" not in query and "print" not in query


def _chain(selector: str) -> tuple[_Simple, ...]:
    """*selector* in parts; empty for one with states or attributes, which need no contrast of their own."""
    pieces = re.sub(r"\s*>\s*", " > ", selector.strip()).split()
    chain: list[_Simple] = []
    hangs = " "
    for piece in pieces:
        if piece == ">":
            hangs = ">"
            continue
        shape = _SIMPLE.fullmatch(piece)
        if shape is None:
            return ()
        parts = _PART.findall(shape[2])
        chain.append(
            _Simple(
                tag=(shape[1] or "").lower().replace("*", ""),
                classes=frozenset(name for sign, name in parts if sign == "."),
                name=next((name for sign, name in parts if sign == "#"), ""),
                hangs=hangs,
            )
        )
        hangs = " "
    return tuple(chain)


def _key(last: _Simple) -> str:
    if last.name:
        return f"#{last.name}"
    if last.classes:
        return f".{min(last.classes)}"
    return last.tag or "*"


def _fits(chain: tuple[_Simple, ...], node: Node) -> bool:
    if not chain[-1].fits(node):
        return False
    if len(chain) == 1:
        return True
    at = node.parent
    while at is not None:
        if _fits(chain[:-1], at):
            return True
        if chain[-1].hangs == ">":
            return False
        at = at.parent
    return False
