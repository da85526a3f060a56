"""The main job as a newcomer meets it: the example pages, a few readers, and a digest seconds ahead."""

import os
import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
from sqlmodel import Session, col, select

from digests import topics
from digests.ledger.receipt import Receipt, receipt
from digests.models import Digest, DigestItem
from digests.reading import pages
from digests.schedules.appointments import send_times
from digests.schedules.schedule import Approval, Schedule, plan_turn, turn_of
from digests.schedules.schedule_files import install
from digests.schedules.schedule_terms import recurs
from digests.store import intake
from digests.store.comparisons import Comparison
from newsletter.accounts import demo
from newsletter.clock import utc_now
from newsletter.database import engine, reading, unit_of_work
from newsletter.launch import Part, Service, free_port
from newsletter.settings import Settings, settings
from subscribers.engagement import people_by_kind
from subscribers.models import Subscriber, SubscriberStatus, Suppression
from subscribers.subscription import add_confirmed

T = TypeVar("T")

EXAMPLES: Final = Path(__file__).parent / "examples"  # real pages
INVENTIONS: Final = Path(__file__).parent / "inventions"  # of tools that there are not
READERS: Final = (
    "ada@readers.example",
    "grace@readers.example",
    "linus@readers.example",
    "margaret@readers.example",
    "barbara@readers.example",
    "radia@readers.example",
)
#: The sandbox refuses the first in the call and lets the second bounce afterwards.
TROUBLE: Final = ("refuse+typo@readers.example", "bounce+gone@readers.example")
FIRST_DIGEST_IN: Final = timedelta(seconds=6)


def parts(known: Settings) -> tuple[Part, ...]:
    """The processes of the embedded default, in the order in which they stop."""
    return (
        Part("beat", ("beat",)),
        Part("worker", ("worker",)),
        Part("web", ("web",), answers=f"http://{known.host}:{known.port}/ready"),
        Part("sandbox", ("sandbox",), answers=f"{known.sandbox_url}/"),
    )


def prepare_first_start(*, now: datetime) -> bool:
    """Fill an empty store with the examples and plan the first digest; False when it was not empty."""
    with unit_of_work() as session:
        install(session, settings().schedules, now=now)
        demo.add(session, now=now)
        if session.exec(select(Comparison.id).limit(1)).first() is not None:
            return False
        take_in_examples(session, now=now)
        add_readers(session, READERS, now=now)
        plan_first_digest(session, now=now)
        plan_the_one_after(session, now=now)
    return True


def something_recurs(*, now: datetime) -> bool:
    """Whether anything goes out by itself from now on."""
    with reading() as session:
        return any(recurs(one, now=now) for one in session.exec(select(Schedule)))


def take_in_examples(session: Session, *, now: datetime, folder: Path = EXAMPLES) -> int:
    """Take in the example compare pages of *folder*; returns how many."""
    found = sorted(folder.glob("*.txt"))
    for path in found:
        facts = pages.read_page(path.read_text(encoding="utf-8"))
        intake.take_in(session, facts, source=path.name, now=now)
    return len(found)


def add_readers(session: Session, addresses: tuple[str, ...], *, now: datetime) -> None:
    """Add example readers who joined some weeks ago."""
    for number, address in enumerate(addresses):
        add_confirmed(
            session,
            address,
            page="shiporskip.example",
            wording="Weekly AI Tool Verdicts: get the next comparison in your inbox",
            secret=settings().suppression_secret.get_secret_value(),
            now=now - timedelta(weeks=7 - number),
        )


def plan_first_digest(session: Session, *, now: datetime) -> None:
    """A schedule of its own, which never recurs and goes as assembled, with one turn seconds ahead."""
    first = Schedule(
        name="first-start", approval=Approval.policy, draft_before=0, zone="UTC", installed_at=now
    )
    session.add(first)
    session.flush()
    due = now + FIRST_DIGEST_IN
    plan_turn(session, first, send_at=due, cutoff_at=due - timedelta(seconds=1))


def plan_the_one_after(session: Session, *, now: datetime) -> None:
    """The next turn of the schedule that recurs has its draft now, of the invented pages: a desk to sit at.

    It goes at its own hour and waits for an editor; one of the readers has chosen a topic.
    """
    due = now + FIRST_DIGEST_IN
    recurring = session.exec(
        select(Schedule).where(col(Schedule.enabled), col(Schedule.approval) == Approval.editor)
    ).all()
    coming = [
        (moment, day, schedule)
        for schedule in recurring
        for day, moment in send_times(schedule, after=now + timedelta(hours=2), count=1)
    ]
    if not coming:
        return
    take_in_examples(session, now=due, folder=INVENTIONS)
    moment, day, schedule = min(coming, key=lambda one: one[0])
    turn = turn_of(schedule, day, moment)
    turn.cutoff_at = due + timedelta(seconds=1)
    session.add(turn)
    chosen = next(one.mask for one in topics.listed(session) if one.name == "Developer Tools")
    reader = session.exec(select(Subscriber).where(col(Subscriber.address) == READERS[2])).one()
    reader.topics = chosen
    session.add(reader)


