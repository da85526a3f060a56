"""A list from elsewhere of a million lines, taken in by both databases.

The bare way reads the same lines with Python's own reader and copies address and name into a
table with the same keys: no judging, no consent, no suppression asked, nothing to resume.
"""

import csv
import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import psycopg

from newsletter import database
from newsletter.clock import utc_now
from newsletter.readers import importing
from subscribers.importing.bulk import Fate, Terms
from tests.benchmarks.installation import installation
from tests.benchmarks.table import Figure
from tests.support.servers import Postgres

Say = Callable[[str], None]

LINES: Final = 1_000_000
#: A million lines within a minute; the embedded default, which serves small lists, within three.
FLOORS: Final = {"PostgreSQL": LINES / 60, "SQLite": LINES / 180}
_TERMS: Final = Terms(page="the old newsletter", wording="Get the weekly verdicts")
_BARE: Final = (
    "CREATE TABLE bare (id bigserial PRIMARY KEY, address text, key bytea UNIQUE, name text,"
    " status text NOT NULL DEFAULT 'active', joined_at timestamptz NOT NULL DEFAULT now())"
)


def part(folder: Path, _sizes: Sequence[int], say: Say) -> list[Figure]:
    """Lines a second into each database, and how much longer the bare way would take."""
    say(f"writing a list of {LINES:,} lines")
    file = folder / "list.csv"
    _write(file)
    figures = []
    with Postgres(folder) as server:
        took = {
            "PostgreSQL": _imported(file, folder / "a", say, url=_new(server, "lists")),
            "SQLite": _imported(file, folder / "b", say, url=None),
        }
        say("the bare way into PostgreSQL")
        bare = _copied(file, _new(server, "bare"))
    for name, seconds in took.items():
        figures.append(
            Figure(
                f"a list of a million into {name}", LINES / seconds, "lines/s", limit=FLOORS[name]
            )
        )
    figures.append(
        Figure("the same with csv and COPY alone: times as fast", took["PostgreSQL"] / bare, "x")
    )
    return figures


def _imported(file: Path, home: Path, say: Say, *, url: str | None) -> float:
    with (
        installation(home, url),
        file.open("rb") as source,
        (home / "refused").open("w+b") as lines,
    ):
        database.migrate(database.engine())
        say(f"into {database.engine().dialect.name}")
        began = time.perf_counter()
        sheet = importing.look_at(source, file.name)
        done = importing.take_in(sheet, _TERMS, refused=lines, by="Ada", now=utc_now())
        took = time.perf_counter() - began
    if done.counts != {Fate.added: LINES - LINES // 1000, Fate.refused: LINES // 1000}:
        raise AssertionError(f"the list holds others: {done.counts}")
    return took


def _new(server: Postgres, name: str) -> str:
    with psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return server.url_of(name)


def _copied(file: Path, url: str) -> float:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(_BARE)
        began = time.perf_counter()
        with (
            file.open(newline="") as source,
            connection.cursor().copy("COPY bare (address, key, name) FROM STDIN") as copy,
        ):
            for row in csv.DictReader(source):
                key = hashlib.blake2b(row["Email Address"].encode(), digest_size=16).digest()
                copy.write_row((row["Email Address"], key, row["First Name"]))
        return time.perf_counter() - began


def _write(file: Path) -> None:
    """As Mailchimp writes them; one in a thousand has no address."""
    with file.open("w", newline="") as sheet:
        rows = csv.writer(sheet)
        rows.writerow(("Email Address", "First Name", "Last Name", "MEMBER_RATING", "OPTIN_TIME"))
        for n in range(LINES):
            address = f"reader.{n}@domain{n % 3000}.example" if n % 1000 else f"nobody {n}"
            rows.writerow((address, "Ada", f"Reader {n}, née Byron", "2", "2024-05-06 07:08:09"))
