"""The mail's HTML as mail programs take it: alternatives, what they drop, the way to leave."""

import re
from collections.abc import Iterator
from typing import Final

from newsletter.preflight.findings import Check, Finding, error, warning
from newsletter.preflight.mail import Mail, Node, tree

_SAYS_NOTHING: Final = frozenset(
    {"click here", "here", "link", "this", "more", "read more", "click", "this link"}
)
_STYLES_AT_MOST: Final = 8_192  # characters of one <style>: Gmail drops a longer one altogether
_GAP: Final = re.compile(r"\[%([A-Za-z0-9_]*)%\]")

#: What big clients drop or block, each with who does.
_DROPPED_TAGS: Final = {
    "script": "no mail program runs scripts, and filters take them for an attack",
    "form": "Outlook shows forms as text, and Gmail warns before one is sent",
    "input": "Outlook drops form fields",
    "button": "Outlook drops form fields",
    "video": "only Apple Mail plays videos",
    "audio": "only Apple Mail plays sound",
    "iframe": "every big client drops frames",
    "object": "every big client drops embedded objects",
    "embed": "every big client drops embedded objects",
    "svg": "Gmail and Outlook drop SVG",
    "canvas": "nothing is drawn without scripts",
    "link": "Gmail drops style sheets from elsewhere",
    "base": "webmail drops the base address",
}
_DROPPED_STYLES: Final = (
    (re.compile(r"@import", re.IGNORECASE), "@import", "Gmail and Outlook drop it"),
    (re.compile(r"@font-face", re.IGNORECASE), "@font-face", "Gmail and Outlook drop it"),
    (re.compile(r"display\s*:\s*(?:inline-)?flex"), "display:flex", "Outlook ignores it"),
    (re.compile(r"display\s*:\s*(?:inline-)?grid"), "display:grid", "Outlook and Gmail ignore it"),
    (re.compile(r"position\s*:\s*(?:absolute|fixed|sticky)"), "position", "Gmail drops it"),
    (re.compile(r"var\(\s*--"), "CSS variables", "Gmail and Outlook drop them"),
    (re.compile(r"\bcalc\("), "calc()", "Outlook drops it"),
    (re.compile(r"background-image\s*:"), "background-image", "Outlook on Windows drops it"),
    (re.compile(r"\banimation(?:-name)?\s*:"), "animation", "Gmail and Outlook drop it"),
)
_ALLOWED_HEADS: Final = frozenset({"https", "http", "mailto", "tel", ""})


def alternatives(mail: Mail) -> Iterator[Finding]:
    """What somebody reads who sees no picture, or hears the mail."""
    root = tree(mail.html)
    document = next((node for node in root.walk() if node.tag == "html"), root)
    if not document.attributes.get("lang"):
        yield warning(
            Check.alternatives,
            "the template",
            "The mail does not say its language, so screen readers guess.",
            "Put lang on the template’s first element.",  # noqa: RUF001 - print
        )
    for node in root.walk():
        if node.tag == "img" and "alt" not in node.attributes:
            yield error(
                Check.alternatives,
                _where(node),
                f"A picture has no alternative: {node.attributes.get('src', '')[:80]}",
                "Say in its alt what it shows; empty if it only decorates.",
            )
        if node.tag == "a" and node.attributes.get("href"):
            yield from _link(node)


def _link(node: Node) -> Iterator[Finding]:
    words = node.text()
    if not words:
        yield error(
            Check.alternatives,
            _where(node),
            f"A link has no words: {node.attributes['href'][:80]}",
            "Give it words, or its picture an alternative.",
        )
    elif words.casefold().rstrip(" .→»)") in _SAYS_NOTHING:
        yield warning(
            Check.alternatives,
            _where(node),
            f"The link “{words}” does not say where it leads.",
            "Name what is behind it.",
        )


