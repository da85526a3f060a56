"""Taking a list in from a file: looked at first, then in batches, each of which is kept or not at all.

How far an import got is a row. Stopped anywhere, the same file goes on from there: nobody
comes twice, and no line is left out.
"""

import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, BinaryIO, Final

from sqlalchemy import JSON, Column, update
from sqlmodel import Field, Session, SQLModel, col, select

from newsletter.accounts import audit
from newsletter.database import reading, unit_of_work
from newsletter.readers.joining import refusal_of
from newsletter.readers.refused import RefusedLines
from newsletter.settings import settings
from subscribers.addresses import AddressKeys
from subscribers.importing import bulk
from subscribers.importing.bulk import Fate, Terms
from subscribers.importing.candidates import Candidate, Judge
from subscribers.importing.columns import Columns, There, columns_of
from subscribers.importing.records import FileRefused, Manner, Record, Refused, manner_of, records
from subscribers.models import BIG

#: People in one transaction.
BATCH: Final = 5000
_BLOCK: Final = 1 << 20
_TURN: Final = 0.0001  # seconds a thread may compute while another waits

#: What is said of each fate.
SAID: Final[dict[Fate, str]] = {
    Fate.added: "new, and get the next edition",
    Fate.left_there: "left or bounced where they come from; noted, never mailed",
    Fate.known: "on the list already; left as they are",
    Fate.stays_away: "left, bounced or complained here; they stay away",
    Fate.suppressed: "suppressed here; they stay away",
    Fate.unconfirmed: "never confirmed where they come from; nothing is kept",
    Fate.repeated: "stand on an earlier line",
    Fate.refused: "cannot be read",
}

Progress = Callable[[int], None]


class TakenElsewhere(FileRefused):
    """Another process has gone on with the same file: it is its own now."""

    def __init__(self) -> None:
        super().__init__("This file is being imported by somebody else; nothing was done twice.")


class ListImport(SQLModel, table=True):
    """One file that was taken in, or is being taken in, and how far it got."""

    __tablename__ = "list_import"

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG)
    fingerprint: str = Field(max_length=64, index=True)  # of the file, and of how it is read
    name: str = Field(max_length=200)
    begun_by: str = Field(max_length=200)
    begun_at: datetime
    finished_at: datetime | None = None
    line: int = 0  # the last that is settled
    refused_size: int = 0  # bytes of the file of refused lines
    counts: dict[str, int] = Field(sa_column=Column(JSON, nullable=False))


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file that was looked at: how it is written, and what its columns mean."""

    source: BinaryIO
    name: str
    fingerprint: str
    size: int
    manner: Manner
    columns: Columns

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "file": self.name,
            "origin": self.columns.origin or None,
            "encoding": self.manner.encoding,
            "delimiter": self.manner.delimiter,
            "columns": self.columns.as_words(),
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the lines, all told; *from_line* is where an earlier try had stopped."""

    counts: Counter[Fate]
    from_line: int = 0

    def as_json(self) -> dict[str, int]:
        """Every fate, also those of nobody."""
        return {str(fate): self.counts[fate] for fate in Fate}


def look_at(
    source: BinaryIO,
    name: str,
    *,
    said: Mapping[str, str] | None = None,
    encoding: str | None = None,
) -> Sheet:
    """Read how *source* is written and what its columns mean. Raises FileRefused."""
    digest = hashlib.sha256(repr((sorted((said or {}).items()), encoding)).encode())
    source.seek(0)
    size = 0
    while block := source.read(_BLOCK):
        digest.update(block)
        size += len(block)
    manner = manner_of(source, encoding=encoding)
    first = next(iter(records(source, manner)), None)
    if not isinstance(first, Record):
        raise FileRefused(
            f"The first line cannot be read, and it says what the columns are: {first and first.reason}"
        )
    return Sheet(
        source=source,
        name=name[:200],
        fingerprint=digest.hexdigest(),
        size=size,
        manner=manner,
        columns=columns_of(first.fields, said or {}, name=name),
    )


def rehearse(
    sheet: Sheet, *, refused: BinaryIO, now: datetime, progress: Progress = lambda _: None
) -> Outcome:
    """Say what would happen, and keep nothing; *progress* gets how many bytes are read."""
    counts: Counter[Fate] = Counter()
    lines = RefusedLines(refused, size=0)
    for batch in _batches(sheet, now):
        counts += batch.counts
        lines.write(batch.refused)
        with reading() as session:
            counts += bulk.rehearse(session, batch.people)
            gone = bulk.rehearse(session, batch.gone)[Fate.left_there]
        _count_as_gone(counts, gone)
        progress(batch.position)
    return Outcome(counts)


