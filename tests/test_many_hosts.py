"""Workers and beats on hosts of their own: no shared disk, no common clock, separate addresses."""

import socket
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
import pytest
from sqlmodel import Session, select

from digests.ledger.receipt import receipt
from digests.models import Batch, Digest
from newsletter.database import open_engine
from newsletter.secrets import embedded_secrets
from tests.support.editions import a_sending_digest, readers
from tests.support.processes import (
    ROOT,
    Kept,
    free_port,
    furnish,
    running,
    surroundings,
    wait_until,
)
from tests.support.servers import Redis

PEOPLE: Final = 400
#: Each host's address and how wrong its clock is, in seconds. Between two of them lies less
#: than half a lease: that is what docs/operations.md asks of the hosts' clocks.
HOSTS: Final = (
    ("127.0.0.21", -25, "worker"),
    ("127.0.0.22", 0, "worker"),
    ("127.0.0.23", 25, "worker"),
    ("127.0.0.24", 12, "beat"),
    ("127.0.0.25", -12, "beat"),
)


@pytest.mark.processes
def test_hosts_that_share_only_postgresql_and_redis_send_each_copy_once(
    postgresql_database: str, redis: Redis, tmp_path: Path
) -> None:
    provider = tmp_path / "provider"
    provider.mkdir()
    at_provider = {
        "NEWSLETTER_HOME": str(provider / "var"),
        "NEWSLETTER_HOST": "127.0.0.20",
        "NEWSLETTER_SANDBOX_PORT": str(free_port()),
    }
    sandbox = f"http://127.0.0.20:{at_provider['NEWSLETTER_SANDBOX_PORT']}"
    keys = embedded_secrets(provider / "var")
    everywhere = {
        "NEWSLETTER_ENVIRONMENT": "production",
        "NEWSLETTER_DATABASE_URL": postgresql_database,
        "NEWSLETTER_BROKER_URL": redis.url,
        "NEWSLETTER_REDIS_URL": redis.url,
        "NEWSLETTER_PUBLIC_URL": "https://news.example.com",
        "NEWSLETTER_SENDER_ADDRESS": "verdicts@news.example.com",
        "NEWSLETTER_POSTAL_ADDRESS": "1 Test Street",
        "NEWSLETTER_SENDGRID_URL": sandbox,
        "NEWSLETTER_SENDGRID_TOKEN": keys["sendgrid.token"],
        "NEWSLETTER_SENDGRID_WEBHOOK_KEY": keys["sendgrid.webhook_key"],
        "NEWSLETTER_LINK_SECRET": "the same on every host, as docs/deploy.md says",
        "NEWSLETTER_SUPPRESSION_SECRET": "this one is the same everywhere too",
        "NEWSLETTER_SITE_TOKEN": "and so is this one, which the site has",
        "NEWSLETTER_TICK": "0.5",
        "NEWSLETTER_SEND_THREADS": "1",
    }
    engine = open_engine(postgresql_database)
    now = datetime.now(UTC)  # noqa: TID251 - the hosts live in real time, more or less
    with Session(engine) as session, session.begin():
        readers(session, PEOPLE, now=now)
        a_sending_digest(session, now=now, batch_size=10)

    def sent() -> bool:
        with Session(engine) as session:
            return session.exec(select(Digest.status)).one() == "sent"

    with ExitStack() as stack:
        stack.enter_context(
            running("sandbox", folder=provider, environment=at_provider, answers=f"{sandbox}/")
        )
        # Slow enough that no host is done before the others have begun.
        slow = {"rules": [{"kind": "slow", "rate": 1.0, "seconds": 0.3}]}
        httpx.put(f"{sandbox}/sandbox/faults", json=slow).raise_for_status()
        hosts = [
            stack.enter_context(_host(tmp_path, address, off_by, part, everywhere))
            for address, off_by, part in HOSTS
        ]
        wait_until(sent, within=90, process=hosts[0], what="the edition to be sent")
        mailbox = httpx.get(f"{sandbox}/sandbox/mailbox.json").json()

    with Session(engine) as session:
        books = receipt(session, session.exec(select(Digest)).one())
        by = {name.rpartition("/")[0] for name in session.exec(select(Batch.claimed_by)) if name}
    engine.dispose()
    assert books.is_final
    assert books.accepted == PEOPLE == mailbox["total"]
    assert len(by) > 1  # a thread of one worker is not its neighbour's
    for address, _, part in HOSTS:
        assert _left_behind(tmp_path / address) <= ({"beat"} if part == "beat" else set())


def _host(tmp_path: Path, address: str, off_by: int, part: str, everywhere: dict[str, str]) -> Kept:
    """One process in a folder of its own that nobody else knows."""
    folder = tmp_path / address
    folder.mkdir()
    furnish(folder)
    own = {"NEWSLETTER_HOME": str(folder / "var"), "NEWSLETTER_BEAT_STATE": str(folder / "beat")}
    return Kept(
        [sys.executable, "-m", "tests.support.host", address, str(off_by), part],
        log=folder / "log",
        environment=surroundings(everywhere | own),
        folder=folder,
    )


def _left_behind(folder: Path) -> set[str]:
    """What a host wrote besides its log: nothing that another one would have to see."""
    known = {"log", "celerybeat-schedule"}
    return {path.name.partition(".")[0] for path in folder.iterdir() if path.name not in known}


def test_a_host_comes_from_its_own_address_with_its_own_clock() -> None:
    """The launcher is what makes the claim above mean something."""
    told = (
        "import sys, socket; from tests.support import host; from newsletter import clock;"
        "right = clock.utc_now(); host.set_off_clock(25); host.come_from('127.0.0.21');"
        "line = socket.create_connection(('127.0.0.1', int(sys.argv[1])));"
        "print(round((clock.utc_now() - right).total_seconds()), line.getsockname()[0])"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        said = subprocess.run(
            [sys.executable, "-c", told, str(server.getsockname()[1])],
            env=surroundings(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )

    assert said.stdout.split() == ["25", "127.0.0.21"]
