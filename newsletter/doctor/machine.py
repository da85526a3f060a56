"""What mail needs of this machine: the store, Redis, who ticks and who sends, secrets, one clock."""

import shlex
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import redis
from redis.exceptions import RedisError
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select

from newsletter import broker, database, pulse
from newsletter.esp.checks import Check
from newsletter.pulse import Life, Part
from newsletter.secrets import NAMES
from newsletter.settings import production, settings
from subscribers.addresses import address_key, normal_form
from subscribers.models import Subscriber

Clock = Callable[[], datetime]

_PATIENCE: Final = 2.0  # seconds
#: How far two clocks may be apart: leases and deadlines are compared between hosts.
_APART: Final = timedelta(seconds=2)
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO

_LIVES: Final = {
    Part.beat: ("beat", "nothing becomes due", "newsletter beat"),
    Part.worker: ("worker", "nothing is sent", "newsletter worker"),
}


def examine_machine(*, clock: Clock) -> Iterator[Check]:
    """Everything about this machine and what it is connected with; quick."""
    yield from _store(clock)
    yield from _carriers()
    yield from _secrets()
    yield from _keys()
    yield from _files()
    if not settings().is_embedded:
        yield _public_url()


def _store(clock: Clock) -> Iterator[Check]:
    try:
        with database.reading() as session:
            connection = session.connection()
            connection.execute(text("SELECT 1"))
            is_current = database.is_current(connection)
            yield Check("database", good=True, says="The database answers.")
            yield (
                Check("migrations", good=True, says=_whose_tables(connection))
                if is_current
                else Check(
                    "migrations",
                    good=False,
                    says="Its tables are not those of this version.",
                    fix="Run `newsletter migrate`.",
                )
            )
            if connection.dialect.name == "postgresql":
                yield _one_clock(connection.execute, clock)
            if is_current:
                for part in Part:
                    yield _alive(pulse.life(session, part, now=clock()))
    except (SQLAlchemyError, OSError) as error:
        url = make_url(settings().database)
        yield Check(
            "database",
            good=False,
            says=f"The database does not answer ({type(error).__name__}).",
            fix="See that it runs, and that `NEWSLETTER_DATABASE_URL` leads to it."
            if url.get_backend_name() == "postgresql"
            else f"See that `{url.database}` may be read and written; when it is damaged, bring the "
            "last backup back into another `NEWSLETTER_HOME` (`newsletter restore`).",
        )


def _whose_tables(connection: Connection) -> str:
    if database.is_ahead(connection):
        return "Its tables are those of a newer version, on which this one runs as well."
    return "Its tables are those of this version."


def _one_clock(execute: Callable[..., object], clock: Clock) -> Check:
    before = clock()
    answer = execute(text("SELECT clock_timestamp()"))
    theirs: datetime = answer.scalar_one()  # type: ignore[attr-defined]  # a CursorResult
    after = clock()
    # It was read somewhere between the two: only what lies outside is a difference.
    apart = max(before - theirs, theirs - after, timedelta(0))
    seconds = apart.total_seconds()
    if apart > _APART:
        return Check(
            "clock",
            good=False,
            says=f"This machine's clock and the database's are {seconds:,.1f} seconds apart.",
            fix="Set both by NTP (chrony or systemd-timesyncd).",
        )
    return Check("clock", good=True, says="This machine's clock agrees with the database's.")


def _alive(life: Life) -> Check:
    what, otherwise, command = _LIVES[life.part]
    if not life.alive:
        since = f" since {life.last_seen_at:%Y-%m-%d %H:%M} UTC" if life.last_seen_at else " yet"
        return Check(
            what,
            good=False,
            says=f"No {what} has been seen{since}: {otherwise}.",
            fix=f"Start one: `{command}`.",
        )
    count = len(life.alive)
    return Check(what, good=True, says=f"{count} {what}{'s' if count > 1 else ''} alive.")


def _carriers() -> Iterator[Check]:
    if url := settings().redis_url:
        try:
            with redis.Redis.from_url(
                url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE
            ) as client:
                client.ping()
            yield Check("redis", good=True, says="Redis answers.")
        except (RedisError, OSError, ValueError) as error:
            yield Check(
                "redis",
                good=False,
                says=f"Redis does not answer ({type(error).__name__}).",
                fix="See that it runs, and that `NEWSLETTER_REDIS_URL` leads to it.",
            )
    if broker.waiting() is None:
        yield Check(
            "broker",
            good=False,
            says="The broker does not answer: no tick reaches a worker.",
            fix="See that it runs, and that `NEWSLETTER_BROKER_URL` leads to it.",
        )
    else:
        yield Check("broker", good=True, says="The broker answers.")


def _secrets() -> Iterator[Check]:
    known = settings()
    if known.is_embedded:
        yield Check("secrets", good=True, says="The embedded default has made secrets of its own.")
        return
    for name in NAMES:
        if why := production.why_weak(known, name):
            yield Check(
                f"secret {name}",
                good=False,
                says=f"`NEWSLETTER_{name.upper()}` {why}.",
                fix=f"{production.REPLACE[name]}.",
            )
            return
    yield Check("secrets", good=True, says="The secrets are set, and are nobody else's.")


def _keys() -> Iterator[Check]:
    """Whether the suppression secret is the one that the list was made with: somebody on it tells."""
    with suppress(SQLAlchemyError), database.reading() as session:
        question = select(Subscriber.address, Subscriber.address_key).order_by(col(Subscriber.id))
        known = session.exec(question.where(col(Subscriber.address).is_not(None)).limit(1)).first()
        if known is None or known[0] is None:
            return
        secret = settings().suppression_secret.get_secret_value()
        if address_key(normal_form(known[0]), secret=secret) == known[1]:
            yield Check("hashes", good=True, says="Addresses are known by the present secret.")
        else:
            yield Check(
                "hashes",
                good=False,
                says="`NEWSLETTER_SUPPRESSION_SECRET` is not the one that the list was made with: nobody "
                "on it is recognised, and who was erased or must not be mailed may be mailed again.",
                fix="Run `newsletter stop`, set the former one again, restart, and then `newsletter go`.",
            )


def _files() -> Iterator[Check]:
    """Files with addresses or secrets in them are their owner's only."""
    url = make_url(settings().database)
    private = [settings().home / "secrets.json"]
    if url.get_backend_name() == "sqlite" and url.database:
        private += [Path(f"{url.database}{part}") for part in ("", "-wal")]
    open_to_others = [
        path for path in private if path.exists() and stat.S_IMODE(path.stat().st_mode) & _OTHERS
    ]
    if open_to_others:
        names = shlex.join(str(path) for path in open_to_others)
        yield Check(
            "files",
            good=False,
            says=f"Others on this machine may read {open_to_others[0].name}.",
            fix=f"Run `chmod 600 {names}`.",
        )
    elif any(path.exists() for path in private):
        yield Check("files", good=True, says="Only their owner may read the store and the secrets.")


def _public_url() -> Check:
    url = settings().web_url
    if url.startswith("https://"):
        return Check("public address", good=True, says=f"Readers reach the service at {url}.")
    return Check(
        "public address",
        good=False,
        says="The public address is not https.",
        fix="Set `NEWSLETTER_PUBLIC_URL` to an https address.",
    )
