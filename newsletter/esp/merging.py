"""Filling in what differs from copy to copy: compiled once for a content, joined for each copy.

A provider's request is written down once as JSON with placeholders and split
at them. What is left for each copy is to put a handful of short strings into
the gaps, so the HTML is escaped once and never again.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Final

import idna
import orjson

from newsletter.esp import Mailing, TooLarge, Unsendable

#: Marks the names of our own placeholders. It is no character, and a mail with it is refused.
RESERVED_MARK: Final = "\ufffe"
ADDRESS: Final = f"[%{RESERVED_MARK}address%]"
REF: Final = f"[%{RESERVED_MARK}ref%]"
BATCH: Final = f"[%{RESERVED_MARK}batch%]"
#: Stands for "[" where a placeholder is to be left standing, for the provider to fill in.
OPEN: Final = f"[%{RESERVED_MARK}open%]"

#: The columns of a row before the content's own fields.
_COLUMNS: Final = tuple(f"{RESERVED_MARK}{name}" for name in ("address", "ref", "batch"))
_FIELD: Final = re.compile(r"[A-Za-z0-9_]{1,64}")
_TAG: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
#: Characters from which on joining bytes beats joining text and encoding the whole.
_LARGE: Final = 4096

#: One copy's strings, already escaped for JSON: address, ref, batch, then its values.
Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stencil:
    """A text with gaps; *holes* say which column of a row goes into which of them."""

    literals: tuple[str, ...]
    holes: tuple[int, ...]

    def fill(self, row: Row) -> str:
        """The text for one row."""
        pieces = [self.literals[0]]
        for hole, literal in zip(self.holes, self.literals[1:], strict=True):
            pieces += (row[hole], literal)
        return "".join(pieces)

    def fill_all(self, rows: Sequence[Row]) -> bytes:
        """The texts for all *rows* as UTF-8, with commas between them."""
        if len(self.holes) < 2:  # noqa: PLR2004 - itemgetter gives a tuple only from two on
            return ",".join(map(self.fill, rows)).encode()
        pick: Callable[[Row], Row] = itemgetter(*self.holes)
        if sum(map(len, self.literals)) > _LARGE:
            return self._fill_all_as_bytes(rows, pick)
        line: list[str] = [""] * (len(self.literals) + len(self.holes))
        line[::2] = (*self.literals[:-1], self.literals[-1] + ",")
        pieces: list[str] = []
        for row in rows:
            line[1::2] = pick(row)
            pieces += line
        return "".join(pieces)[:-1].encode()

    def _fill_all_as_bytes(self, rows: Sequence[Row], pick: Callable[[Row], Row]) -> bytes:
        line: list[bytes] = [b""] * (len(self.literals) + len(self.holes))
        line[::2] = [literal.encode() for literal in self.literals]
        pieces: list[bytes] = []
        for row in rows:
            line[1::2] = [value.encode() for value in pick(row)]
            pieces += line
            pieces.append(b",")
        return b"".join(pieces[:-1])


def stencil(text: str, fields: Sequence[str], *, extra: Sequence[str] = ()) -> Stencil:
    """*text* cut at the placeholders of *fields* and at ADDRESS, REF and BATCH.

    Any other ``[%...%]`` stays as it is. *extra* names columns after the fields.
    """
    columns = (*_COLUMNS, *fields, *extra)
    pieces = re.split(rf"\[%({'|'.join(columns)})%\]", text)
    return Stencil(
        literals=tuple(piece.replace(OPEN, "[") for piece in pieces[::2]),
        holes=tuple(columns.index(name) for name in pieces[1::2]),
    )


def json_stencil(shape: object, fields: Sequence[str], *, extra: Sequence[str] = ()) -> Stencil:
    """*shape*, with placeholders in its strings, as the JSON text it becomes."""
    return stencil(orjson.dumps(shape).decode(), fields, extra=extra)


def converted(text: str, fields: Sequence[str], form: str) -> str:
    """*text* with the placeholders of *fields* in the provider's own *form*, as ``{{%s}}``."""
    if not fields:
        return text
    return re.sub(rf"\[%({'|'.join(fields)})%\]", lambda found: form.replace("%s", found[1]), text)


def rows_of(mailing: Mailing, *, provider: str, most: int) -> list[Row]:
    """One row for each copy, ready for a JSON stencil. Raises Unsendable."""
    copies, batch = mailing.copies, mailing.batch
    if not 0 < len(copies) <= most:
        raise TooLarge(provider, f"it holds {len(copies)} copies, a call takes 1 to {most}")
    if not _TAG.fullmatch(batch):
        raise Unsendable(provider, "its batch tag is not 1 to 64 letters, digits, - and _")
    if bad := [name for name in mailing.content.fields if not _FIELD.fullmatch(name)]:
        raise Unsendable(provider, f"a placeholder cannot be named {bad[0]!r}")
    rows = [(copy.address, copy.ref, batch, *copy.values) for copy in copies]
    width = len(_COLUMNS) + len(mailing.content.fields)
    if {len(row) for row in rows} != {width}:
        raise Unsendable(provider, "a copy has not one value for each placeholder")
    if len({row[0].lower() for row in rows}) < len(rows):
        # Some refuse such a call, some merge the two copies into one, and some send both.
        raise Unsendable(provider, "an address stands in it twice")
    if _is_plain("".join(chain.from_iterable(rows))):
        return rows
    return [_escaped(row, provider) for row in rows]


def _is_plain(text: str) -> bool:
    """Whether *text* means the same in JSON as it stands: ASCII, and nothing to escape.

    Escapes and other characters only ever make the JSON longer, and orjson
    measures that faster than any search for them could.
    """
    try:
        return len(orjson.dumps(text)) == len(text) + 2
    except TypeError:
        return False


def _escaped(row: Row, provider: str) -> Row:
    if any(map(_CONTROL.search, row)):
        # A line break in a value would become a header of the sender's choosing.
        raise Unsendable(provider, "a copy holds a control character")
    try:
        return tuple(orjson.dumps(text)[1:-1].decode() for text in (_dialled(row[0]), *row[1:]))
    except TypeError:
        raise Unsendable(provider, "a copy holds text that is not Unicode") from None


def _dialled(address: str) -> str:
    """*address* with its domain as DNS knows it: not every provider takes other letters there."""
    mailbox, at, domain = address.rpartition("@")
    if domain.isascii():
        return address
    try:
        return mailbox + at + idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return address
