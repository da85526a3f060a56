"""What is sent: an approved edition, its readers, and some who leave while it goes out."""

import random
import threading
from datetime import datetime, timedelta
from typing import Final

import httpx
from sqlalchemy import false, insert
from sqlmodel import Session, col, select

from digests import lifecycle
from digests.ledger import planning
from digests.models import Digest
from newsletter import links
from newsletter.clock import utc_now
from newsletter.database import unit_of_work
from newsletter.demo import plan_first_digest, take_in_examples
from newsletter.links import Purpose
from newsletter.settings import settings
from subscribers.addresses import address_key
from subscribers.audience import audience
from subscribers.models import Subscriber, SubscriberStatus, Suppression
from tests.support.editions import a_draft, an_approved_digest

THIS_WEEK: Final = "2026-W48"
LAST_WEEK: Final = "2026-W47"
#: Every so many readers are in some trouble of their own.
_REFUSED_EVERY: Final = 211
_BOUNCES_EVERY: Final = 157
_SUPPRESSED_EVERY: Final = 173


def prepare(recipients: int, *, by_schedule: bool) -> int:
    """Fill the store with readers and an edition that is due now; returns last week's id.

    *by_schedule*: the edition is yet to be assembled, from the example pages, by
    whichever beat takes the schedule's turn. Otherwise it is approved already,
    and small, so that a run measures the ledger and not the mail's weight.
    """
    now = utc_now()
    with unit_of_work() as session:
        _add_people(session, recipients, now=now)
        last_week = _last_week(session, now=now - timedelta(weeks=1))
        if by_schedule:
            take_in_examples(session, now=now)
            plan_first_digest(session, now=now)
        else:
            an_approved_digest(session, now=now, issue=THIS_WEEK)
    return last_week


class Leavers(threading.Thread):
    """Readers who press one-click in last week's mail while this week's goes out, and insist."""

    def __init__(
        self, url: str, *, digest_id: int, count: int, within: float, dice: random.Random
    ) -> None:
        """*count* of them leave, spread over about *within* seconds."""
        super().__init__(name="leavers", daemon=True)
        self._url, self._enough = url, threading.Event()
        with unit_of_work() as session:
            active = col(Subscriber.status) == SubscriberStatus.active
            everybody = session.exec(select(Subscriber.id).where(active)).all()
        who = dice.sample([one or 0 for one in everybody], min(count, len(everybody)))
        signer = links.signer()
        self._tokens = {
            one: links.token(signer.all_for(digest_id, one), Purpose.unsubscribe) for one in who
        }
        self._pauses = [dice.expovariate(len(who) / within) for _ in who]
        self.told: dict[int, datetime] = {}  # subscriber -> when they heard that it worked

    def run(self) -> None:
        """Each of them is told that it worked before the next one tries."""
        with httpx.Client(base_url=self._url, timeout=2.0) as http:
            for (one, token), pause in zip(self._tokens.items(), self._pauses, strict=True):
                if self._enough.wait(pause):
                    return
                while not self._is_gone(http, token):
                    if self._enough.wait(0.2):
                        return
                self.told[one] = utc_now()

    def end(self) -> None:
        """The edition is out; whoever wanted to leave before it has."""
        self._enough.set()
        if self.is_alive():
            self.join(10)

    def _is_gone(self, http: httpx.Client, token: str) -> bool:
        try:
            answer = http.post(f"/u/{token}", data={"List-Unsubscribe": "One-Click"})
        except httpx.TransportError:
            return False
        return answer.is_success


def _add_people(session: Session, count: int, *, now: datetime) -> None:
    """Readers in bulk; some will be refused, some will bounce, some are suppressed already."""
    secret = settings().suppression_secret.get_secret_value()
    people: list[dict[str, object]] = []
    suppressed: list[dict[str, object]] = []
    for number in range(count):
        address = _address(number)
        key = address_key(address, secret=secret)
        joined = now - timedelta(days=number % 90)
        people.append(
            {
                "address": address,
                "address_key": key,
                "status": SubscriberStatus.active,
                "zone": "UTC",
                "source": "shiporskip.example",
                "joined_at": joined,
                "confirmed_at": joined,
                "tracking": True,
            }
        )
        if number % _SUPPRESSED_EVERY == 1:
            suppressed.append({"address_key": key, "reason": "complaint", "since": joined})
    session.execute(insert(Subscriber), people)
    if suppressed:
        session.execute(insert(Suppression), suppressed)


def _address(number: int) -> str:
    if number % _REFUSED_EVERY == 2:
        return f"reader{number}@refused.example"
    if number % _BOUNCES_EVERY == 3:
        return f"bounce+{number}@readers.example"
    return f"reader{number}@readers.example"


def _last_week(session: Session, *, now: datetime) -> int:
    """An edition that is over, for the links in it."""
    digest: Digest = a_draft(session, now=now, issue=LAST_WEEK)
    lifecycle.approve(session, digest, content_hash="beef", by="Ada", now=now)
    nobody = audience().where(false())
    planning.plan(session, digest, nobody, renditions={}, batch_size=1, now=now)
    lifecycle.start(session, digest, audience=0, wave=1, now=now)
    lifecycle.finish(session, digest, now=now)
    return digest.id or 0