def features(mail: Mail) -> Iterator[Finding]:
    """What Gmail, Outlook, Apple Mail or Yahoo would drop, each kind once."""
    root = tree(mail.html)
    met: set[str] = set()
    styles: list[str] = []
    for node in root.walk():
        if node.tag in _DROPPED_TAGS and node.tag not in met:
            met.add(node.tag)
            yield warning(
                Check.features,
                _where(node),
                f"The mail uses <{node.tag}>: {_DROPPED_TAGS[node.tag]}.",
                "Take it out of the template.",
            )
        if node.tag == "style":
            css = "".join(child for child in node.children if isinstance(child, str))
            styles.append(css)
            if len(css) > _STYLES_AT_MOST:
                yield warning(
                    Check.features,
                    "the template",
                    f"A style sheet of {len(css):,} characters: Gmail drops one beyond {_STYLES_AT_MOST:,}.",
                    "Shorten it, or split it in two.",
                )
        styles.append(node.attributes.get("style", ""))
        scheme = re.match(r"\s*([a-z][a-z0-9+.-]*):", node.attributes.get("src", "").lower())
        if scheme and scheme[1] == "data" and "data" not in met:
            met.add("data")
            yield warning(
                Check.features,
                _where(node),
                "A picture is built into the mail: Gmail and Outlook do not show it.",
                "Load it from our own address.",
            )
    everything = "\n".join(styles)
    for pattern, name, why in _DROPPED_STYLES:
        if pattern.search(everything):
            yield warning(
                Check.features,
                "the template",
                f"The mail uses {name}: {why}.",
                "Use what works everywhere: tables, and styles on the element.",
            )


def leaving(mail: Mail, *, postal_address: str) -> Iterator[Finding]:
    """What law and big receivers ask for: a way out, in sight and for machines, and who we are."""
    template = "Put it back into the template, or undo the change that took it out."
    for part, words in (("HTML", mail.html), ("text part", mail.text)):
        if "/u/[%unsubscribe%]" not in words:
            yield error(Check.leaving, part, f"The {part} has no link to unsubscribe.", template)
    said = {
        "HTML": _plain(tree(mail.html).text()),
        "text part": _plain(mail.text),
    }
    for part, words in said.items():
        if not postal_address.strip() or _plain(postal_address) not in words:
            yield error(
                Check.leaving,
                part,
                f"The {part} does not give our postal address.",
                "Set NEWSLETTER_POSTAL_ADDRESS, and keep it in the template.",
            )
    headers = {name.casefold(): value for name, value in mail.headers}
    if "[%unsubscribe%]" not in headers.get("list-unsubscribe", ""):
        yield error(
            Check.leaving,
            "headers",
            "There is no List-Unsubscribe header: Gmail and Yahoo ask bulk senders for one.",
            template,
        )
    if headers.get("list-unsubscribe-post") != "List-Unsubscribe=One-Click":
        yield error(
            Check.leaving,
            "headers",
            "There is no List-Unsubscribe-Post header, so one click does not unsubscribe.",
            template,
        )


def values(mail: Mail) -> Iterator[Finding]:
    """Gaps that nothing would fill: a reader would see them."""
    parts = (
        ("subject", mail.subject),
        ("HTML", mail.html),
        ("text part", mail.text),
        *(("headers", value) for _, value in mail.headers),
    )
    for place, words in parts:
        for name in sorted({gap[1] for gap in _GAP.finditer(words)} - set(mail.fields)):
            yield error(
                Check.values,
                place,
                f"Nothing would be filled in for [%{name}%]: readers would see it.",
                "Take it out of the template.",
            )


def _where(node: Node) -> str:
    """The nearest heading before *node*: what an editor would look for."""
    at: Node | None = node
    while at is not None and at.parent is not None:
        before = at.parent.children[: _index(at)]
        for sibling in reversed(before):
            if isinstance(sibling, Node):
                for one in reversed(list(sibling.walk())):
                    if one.tag in {"h1", "h2", "h3"}:
                        return one.text()
        at = at.parent
    return "the mail"


def _index(node: Node) -> int:
    siblings = node.parent.children if node.parent else []
    return next(place for place, one in enumerate(siblings) if one is node)


def _plain(words: str) -> str:
    return " ".join(words.casefold().split())
