"""What every test stands on: a clean environment, real databases, a fixed moment, a browser."""

import contextlib
import gc
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

# Before anything of the service is imported: whoever runs the tests has settings of their own.
_BROWSER_IS_PROMISED: Final = "NEWSLETTER_REQUIRE_BROWSER"  # set by .ci/run, for a whole run
for _name in [name for name in os.environ if name.startswith("NEWSLETTER_")]:
    if _name != _BROWSER_IS_PROMISED:
        del os.environ[_name]
_HOME: Final = tempfile.mkdtemp(prefix="newsletter-tests-")
os.environ["NEWSLETTER_HOME"] = _HOME
# Where nobody listens: a sandbox that a developer has running beside the tests is none of theirs.
os.environ["NEWSLETTER_SANDBOX_PORT"] = "9"

import hypothesis  # noqa: E402 - the environment comes first
import pytest  # noqa: E402

from newsletter.settings import settings  # noqa: E402
from tests.support.databases import Databases, migrate_anew  # noqa: E402
from tests.support.effort import examples  # noqa: E402 - the same
from tests.support.servers import Postgres, Redis  # noqa: E402 - the same

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage
    from sqlmodel import Session

# What the collector looks through is mostly modules, which stay.
gc.set_threshold(20_000)

# A slow moment of the machine is not a failure: nothing here is timed.
hypothesis.settings.register_profile("untimed", deadline=None, max_examples=examples(100))
hypothesis.settings.load_profile("untimed")

#: Changes settings for one test: ``configure(esp="resend")`` sets NEWSLETTER_ESP.
Configure = Callable[..., None]


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get(_BROWSER_IS_PROMISED) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(BrowserTestsRan())


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


class BrowserTestsRan:
    """A run that promised a browser is no success unless a test in one has passed."""

    def __init__(self) -> None:
        self.passed = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.passed += report.when == "call" and report.passed and "browser" in report.keywords

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self.passed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        told = f"tests that passed in a browser: {self.passed}"
        terminalreporter.write_line(told, red=not self.passed, green=bool(self.passed))


@pytest.fixture
def now() -> datetime:
    """The Monday morning on which most stories happen."""
    return datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> Iterator[None]:
    """What one test set or cached is unknown to the next."""
    yield
    forget()


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Set ``NEWSLETTER_*`` for this test; the service reads its settings anew."""

    def change(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"NEWSLETTER_{name.upper()}", str(value))
        forget()

    return change


@pytest.fixture
def home(_migrated_file: Path, tmp_path: Path, configure: Configure) -> Path:
    """A ``var/`` of this test's own, with secrets of its own and an empty store."""
    var = tmp_path / "var"
    var.mkdir()
    shutil.copyfile(_migrated_file, var / "newsletter.db")
    configure(home=var)
    return var


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL server for this test process."""
    with Postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def _databases(postgres: Postgres) -> Databases:
    return Databases(postgres)


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis server for this test process; a test that fills it uses names of its own."""
    with Redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def postgresql_database(postgres: Postgres, _databases: Databases) -> Iterator[str]:
    """A migrated and empty PostgreSQL database, as its URL; not yet the service's own."""
    name = _databases.lend()
    yield postgres.url_of(name)
    forget()
    _databases.take_back(name)


@pytest.fixture
def sqlite_database(_migrated_file: Path, tmp_path: Path) -> str:
    """A migrated and empty SQLite database, as its URL; not yet the service's own."""
    shutil.copyfile(_migrated_file, tmp_path / "newsletter.db")
    return f"sqlite:///{tmp_path / 'newsletter.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, configure: Configure) -> str:
    """The service's database, migrated and empty, once of each kind; yields its URL.

    ``newsletter.database`` works on it without more ado.
    """
    url: str = request.getfixturevalue(f"{request.param}_database")
    configure(database_url=url)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database in which nothing is yet."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'var' / 'newsletter.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = f"empty_{uuid4().hex}"
    import psycopg  # noqa: PLC0415 - most runs need no database of this kind

    with psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield server.url_of(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def session(database: str) -> Iterator["Session"]:
    """A session on ``database`` for tests that need no unit of work; it commits nothing itself."""
    from sqlmodel import Session  # noqa: PLC0415 - as in tests.support.databases

    from newsletter.database import engine  # noqa: PLC0415

    assert settings().database == database
    with Session(engine()) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Chromium, headless. Skips without one, except where a browser is promised: there it fails.

    For one module and not for the whole run: while it is there, its driver's
    event loop runs in this thread, and a test with a loop of its own cannot.
    """
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    program = next((found for found in map(shutil.which, names) if found), None)
    if program is None:
        missing = "No Chromium on the PATH: `apt-get install chromium` brings one."
        if os.environ.get("CI") or os.environ.get(_BROWSER_IS_PROMISED):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    # Imported here: starting the driver costs half a second, and most runs need no browser.
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    with sync_playwright() as driver:
        opened = driver.chromium.launch(
            executable_path=program,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        with _no_script_held_back(opened):
            yield opened
        opened.close()


@contextlib.contextmanager
def _no_script_held_back(opened: "Browser") -> Iterator[None]:
    """No page may have a script that its own policy keeps from running: it would only seem to work."""
    held_back = set[str]()

    def listen(message: "ConsoleMessage") -> None:
        if "script-src" in message.text and "Content Security Policy" in message.text:
            held_back.add(f"{message.page.url if message.page else ''}: {message.text}")

    make = opened.new_context

    def new_context(*args: Any, **options: Any) -> "BrowserContext":
        context = make(*args, **options)
        context.on("console", listen)
        return context

    opened.new_context = new_context  # type: ignore[method-assign]  # every page is to be heard
    yield
    assert held_back == set()


#: What these keep depends on what they are given alone.
_PURE: Final = (
    "digests.words.quotes",
    "newsletter.accounts.register",
    "newsletter.archive.picture",
    "newsletter.preflight",
    "newsletter.rendering.mjml",
)


def forget() -> None:
    """Let go of everything the service has cached, its engine first."""
    store = sys.modules.get("newsletter.database")
    if store is not None and store.engine.cache_info().currsize:
        store.engine().dispose()
    for one in _caches(len(sys.modules)):
        one.cache_clear()


@lru_cache(maxsize=1)
def _caches(_modules: int) -> list[Any]:
    """Every cache of the service, looked for anew when more modules are there than before."""
    return [
        value
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in {"newsletter", "digests", "subscribers"}
        and not name.startswith(_PURE)
        for value in list(vars(module).values())
        if hasattr(value, "cache_clear") and value.__module__ == name
    ]


@pytest.fixture(scope="session")
def _migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    migrate_anew(f"sqlite:///{path}")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        # Copied as one file: nothing may be left in the write-ahead log beside it.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path
