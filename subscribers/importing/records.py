"""A file of separated values as records; a line that cannot be read is refused and the next goes on.

Python's reader is asked only about lines with quotation marks, one record at a time: a mark
that nobody closed must not swallow the rest of the file.
"""

import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, NamedTuple

#: Characters of one line; more is no person.
LONGEST_LINE: Final = 20_000
_MOST_LINES: Final = 40  # of one record
_BLOCK: Final = 1 << 20
_DELIMITERS: Final = (",", ";", "\t", "|")
_NONE: Final = "\0"  # the whole line
_UNREADABLE: Final = re.compile("[\ud800-\udfff\ufffd]")
_OF_UTF_8: Final = re.compile("[\x80-\ud7ff\ue000-\U0010ffff]")
_NOT_OF_UTF_8: Final = re.compile("[\udc80-\udcff]")


class FileRefused(Exception):
    """The file as a whole cannot be taken in; the message says why, and what to do."""


class Record(NamedTuple):
    """One row; *line* is where it begins, counted from 1."""

    line: int
    fields: list[str]


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that nobody can be read from."""

    line: int
    reason: str
    text: str = ""  # what stood there


@dataclass(frozen=True, slots=True)
class Manner:
    """How a file is written."""

    encoding: str
    delimiter: str


def manner_of(source: BinaryIO, *, encoding: str | None = None) -> Manner:
    """What *source*, which can be read again, is written in. Raises FileRefused."""
    if encoding is not None:
        try:
            "".encode(encoding)
        except LookupError:
            raise FileRefused(
                f"There is no encoding {encoding!r}; utf-8, utf-16 and windows-1252 are usual."
            ) from None
    known = encoding or _encoding_of(source)
    for found in _records(source, Manner(known, _NONE)):
        if isinstance(found, Record):
            line = found.fields[0]
            return Manner(known, max(_DELIMITERS, key=_unquoted(line).count))
    raise FileRefused("There is nothing in the file that could be read as a line of text.")


def records(source: BinaryIO, manner: Manner) -> Iterator[Record | Refused]:
    """Every row of *source* from its beginning, empty lines left out."""
    return _records(source, manner)


def _records(source: BinaryIO, manner: Manner) -> Iterator[Record | Refused]:
    source.seek(0)
    # What is no text becomes a mark that costs its own line.
    text = io.TextIOWrapper(source, encoding=manner.encoding, errors="replace")
    try:
        lines = _Lines(text)
        while (taken := lines.take()) is not None:
            number, line = taken
            if not line.strip():
                continue
            if reason := _why_not(line):
                yield Refused(number, reason, line[:LONGEST_LINE].rstrip("\n"))
            elif '"' not in line:
                yield Record(number, line.rstrip("\n").split(manner.delimiter))
            else:
                yield _quoted(lines, number, line, manner.delimiter)
    except UnicodeError:
        yield Refused(lines.number + 1, f"The rest is not {manner.encoding}.")
    finally:
        text.detach()


class _Lines:
    """The lines of a text with their numbers; some can be given back. Never more than one in memory."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text, self._back, self.number = text, deque[tuple[int, str]](), 0

    def take(self) -> tuple[int, str] | None:
        if self._back:
            return self._back.popleft()
        line = self._text.readline(LONGEST_LINE + 1)
        if not line:
            return None
        self.number += 1
        if len(line) > LONGEST_LINE and not line.endswith("\n"):
            while (more := self._text.readline(LONGEST_LINE)) and not more.endswith("\n"):
                pass
        return self.number, line

    def give_back(self, lines: list[tuple[int, str]]) -> None:
        self._back.extendleft(reversed(lines))


def _quoted(lines: _Lines, number: int, line: str, delimiter: str) -> Record | Refused:
    more: list[tuple[int, str]] = []
    whole = line
    while whole.count('"') % 2 and len(more) < _MOST_LINES:
        following = lines.take()
        if following is None or _why_not(following[1]):
            more += [following] if following else []
            break
        more.append(following)
        whole += following[1]
    if whole.count('"') % 2:
        lines.give_back(more)
        return Refused(number, "A quotation mark is opened and never closed.", line.rstrip("\n"))
    if delimiter == _NONE:
        return Record(number, [whole.rstrip("\n")])
    try:
        [fields] = csv.reader(io.StringIO(whole, newline=""), delimiter=delimiter, strict=True)
    except (csv.Error, ValueError):
        lines.give_back(more)
        return Refused(number, "Its quotation marks do not match.", line.rstrip("\n"))
    return Record(number, fields)


def _why_not(line: str) -> str | None:
    if len(line) > LONGEST_LINE:
        return f"It is longer than {LONGEST_LINE:,} characters."
    if "\0" in line:
        return "It holds a NUL, which no text does."
    if not line.isascii() and _UNREADABLE.search(line):
        return "It holds bytes that are no text in the file's encoding."
    return None


def _encoding_of(source: BinaryIO) -> str:
    """UTF-16 by its mark or its NULs, UTF-8 where that explains more than Windows-1252 does."""
    source.seek(0)
    start = source.read(1024)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for name, at in (("utf-16-le", 1), ("utf-16-be", 0)):
        every_second = start[at::2]
        if len(every_second) > 1 and every_second.count(0) > len(every_second) * 0.7:
            return name
    source.seek(0)
    text = io.TextIOWrapper(source, encoding="utf-8-sig", errors="surrogateescape")
    good = bad = 0
    while block := text.read(_BLOCK):
        if not block.isascii():
            good += len(_OF_UTF_8.findall(block))
            bad += len(_NOT_OF_UTF_8.findall(block))
    text.detach()
    return "utf-8-sig" if good >= bad else "windows-1252"


def _unquoted(line: str) -> str:
    return re.sub('"[^"]*"?', "", line)
