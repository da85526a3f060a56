"""Content that stays content: nothing a page or an editor writes can act as markup or as a merge tag.

A mail is handled by several programs that look for their own signs in it: our
placeholders ``[%name%]``, Mailgun's ``%recipient.x%``, the ``{{x}}`` of SES,
Brevo and Postmark, old SendGrid tags. Three steps keep them apart. ``plain``
takes out of content what is reserved here or not meant to be seen. Links and
placeholders travel through the templates, the compiler and the minifier as
slots (``⟦3⟧``), which content therefore cannot contain. Then ``inert`` breaks
every merge sign left in the finished part, and only after that are the slots
filled. The order is the proof: a placeholder in the result comes from a slot.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from markupsafe import Markup

#: Invisible, joins nothing, breaks every sign it is put into.
BREAK: Final = "\u200c"

_SLOT: Final = re.compile(r'(=)?"?⟦(\d+)⟧"?')
# Control characters but tab and line feed, halves of surrogate pairs, and what is no character.
_UNSEEN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
_RESERVED: Final = str.maketrans({"⟦": "[", "⟧": "]"})
# Explicit directions reach beyond the name they stand in; marks (LRM, RLM) do not.
_DIRECTIONS: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_LINE_ENDS: Final = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# Any of the above: most strings hold none, and one look is cheaper than four.
_SUSPECT: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff⟦⟧]"
)
_MERGE_SIGNS: Final = re.compile(
    r"""
      \[ (?= % )                      # ours
    | % (?= [\]}>] )
    | \{ (?= [{%\#] ) | \} (?= \} )   # SES, Brevo, Postmark and every moustache
    | < (?= % ) | &lt; (?= % )
    | % (?= [A-Za-z_][\w.-]* % )      # Mailgun
    | \* (?= \| ) | \| (?= \* )       # Mandrill
    | \[ (?= (?:unsubscribe|weblink) \] )            # SendGrid's subscription tracking
    | - (?= (?:unsubscribe|preferences|view|open|click|joined|verdict|kept) - )  # its substitutions
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SUBSTITUTION: Final = re.compile(
    r"-(?=(?:unsubscribe|preferences|view|open|click|joined|verdict|kept)-)", re.IGNORECASE
)
_HOST: Final = re.compile(r"[\w.-]+(?::\d{1,5})?")
# What an address may hold as it is; everything else is percent-encoded.
_IN_AN_ADDRESS: Final = "/:?#@!$&'()*+,;=~-._%"
_NO_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


def plain(text: str) -> str:
    """*text* without control characters, directions and the signs reserved here; lines stay lines."""
    if not _SUSPECT.search(text):
        return text
    text = _LINE_ENDS.sub("\n", text).translate(_RESERVED)
    return _UNSEEN.sub("", _DIRECTIONS.sub("", text))


def line(text: str) -> str:
    """*text* as one line: safe in a header, a heading, a link's name."""
    return " ".join(plain(text).split())


def inert(text: str) -> str:
    """*text* with every merge sign broken by an invisible character; the same if it has none."""
    return _MERGE_SIGNS.sub(lambda sign: sign[0] + BREAK, text)


def address(text: str) -> str | None:
    """*text* as an http(s) address that no program takes for anything else; None if it is none."""
    try:
        parts = urlsplit(text.strip())
    except ValueError:
        return None
    if parts.scheme.lower() not in {"http", "https"} or not _HOST.fullmatch(parts.netloc):
        return None
    path, query, fragment = map(_encoded, (parts.path, parts.query, parts.fragment))
    return urlunsplit((parts.scheme.lower(), parts.netloc, path, query, fragment))


@dataclass(slots=True)
class Slots:
    """What is put into a part after everything that could misread it is done."""

    values: list[str] = field(default_factory=list)

    def hold(self, value: str) -> Markup:
        """A sign that stands for *value* in every part of this mail."""
        if value not in self.values:
            self.values.append(value)
        return Markup(f"⟦{self.values.index(value)}⟧")  # noqa: S704 - a number between brackets

    def fill_html(self, part: str) -> str:
        """*part* with each value escaped, and in quotes where it is an attribute."""

        def escaped(value: str, *, attribute: bool) -> str:
            safe = html.escape(value, quote=attribute)
            return f'="{safe}"' if attribute else safe

        return self._fill(part, escaped)

    def fill_text(self, part: str) -> str:
        """*part* with each value as it is."""
        return self._fill(part, lambda value, attribute: f"={value}" if attribute else value)

    def _fill(self, part: str, shown: Callable[..., str]) -> str:
        return _SLOT.sub(
            lambda found: shown(self.values[int(found[2])], attribute=found[1] is not None), part
        )


def in_a_path(slug: str) -> str:
    """*slug* as a part of an address, in which no provider sees a placeholder of ours."""
    return _SUBSTITUTION.sub("%2D", slug)


def _encoded(part: str) -> str:
    whole = _NO_ESCAPE.sub("%25", part.encode("utf-8", "replace").decode())
    return _SUBSTITUTION.sub("%2D", quote(whole, safe=_IN_AN_ADDRESS))
