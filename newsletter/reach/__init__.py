"""Where the links of coming editions lead: asked by a tick, kept as rows, read by preflight."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any, Final, cast
from urllib.parse import urlsplit

import structlog
from sqlalchemy import Column, CursorResult, Text, delete, or_, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, Session, SQLModel, col, select

from digests.lifecycle import NothingInIt
from digests.models import Digest, DigestStatus, words
from newsletter.copies import galley
from newsletter.database import reading, unit_of_work
from newsletter.reach.asking import Answer, Verdict, ask
from newsletter.settings import settings

__all__ = ["LinkAnswer", "Verdict", "answers", "ask_due", "asked_about", "key_of"]

log = structlog.get_logger()

_GOOD_FOR: Final = timedelta(hours=1)
_BAD_FOR: Final = timedelta(minutes=5)  # it may have been mended by now
_FORGOTTEN_AFTER: Final = timedelta(days=30)
_PER_HOST: Final = 10  # links of one host in one round
_BETWEEN: Final = 0.5  # seconds between two questions to one host


class LinkAnswer(SQLModel, table=True):
    """What became of asking one link, the last time. A claim before the question keeps others from it."""

    __tablename__ = "link_answer"

    key: str = Field(primary_key=True, max_length=32)
    url: str = Field(sa_column=Column(Text, nullable=False))
    asked_at: datetime = Field(index=True)
    verdict: Verdict | None = Field(default=None, sa_column=Column(words(Verdict)))
    said: str = Field(default="", max_length=200)


def answers(session: Session, urls: Sequence[str]) -> dict[str, LinkAnswer]:
    """What is known of *urls*, by address."""
    keys = [key_of(url) for url in urls]
    found = session.exec(select(LinkAnswer).where(col(LinkAnswer.key).in_(keys)))
    return {one.url: one for one in found if one.verdict is not None}


def asked_about(urls: Sequence[str]) -> list[str]:
    """Those of *urls* that are asked over the network: not our own pages, which we know."""
    own = f"{settings().web_url.rstrip('/')}/"
    return [url for url in dict.fromkeys(urls) if not url.startswith(own)]


def ask_due(
    *,
    clock: Callable[[], datetime],
    within: float,
    asker: Callable[..., Answer] = ask,
    between: float = _BETWEEN,
) -> int:
    """Ask the links of every edition that has not started, as far as *within* seconds reach.

    No transaction is open while anybody is asked. Returns how many were asked.
    """
    until = time.monotonic() + within
    sender = f"newsletter-preflight (+{settings().web_url})"
    asked, last = 0, dict[str, float]()
    for url in list(_due(now=clock())):
        host = urlsplit(url).hostname or ""
        wait = last.get(host, 0.0) + between - time.monotonic()
        if time.monotonic() + max(0.0, wait) >= until:
            break
        with unit_of_work() as session:
            if not _claim(session, url, now=clock()):
                continue
        if wait > 0:
            time.sleep(wait)
        answer = asker(url, sender=sender)
        last[host] = time.monotonic()
        with unit_of_work() as session:
            _keep(session, url, answer, now=clock())
        asked += 1
    if asked:
        log.info("links.asked", count=asked)
    with unit_of_work() as session:
        old = clock() - _FORGOTTEN_AFTER
        session.execute(delete(LinkAnswer).where(col(LinkAnswer.asked_at) < old))
    return asked


def key_of(url: str) -> str:
    """By which its row is found."""
    return hashlib.blake2b(url.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _due(*, now: datetime) -> Iterator[str]:
    """What is to be asked: each host in its turn, so that none waits for another's many."""
    with reading() as session:
        urls = asked_about([url for one in _open(session) for url in _links(session, one)])
        known = answers(session, urls)
    by_host: dict[str, list[str]] = {}
    for url in urls:
        if (one := known.get(url)) is None or _is_stale(one, now):
            by_host.setdefault(urlsplit(url).hostname or "", []).append(url)
    for turn in zip_longest(*(links[:_PER_HOST] for links in by_host.values())):
        yield from filter(None, turn)


def _open(session: Session) -> Sequence[Digest]:
    waiting = (DigestStatus.draft, DigestStatus.approved)
    return session.exec(select(Digest).where(col(Digest.status).in_(waiting))).all()


def _links(session: Session, digest: Digest) -> tuple[str, ...]:
    try:
        return galley.fresh(session, digest).rendered.links
    except NothingInIt:
        return ()


def _is_stale(one: LinkAnswer, now: datetime) -> bool:
    return one.asked_at <= now - (_GOOD_FOR if one.verdict is Verdict.answers else _BAD_FOR)


def _claim(session: Session, url: str, *, now: datetime) -> bool:
    """Whether it is ours to ask: the row count is the lock."""
    stale = or_(
        col(LinkAnswer.asked_at) <= now - _GOOD_FOR,
        (col(LinkAnswer.asked_at) <= now - _BAD_FOR)
        & or_(col(LinkAnswer.verdict).is_(None), col(LinkAnswer.verdict) != Verdict.answers),
    )
    taken = session.execute(
        update(LinkAnswer).where(col(LinkAnswer.key) == key_of(url), stale).values(asked_at=now)
    )
    if cast("CursorResult[Any]", taken).rowcount == 1:
        return True
    try:
        with session.begin_nested():
            session.add(LinkAnswer(key=key_of(url), url=url, asked_at=now))
    except IntegrityError:  # another worker has it, or asked a moment ago
        return False
    return True


def _keep(session: Session, url: str, answer: Answer, *, now: datetime) -> None:
    session.execute(
        update(LinkAnswer)
        .where(col(LinkAnswer.key) == key_of(url))
        .values(asked_at=now, verdict=answer.verdict, said=answer.said[:200])
    )
