"""SQLite: a copy by the online backup API, while others write, and the way back."""

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Final, cast

from sqlalchemy import Engine, make_url
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from newsletter.database import migrate, open_engine
from newsletter.keeping.file import KeepingError, Kept, Manifest, Progress, take_name
from newsletter.keeping.passive import make_passive

_MEMBER: Final = "newsletter.db"
_PAGES: Final = 1024  # of one step: between two of them progress is told


def take(store: Engine, kept: Kept, *, now: datetime, progress: Progress) -> Manifest:
    """Copy *store* as it is at this moment into *kept*."""
    with ExitStack() as stack:
        with _in_words(_folder(store)):
            folder = _folder(store) / f".backup-{token_hex(8)}"
            # Before it is there: whoever is told to end in between leaves nothing either.
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            copy = folder / _MEMBER
            os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            with closing(sqlite3.connect(copy)) as target:
                _copy(store, target, progress)
                # As one file, without a log beside it.
                target.execute("PRAGMA journal_mode=DELETE")
                _refuse_broken(target)
                revision = target.execute("SELECT version_num FROM alembic_version").fetchone()[0]
                rows = count_rows(target)
        total = copy.stat().st_size
        part = kept.add(_MEMBER, _told(copy, total, progress))
    return Manifest(
        kind="sqlite",
        made_at=now.isoformat(),
        revision=revision,
        rows=rows,
        parts={_MEMBER: part},
    )


def refuse_unless_empty(url: str) -> None:
    """Refuse to restore over anything."""
    path = Path(make_url(url).database or "")
    if not path.exists():
        return
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as there:
        try:
            found = there.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        except sqlite3.DatabaseError as error:
            raise KeepingError(
                f"{path} is there and is no empty database: move it away."
            ) from error
    if found:
        raise KeepingError(
            f"{path} holds a store already, and a backup comes back into an empty place only: "
            "set NEWSLETTER_HOME to another folder, or move it away."
        )


def bring_back(  # noqa: PLR0913 - what comes back, where to, and on whose word
    url: str, kept: Kept, manifest: Manifest, *, by: str, now: datetime, progress: Progress
) -> None:
    """Write the file beside its place, look it over, and let it have its name last."""
    path = Path(make_url(url).database or "")
    if _MEMBER not in manifest.parts:
        raise KeepingError("the backup holds no store; nothing was restored. Take another one.")
    with _in_words(path.parent):
        _bring_back(path, kept, manifest, by=by, now=now, progress=progress)


def _bring_back(  # noqa: PLR0913 - the same
    path: Path, kept: Kept, manifest: Manifest, *, by: str, now: datetime, progress: Progress
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    total = manifest.parts[_MEMBER].size
    with TemporaryDirectory(prefix=".restore-", dir=path.parent) as folder:
        draft = Path(folder) / _MEMBER
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            done = 0
            for piece in kept.pieces(_MEMBER):
                file.write(piece)
                done += len(piece)
                progress("restoring", done, total)
        with closing(sqlite3.connect(draft)) as connection:
            _refuse_broken(connection)
            if count_rows(connection) != manifest.rows:
                raise KeepingError(
                    "the backup does not hold the rows that it says; nothing was restored."
                )
        store = open_engine(f"sqlite:///{draft}")
        try:
            migrate(store)
            with Session(store) as session, session.begin():
                make_passive(session, manifest, by=by, now=now)
        finally:
            store.dispose()
        with closing(sqlite3.connect(draft)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        refuse_unless_empty(f"sqlite:///{path}")
        for leftover in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            with suppress(FileNotFoundError):
                leftover.unlink()
        take_name(draft, path)


def count_rows(connection: sqlite3.Connection) -> dict[str, int]:
    """How many rows each table has."""
    names = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    # S608: the names are the schema's own.
    return {
        name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608
        for (name,) in names
    }


def _copy(store: Engine, target: sqlite3.Connection, progress: Progress) -> None:
    with store.connect() as connection:
        # The transaction holds the moment: without it every write of another process would
        # have the copy begin anew, and a busy store would never be copied.
        connection.exec_driver_sql("SELECT count(*) FROM alembic_version")
        source = cast("sqlite3.Connection", connection.connection.driver_connection)
        source.backup(
            target,
            pages=_PAGES,
            progress=lambda _status, left, total: progress("copying", total - left, total),
        )


def _folder(store: Engine) -> Path:
    return Path(store.url.database or "").parent


def _told(path: Path, total: int, progress: Progress) -> Iterator[bytes]:
    done = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            yield piece
            done += len(piece)
            progress("writing", done, total)


@contextmanager
def _in_words(folder: Path) -> Iterator[None]:
    """What stands in the way of a copy of the store in *folder*, in a sentence."""
    try:
        yield
    except (OSError, sqlite3.OperationalError, OperationalError) as error:
        why = getattr(error, "strerror", None) or getattr(error, "orig", None) or error
        room = ", and it takes as much room there as the store itself" if _is_full(error) else ""
        raise KeepingError(
            f"no copy of the store can be made in {folder}{room}: {why}; nothing is left of it."
        ) from error


def _is_full(error: Exception) -> bool:
    return getattr(error, "errno", 0) in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} or (
        "full" in str(error)
    )


def _refuse_broken(connection: sqlite3.Connection) -> None:
    try:
        found = connection.execute("PRAGMA quick_check").fetchone()[0]
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise KeepingError(f"SQLite finds the store damaged: {found}.")
