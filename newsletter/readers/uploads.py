"""Taking in a list that was loaded up: looked at, rehearsed, and taken in by whichever worker comes."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

import structlog
from sqlmodel import Session

from newsletter.accounts import audit
from newsletter.database import unit_of_work
from newsletter.readers import importing, uploaded
from newsletter.readers.importing import Outcome, TakenElsewhere
from newsletter.readers.uploaded import StoredLines, Upload, UploadStatus
from subscribers.importing.bulk import Terms
from subscribers.importing.columns import Columns, columns_of
from subscribers.importing.records import FileRefused, Manner, Record, records

log = structlog.get_logger()

Clock = Callable[[], datetime]

_SHOWN = 5  # rows of a list


class NotThere(Exception):
    """There is no such list any more."""

    def __init__(self) -> None:
        super().__init__(
            "That list is not here any more: lists are kept for a day, and until somebody is erased. "
            "Load it up again; who is in already stays as they are."
        )


class NotYet(Exception):
    """It stands where that cannot be done."""


@dataclass(frozen=True, slots=True)
class Look:
    """The beginning of a list: its columns, and its first rows."""

    columns: Columns
    first: Sequence[str]
    rows: Sequence[Sequence[str]]


def receive(source: BinaryIO, name: str, *, by: str, now: datetime) -> int:
    """Look at a list and keep it; returns its number. Raises FileRefused."""
    said: dict[str, str] = {}
    try:
        sheet = importing.look_at(source, name)
    except FileRefused:
        # It may only be that no column says what it is: an operator can.
        sheet = importing.look_at(source, name, said={"address": "1"})
        said = {"address": "1"}
    with unit_of_work() as session:
        upload = Upload(
            name=sheet.name,
            by=by[:120],
            at=now,
            size=sheet.size,
            encoding=sheet.manner.encoding,
            delimiter=sheet.manner.delimiter,
            said=said,
        )
        session.add(upload)
        session.flush()
        number = upload.id or 0
        _note(session, number, "people.list_loaded", by=by, now=now)
        uploaded.keep(session, number, source)
    return number


def find(session: Session, number: int) -> Upload:
    """That list. Raises NotThere."""
    known = session.get(Upload, number)
    if known is None:
        raise NotThere
    return known


def look(session: Session, upload: Upload, *, said: Mapping[str, str] | None = None) -> Look | None:
    """Its columns and first rows, read as *said*; None once it is gone. Raises FileRefused."""
    start = uploaded.beginning(session, upload.id or 0)
    manner = Manner(upload.encoding, upload.delimiter)
    rows: list[list[str]] = []
    for row in records(io.BytesIO(start), manner):
        if isinstance(row, Record):
            rows.append(row.fields)
        if len(rows) > _SHOWN:
            break
    if not rows:
        return None
    columns = columns_of(rows[0], upload.said if said is None else said, name=upload.name)
    return Look(columns, rows[0], rows[1:] if columns.has_heading else rows[:_SHOWN])


def read_as(  # noqa: PLR0913 - how, on what grounds, and who says so
    session: Session,
    number: int,
    said: Mapping[str, str],
    *,
    page: str,
    wording: str,
    by: str,
    now: datetime,
) -> None:
    """What its columns mean, and what these people agreed to; then it is rehearsed. Raises FileRefused."""
    upload = find(session, number)
    wanted = {meaning: column for meaning, column in said.items() if column}
    look(session, upload, said=wanted)
    upload.said = wanted
    upload.page, upload.wording = page.strip()[:200], wording.strip()[:1000]
    session.flush()
    if not uploaded.move(session, number, UploadStatus.rehearsing, counts=None, position=0):
        raise NotYet("That list is being read already; wait until it is done.")
    _note(session, number, "people.list_rehearsed", by=by, now=now)


def take_in(session: Session, number: int, *, by: str, now: datetime) -> None:
    """Let it be taken in as it was rehearsed. Raises NotYet."""
    upload = find(session, number)
    if upload.counts is None or not upload.wording:
        raise NotYet(
            "Say what these people agreed to, and see what would happen: then it can be taken in."
        )
    if not uploaded.move(session, number, UploadStatus.running, counts=None, position=0, by=by):
        raise NotYet("That list is being taken in already, or it is done.")
    _note(session, number, "people.list_taken_in", by=by, now=now)


def drop(session: Session, number: int, *, by: str, now: datetime) -> None:
    """Let go of it. Raises NotThere, and NotYet while a worker has it."""
    if find(session, number).status in uploaded.BUSY:
        raise NotYet("That list is being read; wait until it is done, then let go of it.")
    uploaded.drop(session, number)
    _note(session, number, "people.list_dropped", by=by, now=now)


def work(*, clock: Clock) -> bool:
    """Read one list that waits; False without any. What a dead worker left goes on where it stopped."""
    with unit_of_work() as session:
        upload = uploaded.claim(session, now=clock())
        if upload is None:
            return False
        session.expunge(upload)
    number = upload.id or 0

    def alive(position: int) -> None:
        with unit_of_work() as session:
            uploaded.hold(session, number, now=clock(), position=position)

    try:
        outcome = _read(upload, alive, clock=clock)
    except TakenElsewhere:
        # It was slow, not dead: the list is with the worker that took it over, to its end.
        log.warning("list.taken_elsewhere", upload=number)
        return True
    except FileRefused as refusal:
        with unit_of_work() as session:
            uploaded.move(session, number, UploadStatus.failed, why=str(refusal)[:500])
        return True
    ended = UploadStatus.done if upload.status is UploadStatus.running else UploadStatus.looked_at
    with unit_of_work() as session:
        counts = {fate: count for fate, count in outcome.as_json().items() if count}
        uploaded.move(session, number, ended, counts=counts, position=upload.size)
    log.info("list.read", upload=number, ended=str(ended), **outcome.as_json())
    return True


def _read(upload: Upload, alive: importing.Progress, *, clock: Clock) -> Outcome:
    number = upload.id or 0
    with uploaded.opened(number) as source, StoredLines(number) as refused:
        sheet = importing.look_at(source, upload.name, said=upload.said, encoding=upload.encoding)
        if upload.status is UploadStatus.rehearsing:
            return importing.rehearse(sheet, refused=refused, now=clock(), progress=alive)
        origin = sheet.columns.origin
        terms = Terms(
            page=upload.page or f"imported from {origin or upload.name}",
            wording=upload.wording,
            origin=origin,
        )
        return importing.take_in(
            sheet, terms, refused=refused, by=upload.by, now=clock(), progress=alive
        )


def _note(session: Session, number: int, action: str, *, by: str, now: datetime) -> None:
    audit.note(session, by=by, action=action, subject=f"list {number}", now=now)
