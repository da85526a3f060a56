"""The sandbox's own SQLite file: one writer at a time, readers beside it, committed before any answer."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS call (
    id INTEGER PRIMARY KEY,
    dialect TEXT NOT NULL,
    number INTEGER NOT NULL,
    accepted_at REAL NOT NULL,
    first INTEGER NOT NULL,
    size INTEGER NOT NULL,
    subject TEXT NOT NULL,
    batch TEXT,
    tags TEXT NOT NULL,
    shared BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS call_by_batch ON call (batch, size);
CREATE INDEX IF NOT EXISTS call_by_subject ON call (subject, size, accepted_at);
CREATE INDEX IF NOT EXISTS call_by_dialect ON call (dialect, size);
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY,
    call INTEGER NOT NULL,
    recipient TEXT NOT NULL,
    ref TEXT,
    provider_id TEXT NOT NULL,
    fate TEXT,
    own BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS message_by_provider_id ON message (provider_id);
CREATE TABLE IF NOT EXISTS answer (
    dialect TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    status INTEGER NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    made_at REAL NOT NULL,
    PRIMARY KEY (dialect, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS wave (
    id INTEGER PRIMARY KEY,
    call INTEGER NOT NULL,
    kind TEXT NOT NULL,
    size INTEGER NOT NULL,
    due_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY,
    message INTEGER NOT NULL,
    kind TEXT NOT NULL,
    due_at REAL NOT NULL,
    link TEXT,
    post INTEGER
);
CREATE INDEX IF NOT EXISTS event_by_message ON event (message);
CREATE INDEX IF NOT EXISTS event_due ON event (due_at) WHERE post IS NULL;
CREATE TABLE IF NOT EXISTS post (
    id INTEGER PRIMARY KEY,
    dialect TEXT NOT NULL,
    kind TEXT NOT NULL,
    token TEXT NOT NULL,
    size INTEGER NOT NULL,
    body BLOB,
    due_at REAL NOT NULL,
    made_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'waiting',
    status INTEGER,
    error TEXT,
    ended_at REAL
);
CREATE INDEX IF NOT EXISTS post_by_state ON post (state);
CREATE INDEX IF NOT EXISTS post_due ON post (due_at) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS shunned (
    dialect TEXT NOT NULL,
    address TEXT NOT NULL,
    reason TEXT NOT NULL,
    since REAL NOT NULL,
    PRIMARY KEY (dialect, address)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

#: Goes up when the tables change; a file of another version is put aside.
_VERSION: Final = 2

_MAIL_TABLES: Final = ("call", "message", "answer", "wave", "event", "post", "shunned")


class Store:
    """The file. What ``write()`` has left is still there after SIGKILL.

    WAL with ``synchronous=NORMAL``: a commit is in the operating system's
    hands, which a killed process cannot take back (a power cut could).
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._put_aside_another_version()
        self._writer = self._connect(cache=65_536)
        self._writer.executescript(_SCHEMA)
        self._writer.execute(f"PRAGMA user_version = {_VERSION}")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, committed at the end of the block or not at all; others wait their turn."""
        with self._lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    def read(self) -> sqlite3.Connection:
        """The calling thread's own connection for reading; it sees everything committed."""
        known: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if known is None:
            known = self._local.connection = self._connect(cache=4_096)
            with self._lock:
                self._readers.append(known)
        return known

    def setting(self, name: str) -> str | None:
        """A remembered setting, or None."""
        found = self.read().execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return str(found[0]) if found else None

    def remember(self, name: str, value: str | None) -> None:
        """Keep a setting across restarts; None forgets it."""
        with self.write() as db:
            if value is None:
                db.execute("DELETE FROM setting WHERE name = ?", (name,))
            else:
                db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))

    def empty(self) -> None:
        """Throw away all mail, events and idempotency keys; settings stay."""
        with self.write() as db:
            for table in _MAIL_TABLES:
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - our own table names

    def close(self) -> None:
        """Give the file back. No thread may be using the store any more."""
        with self._lock:
            for connection in (*self._readers, self._writer):
                connection.close()

    def _put_aside_another_version(self) -> None:
        """Keep a mailbox of other tables beside this one: nobody migrates a rehearsal's mail."""
        if not self._path.exists() or not self._path.stat().st_size:
            return
        with closing(sqlite3.connect(self._path)) as old:
            version = int(old.execute("PRAGMA user_version").fetchone()[0])
            if version != _VERSION:
                old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if version != _VERSION:
            self._path.rename(self._path.with_name(f"{self._path.name}.v{version}"))

    def _connect(self, *, cache: int) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, timeout=30
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        # Kibibytes; there may be forty readers, one for each thread of the server.
        connection.execute(f"PRAGMA cache_size = -{cache}")
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection
