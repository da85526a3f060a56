"""Files, folders and standard input -> comparisons, or the reason why one of them is none.

A compare page is one document; a file of JSON lines holds one on each line.
Which of the two a file is shows in its name (``.jsonl``, ``.ndjson``, ``.json``)
or in its first character.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from pydantic_core import from_json

from digests.facts import ComparisonFacts
from digests.reading.exchange import LARGEST_COMPARISON, FactsRefused, read_json
from digests.reading.page_lines import PageRefused
from digests.reading.pages import read_page

#: Bytes; a compare page weighs about twelve thousand.
LARGEST_PAGE: Final = 1_000_000
STANDARD_INPUT: Final = "-"

_JSON_NAMES: Final = frozenset({".jsonl", ".ndjson", ".json"})
_PAGE_NAMES: Final = frozenset({".txt", ".text"})
_BOM: Final = b"\xef\xbb\xbf"
#: What a file is that starts like this; the longer mark first.
_NOT_TEXT: Final = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"SQLite format 3", "a SQLite database"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """One comparison. *line* is the line of a file of JSON lines, None for a page."""

    source: str
    line: int | None
    facts: ComparisonFacts


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that cannot be read: where it stands, and why, in one sentence."""

    source: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        where = f", line {self.line}" if self.line is not None else ""
        return f"{self.source}{where}: {self.reason}"


Document: TypeAlias = Found | Refused


def documents(paths: Sequence[str], standard_input: BinaryIO) -> Iterator[Document]:
    """Everything under *paths*, in their order; folders are walked, ``-`` is *standard_input*.

    Never raises for what a path or its content is like. In a folder only files
    named like pages or JSON lines are read, and hidden ones are passed over.
    """
    for path in paths:
        if path == STANDARD_INPUT:
            yield from _read(standard_input, "standard input", "")
        elif os.path.isdir(path):  # noqa: PTH112 - a path with a NUL byte is no folder, and no error
            yield from _walked(Path(path))
        else:
            yield from _opened(path)


def _walked(folder: Path) -> Iterator[Document]:
    unreadable: list[OSError] = []
    found = False
    for where, folders, names in os.walk(folder, onerror=unreadable.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(where, name)
            named_so = path.suffix.lower() in _PAGE_NAMES | _JSON_NAMES
            if named_so and not name.startswith(".") and path.is_file():
                found = True
                yield from _opened(str(path))
    for error in unreadable:
        found = True
        yield Refused(_shown(str(error.filename)), None, _said(error))
    if not found:
        yield Refused(
            _shown(str(folder)),
            None,
            "expected pages (.txt) or JSON lines (.jsonl) in it, found none",
        )


def _opened(path: str) -> Iterator[Document]:
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - as above
            yield from _read(stream, _shown(path), Path(path).suffix.lower())
    except FileNotFoundError:
        yield Refused(_shown(path), None, "expected a file or a folder, found nothing of this name")
    except OSError as error:
        yield Refused(_shown(path), None, _said(error))
    except ValueError as error:  # a NUL byte in the name
        yield Refused(_shown(path), None, f"expected a file, found {error}")


def _read(stream: BinaryIO, source: str, suffix: str) -> Iterator[Document]:
    head = stream.read(LARGEST_PAGE + 1)
    if (why := _not_text(head)) is not None:
        yield Refused(source, None, why)
        return
    start = head.removeprefix(_BOM).lstrip()[:1]
    if start in {b"{", b"["} or suffix in _JSON_NAMES:
        yield from _json_lines(head.removeprefix(_BOM), stream, source)
    else:
        yield _page(head, source)


def _page(raw: bytes, source: str) -> Document:
    if len(raw) > LARGEST_PAGE:
        return Refused(source, None, f"expected at most {LARGEST_PAGE:,} bytes, found more")
    try:
        text = raw.removeprefix(_BOM).decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return Refused(source, line, f"expected UTF-8, found {_encoding(raw, error.start)}")
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        return Refused(source, line, "expected text, found a NUL byte")
    try:
        return Found(source, None, read_page(text))
    except PageRefused as refusal:
        return Refused(source, refusal.line, refusal.reason)


def _json_lines(head: bytes, rest: BinaryIO, source: str) -> Iterator[Document]:
    if head.lstrip()[:1] == b"[":
        yield Refused(source, 1, "expected one JSON object on each line, found a list")
        return
    if len(head) <= LARGEST_COMPARISON and _is_one_object(head):
        yield _object(head, source)
        return
    for number, raw in enumerate(_raw_lines(head, rest), start=1):
        line = raw.strip()
        if not line:
            continue
        try:
            yield Found(source, number, read_json(line))
        except FactsRefused as refusal:
            yield Refused(source, number, str(refusal))


def _is_one_object(whole: bytes) -> bool:
    """Whether *whole* is a single object that somebody has set over several lines."""
    first, _, more = whole.lstrip().partition(b"\n")
    if not more.strip() or first.rstrip().endswith(b"}"):
        return False
    try:
        return isinstance(from_json(whole), dict)
    except ValueError:
        return False


def _object(raw: bytes, source: str) -> Document:
    try:
        return Found(source, None, read_json(raw))
    except FactsRefused as refusal:
        return Refused(source, None, str(refusal))


def _raw_lines(head: bytes, rest: BinaryIO) -> Iterator[bytes]:
    """The lines of *head* and *rest*; of one that is far too long only so much as shows that it is."""
    most = LARGEST_COMPARISON + 2
    start = BytesIO(head)
    pending = b""
    while piece := start.readline(most) or rest.readline(most):
        if len(pending) < most:
            pending += piece
        if pending.endswith(b"\n") or piece.endswith(b"\n"):
            yield pending
            pending = b""
    if pending:
        yield pending


def _not_text(head: bytes) -> str | None:
    for mark, what in _NOT_TEXT:
        if head.startswith(mark):
            return f"expected text in UTF-8, found {what}"
    sample = head[:4000]
    if sample and sample.count(0) * 3 > len(sample):
        return "expected text in UTF-8, found what looks like UTF-16"
    if sample.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
        return "expected a page's text, found HTML"
    return None


def _encoding(raw: bytes, at: int) -> str:
    found = f"the byte 0x{raw[at]:02X}"
    try:
        raw.decode("cp1252")
    except UnicodeDecodeError:
        return found
    return f"{found}; the file looks like Windows-1252"


def _shown(path: str) -> str:
    """*path* as it can be printed and stored: a file's name may be any bytes."""
    return os.fsencode(path).decode(errors="replace").replace("\0", "\ufffd")


def _said(error: OSError) -> str:
    return f"expected a readable file, found: {(error.strerror or str(error)).lower()}"
