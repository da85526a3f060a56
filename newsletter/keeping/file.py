"""The file that a backup is: a zip of what the store holds, with a manifest to check it against."""

import errno
import hashlib
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from pydantic import BaseModel

#: Told what is being done, how much of it is done, and how much there is (0: not known).
Progress = Callable[[str, int, int], None]

_MANIFEST: Final = "manifest.json"
_PIECE: Final = 1 << 20
_FORMAT: Final = 1
#: What a disk answers that has no hard links, or no folder that could be synchronised.
_HAS_NONE: Final = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}
_UNREADABLE: Final = (
    KeyError,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,  # a password, or a compression that we do not know
    zipfile.BadZipFile,
    zlib.error,
)


class KeepingError(Exception):
    """A backup cannot be made or brought back; the message says why, and what to do."""


class Part(BaseModel):
    """One member of the file: a table, or the whole of SQLite's file."""

    sha256: str
    size: int
    columns: list[str] = []
    rows: int = 0
    parent: str | None = None
    """The table of which this one is a partition."""


class Manifest(BaseModel):
    """What a backup holds, and by what one knows that it is whole."""

    format: int = _FORMAT
    kind: str
    made_at: str
    revision: str
    rows: dict[str, int]
    parts: dict[str, Part]
    sequences: dict[str, int] = {}
    under: str = ""
    """What tells whether the suppression secret is the one it was made under, and nothing more."""
    signed: str = ""
    """The same of the link secret."""


class Kept:
    """The open file, for writing or for reading."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file

    def add(self, name: str, pieces: Iterable[bytes | memoryview]) -> Part:
        """Write a member piece by piece."""
        digest, size = hashlib.sha256(), 0
        with self._file.open(name, "w", force_zip64=True) as member:
            for piece in pieces:
                digest.update(piece)
                member.write(piece)
                size += len(piece)
        return Part(sha256=digest.hexdigest(), size=size)

    def pieces(self, name: str) -> Iterator[bytes]:
        """Read a member piece by piece."""
        with self._file.open(name) as member:
            while piece := member.read(_PIECE):
                yield piece

    def close(self, manifest: Manifest) -> Manifest:
        """Write the manifest, which is the last."""
        self._file.writestr(_MANIFEST, manifest.model_dump_json(indent=1))
        return manifest

    def manifest(self) -> Manifest:
        """What the file says of itself."""
        read = Manifest.model_validate_json(self._file.read(_MANIFEST))
        if read.format != _FORMAT:
            raise KeepingError(
                f"the backup's format is {read.format}; this version reads {_FORMAT}."
            )
        return read

    def verify(self, manifest: Manifest, *, progress: Progress) -> None:
        """Refuse a file of which any byte is not what the manifest says."""
        total, done = sum(part.size for part in manifest.parts.values()), 0
        for name, part in manifest.parts.items():
            digest = hashlib.sha256()
            try:
                for piece in self.pieces(name):
                    digest.update(piece)
                    done += len(piece)
                    progress("verifying", done, total)
            except _UNREADABLE as error:
                raise _damaged(name) from error
            if digest.hexdigest() != part.sha256:
                raise _damaged(name)


@contextmanager
def creating(target: Path) -> Iterator[Kept]:
    """A new file for its owner's eyes only, that has its name only once it is whole and on disk."""
    if target.exists():
        raise KeepingError(f"{target} is there already: give another name, or move it away.")
    draft = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        opened = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        with os.fdopen(opened, "w+b") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
                yield Kept(zipped)
            file.flush()
            os.fsync(file.fileno())
        take_name(draft, target)
    except OSError as error:
        raise KeepingError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()


@contextmanager
def opening(source: Path) -> Iterator[tuple[Kept, Manifest]]:
    """A backup to read, with its manifest."""
    try:
        zipped = zipfile.ZipFile(source)
    except zipfile.BadZipFile as error:
        raise KeepingError(f"{source} is no backup, or only a part of one.") from error
    except OSError as error:
        raise KeepingError(f"{source} cannot be read: {error.strerror}.") from error
    with zipped:
        kept = Kept(zipped)
        try:
            manifest = kept.manifest()
        except _UNREADABLE as error:
            raise KeepingError(f"{source} is no backup of a newsletter.") from error
        yield kept, manifest


def take_name(draft: Path, name: Path) -> None:
    """Give *draft* its *name*, never in place of a file that has come to be there meanwhile."""
    try:
        try:
            name.hardlink_to(draft)
        except OSError as error:
            if error.errno not in _HAS_NONE:
                raise
            name.touch(mode=0o600, exist_ok=False)  # ours alone, and so ours to replace
            draft.replace(name)
    except FileExistsError as error:
        raise KeepingError(f"{name} is there already; nothing was written to it.") from error
    folder = os.open(name.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in _HAS_NONE:
            raise
    finally:
        os.close(folder)


def _damaged(name: str) -> KeepingError:
    return KeepingError(f"the backup is damaged ({name}); nothing was restored. Take another one.")
