"""Lists that were loaded up and wait to be taken in: in the store, since workers share nothing else.

A list holds addresses, so it is here for as short a time as can be: gone when it is taken in or
dropped, after a day in any case, and with the next person who is erased.
"""

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, BinaryIO, Final, cast

from sqlalchemy import JSON, Column, CursorResult, Enum, LargeBinary, delete, func, select, update
from sqlmodel import Field, Session, SQLModel, col

from newsletter.database import reading, unit_of_work
from subscribers.models import BIG

#: How long a list, or the lines of it that were refused, can be fetched and gone on with.
KEPT: Final = timedelta(days=1)
#: Bytes in one row.
PIECE: Final = 1 << 20
#: Without a sign of life for so long, the worker that had it is gone.
LEASE: Final = timedelta(minutes=2)
#: Workers that may fall over one list before nobody tries it any more.
TRIES: Final = 6
_FELL: Final = (
    f"{TRIES} workers fell over this list, and no other is to. Who was taken in stays; the workers' logs "
    "say what happened."
)


class UploadStatus(StrEnum):
    """Where a list stands."""

    looked_at = "looked at"  # nothing happens until an operator says so
    rehearsing = "rehearsing"
    running = "running"
    done = "done"
    failed = "failed"


#: What each is preceded by; every UPDATE names its sources.
NEXT: Final[dict[UploadStatus, frozenset[UploadStatus]]] = {
    UploadStatus.looked_at: frozenset({UploadStatus.rehearsing, UploadStatus.running}),
    UploadStatus.rehearsing: frozenset({UploadStatus.looked_at, UploadStatus.failed}),
    UploadStatus.running: frozenset({UploadStatus.done, UploadStatus.failed}),
    UploadStatus.done: frozenset(),
    UploadStatus.failed: frozenset(),
}


class Upload(SQLModel, table=True):
    """One list: who brought it, how it is read, and how far it is."""

    __tablename__ = "list_upload"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=200)
    by: str = Field(max_length=120)
    at: datetime
    status: UploadStatus = Field(
        default=UploadStatus.looked_at,
        sa_column=Column(
            Enum(
                UploadStatus,
                native_enum=False,
                length=16,
                values_callable=lambda e: [m.value for m in e],
            ),
            nullable=False,
            index=True,
        ),
    )
    size: int  # bytes
    encoding: str = Field(max_length=40)
    delimiter: str = Field(max_length=1)
    said: dict[str, str] = Field(sa_column=Column(JSON, nullable=False))  # column by meaning
    page: str = Field(default="", max_length=200)
    wording: str = Field(default="", max_length=1000)
    counts: dict[str, int] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    position: int = 0  # bytes that are read
    why: str = Field(default="", max_length=500)  # it failed
    held_until: datetime | None = None  # a worker has it
    tries: int = Field(  # of workers, since it began to be read
        default=0, sa_column_kwargs={"server_default": "0"}
    )


class UploadPiece(SQLModel, table=True):
    """Some bytes of a list, or of the file of lines that were refused; *place* is where they begin."""

    __tablename__ = "list_upload_piece"

    upload_id: int = Field(primary_key=True)
    kind: str = Field(primary_key=True, max_length=8)
    place: int = Field(primary_key=True, sa_type=BIG)
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


LIST, REFUSED = "list", "refused"
#: A worker has it, or is to have it.
BUSY: Final = (UploadStatus.rehearsing, UploadStatus.running)


def keep(session: Session, upload_id: int, source: BinaryIO) -> None:
    """Put the whole list into the store."""
    source.seek(0)
    place = 0
    while data := source.read(PIECE):
        session.add(UploadPiece(upload_id=upload_id, kind=LIST, place=place, data=data))
        place += len(data)
        session.flush()
        session.expunge_all()


def beginning(session: Session, upload_id: int) -> bytes:
    """The first piece of the list; empty once it is gone."""
    piece = session.get(UploadPiece, (upload_id, LIST, 0))
    return piece.data if piece else b""


def pieces(upload_id: int, kind: str) -> Iterator[bytes]:
    """All of it, a piece at a time."""
    last = -1
    while True:
        with reading() as session:
            found = session.execute(
                select(col(UploadPiece.place), col(UploadPiece.data))
                .where(
                    col(UploadPiece.upload_id) == upload_id,
                    col(UploadPiece.kind) == kind,
                    col(UploadPiece.place) > last,
                )
                .order_by(col(UploadPiece.place))
                .limit(1)
            ).first()
        if found is None:
            return
        last = found.place
        yield found.data


