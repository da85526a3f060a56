"""A content as an inline template of SES, in which nothing but our placeholders is one.

SES reads ``{{name}}`` as Handlebars does. A content may hold braces of its own
(an article about templates does), so those that could be read as a placeholder,
or would change how one is read, become placeholders themselves, with their own
text as the value.
"""

import re
from collections.abc import Sequence

#: Names of the placeholders that stand for braces of the content.
_BRACES = "watv_braces"
# An opening, with the braces and backslashes before it that would change how it is read, and
# the braces behind it, which would come to stand behind the closing of its placeholder.
_READABLE = re.compile(r"[\\{]*\{\{\}*")
_BEFORE_A_PLACEHOLDER = re.compile(r"[\\{]+$")
_AFTER_A_PLACEHOLDER = re.compile(r"^\}+")


class Braces:
    """The braces of one content, by the name of the placeholder that stands for them."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def template(self, text: str, fields: Sequence[str]) -> str:
        """*text* as SES is to read it."""
        if not fields:
            return _READABLE.sub(self._hidden, text)
        parts = re.split(rf"\[%({'|'.join(fields)})%\]", text)
        last = len(parts) - 1
        pieces = []
        for i, part in enumerate(parts):
            if i % 2:
                pieces.append("{{" + part + "}}")
            else:
                pieces.append(self._literal(part, follows=i > 0, precedes=i < last))
        return "".join(pieces)

    def _literal(self, text: str, *, follows: bool, precedes: bool) -> str:
        """A stretch between placeholders; cut before it is hidden, or the cuts would see our own."""
        head = _AFTER_A_PLACEHOLDER.match(text) if follows else None
        start = head.end() if head else 0
        tail = _BEFORE_A_PLACEHOLDER.search(text, start) if precedes else None
        end = tail.start() if tail else len(text)
        return (
            (self._hidden(head) if head else "")
            + _READABLE.sub(self._hidden, text[start:end])
            + (self._hidden(tail) if tail else "")
        )

    def _hidden(self, found: re.Match[str]) -> str:
        for name, value in self.values.items():
            if value == found[0]:
                return "{{" + name + "}}"
        name = f"{_BRACES}{len(self.values)}"
        self.values[name] = found[0]
        return "{{" + name + "}}"
