"""The file of lines that nobody could be read from, each with its reason: put right, it is taken in again."""

import csv
import io
from typing import BinaryIO, Final

from newsletter.spreadsheets import defused
from subscribers.importing.records import FileRefused, Refused

#: How the file begins.
HEAD: Final = b"line,why,what stood there\r\n"
_SHOWN: Final = 1000  # characters of a line


class RefusedLines:
    """Writes them behind what an earlier try has settled."""

    def __init__(self, file: BinaryIO, *, size: int) -> None:
        """What stands beyond *size* was written by a try that did not come to keep it."""
        there = file.seek(0, io.SEEK_END)
        if size > there:
            raise FileRefused(
                "An earlier try wrote refused lines into another file; name the same with --refused."
            )
        self._file, self.size = file, size
        file.seek(size)
        file.truncate()
        if not size:
            self.size += file.write(HEAD)

    def write(self, lines: list[Refused]) -> None:
        """Add them, safely before anything is committed."""
        for one in lines:
            self._row(str(one.line), one.reason, defused(one.text[:_SHOWN]))
        self._file.flush()

    def _row(self, *cells: str) -> None:
        sheet = io.StringIO(newline="")
        csv.writer(sheet).writerow(cells)
        self.size += self._file.write(sheet.getvalue().encode(errors="replace"))