@contextmanager
def opened(upload_id: int) -> Iterator[BinaryIO]:
    """The list as a file of this machine, which is gone again when it is closed."""
    with tempfile.TemporaryFile() as file:
        for data in pieces(upload_id, LIST):
            file.write(data)
        yield file


class StoredLines(io.BufferedRandom):
    """The file of refused lines on this machine, which is in the store whenever it is flushed."""

    def __init__(self, upload_id: int) -> None:
        """With what an earlier try has left."""
        super().__init__(tempfile.TemporaryFile(buffering=0))  # noqa: SIM115 - it is closed with this one
        self._id = upload_id
        self._stored = 0
        for data in pieces(upload_id, REFUSED):
            self._stored += self.write(data)
        super().flush()

    def truncate(self, size: int | None = None, /) -> int:
        """Cut it off, in the store as well."""
        cut = super().truncate(size)
        if cut < self._stored:
            with unit_of_work() as session:
                _drop(session, self._id, REFUSED)
                self._stored = 0
                self._store(session)
        return cut

    def flush(self) -> None:
        """Keep what was written since."""
        super().flush()
        if self.seek(0, io.SEEK_END) > self._stored:
            with unit_of_work() as session:
                self._store(session)

    def _store(self, session: Session) -> None:
        """Put what is not there yet into the store, and stand at the end."""
        self.seek(self._stored)
        while data := self.read(PIECE):
            session.add(
                UploadPiece(upload_id=self._id, kind=REFUSED, place=self._stored, data=data)
            )
            session.flush()
            session.expunge_all()
            self._stored += len(data)


def claim(session: Session, *, now: datetime) -> Upload | None:
    """The next list that waits for a worker, held for it; None without any."""
    waiting = (
        select(col(Upload.id))
        .where(
            col(Upload.status).in_(BUSY),
            (col(Upload.held_until).is_(None)) | (col(Upload.held_until) < now),
        )
        .order_by(col(Upload.id))
        .limit(1)
    )
    upload_id = session.execute(waiting.with_for_update(skip_locked=True)).scalar()
    if upload_id is None:
        return None
    upload = session.get_one(Upload, upload_id)
    if upload.tries >= TRIES:
        move(session, upload_id, UploadStatus.failed, why=_FELL)
        return None
    upload.tries += 1
    session.flush()
    hold(session, upload_id, now=now)
    session.refresh(upload)
    return upload


def hold(session: Session, upload_id: int, *, now: datetime, position: int | None = None) -> None:
    """A sign of life of the worker that has it."""
    values: dict[str, Any] = {"held_until": now + LEASE}
    if position is not None:
        values["position"] = position
    session.execute(update(Upload).where(col(Upload.id) == upload_id).values(**values))


def move(session: Session, upload_id: int, wanted: UploadStatus, **values: object) -> bool:
    """Move it on, let go of; False when it stands where it cannot come from."""
    sources = [status for status, targets in NEXT.items() if wanted in targets]
    moved = session.execute(
        update(Upload)
        .where(col(Upload.id) == upload_id, col(Upload.status).in_(sources))
        .values(status=wanted, held_until=None, tries=0, **values)
    )
    if wanted in {UploadStatus.done, UploadStatus.failed}:
        _drop(session, upload_id, LIST)
    return cast("CursorResult[Any]", moved).rowcount == 1


def drop(session: Session, upload_id: int) -> None:
    """Let go of a list and everything of it."""
    session.execute(delete(UploadPiece).where(col(UploadPiece.upload_id) == upload_id))
    session.execute(delete(Upload).where(col(Upload.id) == upload_id))


def forget(session: Session, *, before: datetime | None = None) -> int:
    """Let go of every list that no worker has, or of those that came *before*; returns how many."""
    idle = select(col(Upload.id)).where(
        col(Upload.status).not_in(BUSY) if before is None else col(Upload.at) < before
    )
    numbers = list(session.execute(idle).scalars())
    for number in numbers:
        drop(session, number)
    # What a worker wrote whose list was let go of under its hands.
    listed = select(col(Upload.id))
    session.execute(delete(UploadPiece).where(col(UploadPiece.upload_id).not_in(listed)))
    return len(numbers)


def has_refused(session: Session, upload_id: int) -> bool:
    """Whether there are refused lines to be fetched."""
    asked = select(func.count()).where(
        col(UploadPiece.upload_id) == upload_id, col(UploadPiece.kind) == REFUSED
    )
    return bool(session.execute(asked).scalar_one())


def _drop(session: Session, upload_id: int, kind: str) -> None:
    session.execute(
        delete(UploadPiece).where(
            col(UploadPiece.upload_id) == upload_id, col(UploadPiece.kind) == kind
        )
    )