def tell(home: Path, *, say: Callable[[str], None]) -> tuple[dict[str, Any], bool]:
    """Run the whole story once in *home*; returns the closing figures, and whether all of it is right."""
    os.environ.update(
        NEWSLETTER_HOME=str(home),
        NEWSLETTER_SCHEDULES=str(home / "schedules"),
        NEWSLETTER_PORT=str(free_port()),
        NEWSLETTER_SANDBOX_PORT=str(free_port()),
        NEWSLETTER_TICK="0.5",
        NEWSLETTER_LOG_LEVEL="info",
        # Its reader opens the mail as readers of the default do: by our own pixel.
        NEWSLETTER_TRACK_BY="us",
        NEWSLETTER_TRACK_OPENS="true",
    )
    (home / "schedules").mkdir(parents=True)
    settings.cache_clear()
    began = time.monotonic()
    now = utc_now()
    with unit_of_work() as session:
        count = take_in_examples(session, now=now)
        add_readers(session, READERS + TROUBLE, now=now)
        _suppress_one(session, now=now)
        plan_first_digest(session, now=now)
    say(
        f"1. Took in {count} compare pages and {len(READERS) + len(TROUBLE)} readers, one suppressed."
    )
    with Service(home, parts(settings())):
        say(
            f"2. Started web, worker, beat and the sandbox provider; the service is {settings().web_url}"
        )
        issue = _wait("beat to assemble the digest", _assembled)
        say(f"3. Beat found the schedule due: digest {issue[0]}, “{issue[1]}”, approved by policy.")
        books = _wait("the digest to be sent", _sent)
        say(
            f"4. Sent over HTTP: {books.accepted} accepted, {books.rejected} refused, "
            f"{books.excluded} excluded, {books.uncertain} uncertain."
        )
        _read_as_a_reader(say)
        _wait("the provider's events", _bounce_recorded)
        say(
            "6. The provider's webhooks arrived, signed: delivered, and one hard bounce, now suppressed."
        )
    say("7. Stopped every process; nothing is left running.")
    return _figures(seconds=time.monotonic() - began)


def _suppress_one(session: Session, *, now: datetime) -> None:
    """One reader is on the suppression list: to be excluded, with the reason."""
    person = session.exec(select(Subscriber).where(col(Subscriber.address) == READERS[-1])).one()
    if person.address_key is not None:
        session.add(Suppression(address_key=person.address_key, reason="operator", since=now))


def _read_as_a_reader(say: Callable[[str], None]) -> None:
    """Open one mail from the sandbox's mailbox and leave by the header's one click, as clients do."""
    with httpx.Client(base_url=settings().sandbox_url, timeout=10) as mailbox:
        listed = mailbox.get("/sandbox/mailbox.json", params={"recipient": READERS[0]}).json()
        mail = mailbox.get(f"/sandbox/messages/{listed['messages'][0]['id']}.json").json()
    pixel = re.search(r'src="([^"]+/o/[^"]+\.gif)"', mail["html"])
    leave = re.search(r"<(https?://[^>]+)>", dict(mail["headers"])["List-Unsubscribe"])
    if pixel is None or leave is None:
        raise RuntimeError("the mail has no pixel or no unsubscribe header")
    opened = httpx.get(pixel[1], headers={"User-Agent": "Thunderbird"}, timeout=10)
    left = httpx.post(leave[1], data={"List-Unsubscribe": "One-Click"}, timeout=10)
    say(
        f"5. A reader opened the mail (pixel {opened.status_code}) "
        f"and left by one click (RFC 8058, {left.status_code})."
    )


def _assembled() -> tuple[str, str] | None:
    with reading() as session:
        found = session.exec(select(Digest)).first()
        return (found.issue, found.subject) if found else None


def _sent() -> Receipt | None:
    with reading() as session:
        digest = session.exec(select(Digest)).one()
        return receipt(session, digest) if digest.status == "sent" else None


def _bounce_recorded() -> bool:
    with reading() as session:
        gone = session.exec(select(Subscriber).where(col(Subscriber.address) == TROUBLE[1])).one()
        return gone.status is SubscriberStatus.bounced


def _wait(what: str, ask: Callable[[], T | None], *, within: float = 40.0) -> T:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if found := ask():
            return found
        time.sleep(0.1)
    raise TimeoutError(f"waited {within:.0f} s for {what}")


def _figures(*, seconds: float) -> tuple[dict[str, Any], bool]:
    with reading() as session:
        digest = session.exec(select(Digest)).one()
        books = receipt(session, digest)
        people = people_by_kind(session, digest.id or 0)
        items = session.exec(select(DigestItem.id)).all()
    engine().dispose()
    figures = {
        "digest": digest.issue,
        "comparisons": len(items),
        "audience": books.audience,
        "accepted": books.accepted,
        "rejected": books.rejected,
        "excluded": books.excluded,
        "uncertain": books.uncertain,
        "opens": people.get("opened", 0),
        "unsubscribed": people.get("unsubscribed", 0),
        "seconds": round(seconds, 1),
    }
    expected = {"rejected": 1, "excluded": 1, "uncertain": 0, "opens": 1, "unsubscribed": 1}
    is_right = books.is_final and all(figures[name] == count for name, count in expected.items())
    return figures, is_right
