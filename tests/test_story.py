"""The product's story, from a compare page to an unsubscribe. Read this file first.

Monday 23 November 2026, Berlin: the weekly edition goes at 09:00. Time is
frozen and moved by hand; the store, the ticks, the pages and the ledger are the
real ones, and the mail goes over HTTP to a real sandbox provider.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from freezegun import freeze_time
from sqlmodel import select

from digests.ledger.receipt import receipt
from digests.models import Digest, DigestStatus
from digests.schedules.schedule_files import install
from newsletter.database import reading, unit_of_work
from newsletter.demo import add_readers, take_in_examples
from newsletter.editions import production
from newsletter.providers import provider
from newsletter.readers import answers
from newsletter.sandbox.dialects.sendgrid_events import SendGridEvents
from newsletter.secrets import sandbox_keys
from newsletter.settings import settings
from newsletter.tasks import ticks
from newsletter.web.app import create_app
from subscribers.engagement import people_by_kind
from subscribers.models import Subscriber, SubscriberStatus
from tests.conftest import Configure
from tests.support.processes import free_port, running

ADA, GRACE, LINUS = "ada@readers.example", "grace@readers.example", "linus@readers.example"
MISTYPED = "refuse+typo@readers.example"  # the sandbox refuses this one in the call
SCHEDULES = Path(__file__).parent.parent / "celerybeat-schedule"

THURSDAY = datetime(2026, 11, 19, 10, 0, tzinfo=UTC)
SUNDAY_NINE = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)  # 09:00 in Berlin: the draft is due
MONDAY_NINE = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)  # 09:00 in Berlin: the edition goes
MOMENT = timedelta(seconds=1)


@pytest.fixture
def mailbox(database: str, tmp_path: Path, configure: Configure) -> Iterator[httpx.Client]:
    """A sandbox provider in a process of its own, as the service sees it."""
    port = free_port()
    configure(home=tmp_path / "var", sandbox_port=port, send_threads=1)
    surroundings = {
        "NEWSLETTER_HOME": str(tmp_path / "var"),
        "NEWSLETTER_SANDBOX_PORT": str(port),
        "NEWSLETTER_PORT": "9",  # nobody listens there: this story brings the webhooks itself
    }
    url = f"http://127.0.0.1:{port}"
    assert database
    with (
        running("sandbox", folder=tmp_path, environment=surroundings, answers=f"{url}/"),
        httpx.Client(base_url=url, timeout=10) as client,
    ):
        yield client
        provider("sendgrid").close()


def mail_to(mailbox: httpx.Client, address: str) -> dict[str, object]:
    listed = mailbox.get("/sandbox/mailbox.json", params={"recipient": address}).json()
    assert listed["total"] == 1, "each reader gets one copy"
    mail: dict[str, object] = mailbox.get(
        f"/sandbox/messages/{listed['messages'][0]['id']}.json"
    ).json()
    return mail


def beat_ticks() -> None:
    """What beat sends every few seconds, here taken at once."""
    for tick in (ticks.assemble, ticks.start, ticks.send, ticks.reconcile_uncertain):
        tick()


@pytest.mark.processes
def test_from_a_compare_page_to_an_unsubscribe(  # noqa: PLR0915 - one story, told once
    mailbox: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Sending is nudged through Celery; here the nudge is taken on the spot.
    monkeypatch.setattr(ticks, "nudge", lambda ids: [ticks.send_digest(one) for one in ids])
    web = TestClient(create_app())

    # On Thursday the site's compare pages come in, and four people are on the list.
    with freeze_time(THURSDAY):
        with unit_of_work() as session:
            install(session, SCHEDULES, now=THURSDAY)
            assert take_in_examples(session, now=THURSDAY) == 3
            add_readers(session, (ADA, GRACE, LINUS, MISTYPED), now=THURSDAY)
        beat_ticks()
    with reading() as session:
        assert session.exec(select(Digest)).all() == [], "nothing is due yet"

    # On Sunday at nine the week's window closes. However often beat ticks, it makes one draft.
    with freeze_time(SUNDAY_NINE):
        beat_ticks()
        beat_ticks()
    with reading() as session:
        draft = session.exec(select(Digest)).one()
        assert (draft.issue, draft.status) == ("2026-W48", DigestStatus.draft)
        assert draft.send_at == MONDAY_NINE
        seen = production.preview(session, draft)
        assert "SmolVLM2-2B" in seen.rendered.content.html

    # Nothing leaves without somebody's name on it.
    with freeze_time(MONDAY_NINE + MOMENT):
        beat_ticks()
    assert mailbox.get("/sandbox/mailbox.json").json()["total"] == 0

    # An editor approves exactly what she has seen.
    with freeze_time(MONDAY_NINE + 2 * MOMENT), unit_of_work() as session:
        digest = production.by_issue(session, "2026-W48")
        production.approve(
            session, digest, by="Ada", seen_hash=seen.content_hash, now=MONDAY_NINE + 2 * MOMENT
        )

    # Linus leaves after the edition was planned and before his batch is claimed.
    with freeze_time(MONDAY_NINE + 3 * MOMENT):
        with monkeypatch.context() as nobody_sends_yet:
            nobody_sends_yet.setattr(ticks, "nudge", lambda _: None)
            ticks.start()
        with unit_of_work() as session:
            linus = session.exec(select(Subscriber).where(Subscriber.address == LINUS)).one()
            linus.status, linus.left_at = SubscriberStatus.unsubscribed, MONDAY_NINE
            linus.left_how = "one-click unsubscribe"

    # The workers send. The provider refuses the mistyped address, and only that one.
    with freeze_time(MONDAY_NINE + 10 * MOMENT):
        beat_ticks()
        beat_ticks()
    with reading() as session:
        digest = production.by_issue(session, "2026-W48")
        books = receipt(session, digest)
        assert digest.status is DigestStatus.sent
        assert books.is_final
        assert (books.audience, books.accepted, books.rejected, books.excluded) == (4, 2, 1, 1)
        assert "left by one-click unsubscribe 10 seconds before their batch" in answers.why(
            session, LINUS, digest
        )

    # What arrived is what was approved, personal links aside; with an unsubscribe for machines too.
    mail = mail_to(mailbox, ADA)
    html, headers = str(mail["html"]), dict(mail["headers"])  # type: ignore[call-overload]
    blank = re.compile(r"\[%kept%\]|/(u|p|v|o|b)/[^\"./ ]+|\[%joined%\]|\d+ \w+ 2026")
    assert blank.sub("*", html) == blank.sub(
        "*", seen.rendered.content.html.replace("[%kept%]", "")
    )
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert headers["List-Id"].endswith(">")

    # Ada opens it: her client loads the pixel, twice. It counts once.
    pixel = re.search(r'src="[^"]+(/o/[^"]+\.gif)"', html)
    assert pixel is not None
    with freeze_time(MONDAY_NINE + timedelta(minutes=20)):
        for _ in range(2):
            assert web.get(pixel[1], headers={"User-Agent": "Thunderbird"}).status_code == 200

    # The provider reports the delivery to Grace, signed, and then once more.
    report(web, mail_to(mailbox, GRACE), at=MONDAY_NINE + timedelta(seconds=30))
    report(web, mail_to(mailbox, GRACE), at=MONDAY_NINE + timedelta(seconds=30))

    # A scanner opens every link in the mail. Nobody's subscription changes by a GET.
    for link in re.findall(r'href="http://[^/"]+(/[upv]/[^"]+)"', html):
        assert web.get(link).status_code == 200
    with reading() as session:
        person = session.exec(select(Subscriber).where(Subscriber.address == ADA)).one()
        assert person.status is SubscriberStatus.active

    # Ada presses "unsubscribe" in her client, which posts as RFC 8058 says; then once more.
    one_click = re.search(r"<http://[^/]+(/u/[^>]+)>", headers["List-Unsubscribe"])
    assert one_click is not None
    with freeze_time(MONDAY_NINE + timedelta(hours=1)):
        for _ in range(2):
            answer = web.post(one_click[1], data={"List-Unsubscribe": "One-Click"})
            assert answer.status_code == 200

    # Everything stands against the person and the digest, each once.
    with reading() as session:
        digest = production.by_issue(session, "2026-W48")
        people = people_by_kind(session, digest.id or 0)
        assert people == {"opened": 1, "delivered": 1, "unsubscribed": 1}
        person = session.exec(select(Subscriber).where(Subscriber.address == ADA)).one()
        assert person.status is SubscriberStatus.unsubscribed
        assert person.left_digest_id == digest.id
        assert "accepted by sendgrid at 2026-11-23 08:00:10 UTC" in answers.why(
            session, ADA, digest
        )

    # Next Monday there is nothing new: the turn is taken, and no edition is made.
    with freeze_time(MONDAY_NINE + timedelta(days=7)):
        beat_ticks()
    with reading() as session:
        assert len(session.exec(select(Digest)).all()) == 1


def report(web: TestClient, mail: dict[str, object], *, at: datetime) -> None:
    """Post the provider's "delivered" for *mail*, signed with the sandbox's key."""
    keys = sandbox_keys(settings().home)
    event = (
        b'[{"event":"delivered","sg_event_id":"e-1","sg_message_id":"m-1","timestamp":%d,'
        b'"email":"%b","watv_delivery":"%b"}]'
        % (int(at.timestamp()), str(mail["recipient"]).encode(), str(mail["ref"]).encode())
    )
    body, headers = SendGridEvents(keys["sendgrid_private_key"]).dress(
        event, token="e-1", attempt=1, now=at
    )
    with freeze_time(at):
        assert web.post("/webhooks/sendgrid", content=body, headers=dict(headers)).is_success