def take_in(  # noqa: PLR0913 - who, on what grounds, and where refusals go
    sheet: Sheet,
    terms: Terms,
    *,
    refused: BinaryIO,
    by: str,
    now: datetime,
    progress: Progress = lambda _: None,
) -> Outcome:
    """Take everybody in; an unfinished import of the same file goes on. Raises FileRefused."""
    with unit_of_work() as session:
        run = _run_of(session, sheet, by=by, now=now)
        run_id, settled, counts = run.id or 0, run.line, Counter(_fates(run.counts))
        refused_size, begun_at = run.refused_size, run.begun_at
    # Outside of the transaction: the lines may be kept in the store as well.
    lines = RefusedLines(refused, size=refused_size)
    began = settled
    for batch in _ahead(_batches(sheet, now, after=settled)):
        lines.write(batch.refused)
        counts += batch.counts
        with unit_of_work() as session:
            counts += bulk.take(session, batch.people, terms, now=now)
            gone = bulk.withdraw(session, batch.gone, terms, since=begun_at, now=now)
            _count_as_gone(counts, gone)
            _settle(
                session,
                run_id,
                was=settled,
                line=batch.line,
                counts={str(fate): count for fate, count in counts.items()},
                refused_size=lines.size,
            )
        settled = batch.line
        progress(batch.position)
    outcome = Outcome(counts, from_line=began)
    with unit_of_work() as session:
        session.get_one(ListImport, run_id).finished_at = now
        after = {"file": sheet.name, **{k: v for k, v in outcome.as_json().items() if v}}
        audit.note(session, by=by, action="people.imported", after=after, now=now)
    return outcome


def _count_as_gone(counts: Counter[Fate], gone: int) -> None:
    """Who came by an earlier line, and has left by a later one, is counted where they now stand."""
    counts += Counter({Fate.added: -gone, Fate.left_there: gone})


@dataclass(slots=True)
class _Batch:
    """Lines up to *line*: people who are new in this file, and the lines about nobody.

    *gone* are people of an earlier line of whom a later one says that they left: that counts.
    """

    people: list[Candidate]
    gone: list[Candidate]
    refused: list[Refused]
    counts: Counter[Fate]
    line: int = 0
    position: int = 0  # bytes


def _batches(sheet: Sheet, now: datetime, *, after: int = 0) -> Iterator[_Batch]:
    """The file in batches, from the line *after* which nothing is settled."""
    judge = Judge(
        columns=sheet.columns,
        keys=AddressKeys(settings().suppression_secret.get_secret_value()),
        now=now,
        refuses=lru_cache(maxsize=100_000)(refusal_of),
    )
    seen: dict[bytes, bool] = {}  # whether they want it, by their lines so far
    batch = _Batch([], [], [], Counter())
    is_heading = sheet.columns.has_heading
    for row in records(sheet.source, sheet.manner):
        if is_heading and isinstance(row, Record):
            is_heading = False
            continue
        found = row if isinstance(row, Refused) else judge.read(row)
        repeated, has_left = (
            _as_before(seen, found) if isinstance(found, Candidate) else (False, False)
        )
        if row.line <= after:
            continue
        match found:
            case Candidate() if repeated:
                batch.counts[Fate.repeated] += 1
                batch.gone += [found] if has_left else []
            case Candidate():
                batch.people.append(found)
            case Refused():
                batch.counts[Fate.refused] += 1
                batch.refused.append(found)
        batch.line = row.line
        if len(batch.people) + len(batch.gone) + len(batch.refused) >= BATCH:
            batch.position = sheet.source.tell()
            yield batch
            batch = _Batch([], [], [], Counter())
    if batch.line:
        batch.position = sheet.size
        yield batch


def _as_before(seen: dict[bytes, bool], found: Candidate) -> tuple[bool, bool]:
    """Whether they stand on an earlier line, and whether this is the first that says they have left."""
    repeated = found.key in seen
    has_left = repeated and found.there in bulk.GONE and seen[found.key]
    if not repeated or has_left:
        seen[found.key] = found.there is There.wanted
    return repeated, has_left


def _ahead(batches: Iterator[_Batch]) -> Iterator[_Batch]:
    """Read one batch on while the one before is being kept: the database has work of its own.

    A thread that computes gives way every 5 ms, and whoever talks to a database asks for its turn
    with every few kilobytes: two thirds of the time went into waiting for it.
    """
    turn = sys.getswitchinterval()
    with ThreadPoolExecutor(1, "reading a list") as reader, ExitStack() as after:
        after.callback(sys.setswitchinterval, turn)
        sys.setswitchinterval(_TURN)
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch


def _run_of(session: Session, sheet: Sheet, *, by: str, now: datetime) -> ListImport:
    unfinished = session.exec(
        select(ListImport)
        .where(
            col(ListImport.fingerprint) == sheet.fingerprint, col(ListImport.finished_at).is_(None)
        )
        .order_by(col(ListImport.id).desc())
    ).first()
    if unfinished is not None:
        return unfinished
    run = ListImport(
        fingerprint=sheet.fingerprint, name=sheet.name, begun_by=by, begun_at=now, counts={}
    )
    session.add(run)
    session.flush()
    return run


def _settle(session: Session, run_id: int, *, was: int, **values: object) -> None:
    moved = session.connection().execute(
        update(SQLModel.metadata.tables["list_import"])
        .where(col(ListImport.id) == run_id, col(ListImport.line) == was)
        .values(**values)
    )
    if moved.rowcount != 1:
        raise TakenElsewhere


def _fates(counts: Mapping[str, int]) -> dict[Fate, int]:
    return {Fate(fate): count for fate, count in counts.items()}
