"""Reports: people and not events, ranges and not guesses, the same wherever they are read."""

import csv
import io
import json
import random
from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, col, select
from starlette.testclient import TestClient
from typer.testing import CliRunner

from digests.ledger.claims import Claim
from digests.models import Batch, Digest
from newsletter import links
from newsletter.accounts.models import Role
from newsletter.cli import app
from newsletter.copies import composing, galley
from newsletter.database import unit_of_work
from newsletter.esp import Event, EventKind
from newsletter.feedback import recording, reporting
from newsletter.feedback.reporting import Range
from subscribers.engagement import Observation, Reader, record
from subscribers.models import Subscriber, SubscriberStatus
from tests.conftest import Configure
from tests.web.scene import Sent, on_both, seen
from tests.web.staffing import signed_in


def clicked(
    session: Session, sent: Sent, who: int, number: int, *, reader: Reader, at: datetime
) -> None:
    click = Observation(
        digest_id=sent.digest_id,
        key=f"click:{who}:{number}:{reader}",
        subscriber_id=who,
        kind=EventKind.clicked,
        occurred_at=at,
        reader=reader,
        reason=str(number),
    )
    record(session, [click], now=at)


@on_both
@pytest.mark.usefixtures("web")
class TestCounting:
    def test_a_person_counts_once_and_a_machine_alone_does_not(
        self, sent: Sent, now: datetime
    ) -> None:
        later = now + timedelta(hours=1)
        with unit_of_work() as session:
            recording.record_open(session, sent.open, machine=True, now=later)
            clicked(session, sent, sent.ada, 0, reader=Reader.machine, at=later)
            clicked(session, sent, sent.grace, 0, reader=Reader.person, at=later)
            clicked(session, sent, sent.grace, 1, reader=Reader.person, at=later)

        found = reporting.recount(sent.digest_id, now=later)

        assert (found.opened, found.clicked) == (Range(1, 1), Range(1, 1))
        assert [people for _, people in found.read] == [1, 1]
        with unit_of_work() as session:
            recording.record_open(session, sent.open, machine=False, now=later)
        assert reporting.recount(sent.digest_id, now=later).opened == Range(1, 2)

    def test_our_own_and_the_providers_are_never_both_counted(
        self, sent: Sent, now: datetime, configure: Configure
    ) -> None:
        theirs = Event(
            key="evt-1",
            kind=EventKind.opened,
            occurred_at=now,
            delivery=links.ref(links.signer().all_for(sent.digest_id, sent.ada)),
        )
        with unit_of_work() as session:
            recording.record_events(session, "sendgrid", [theirs], now=now)
        assert reporting.recount(sent.digest_id, now=now).opened == Range(0, 0)

        configure(track_by="provider")

        assert reporting.recount(sent.digest_id, now=now).opened == Range(0, 1)

    def test_where_nobody_counts_a_providers_opens_and_clicks_are_not_even_kept(
        self, sent: Sent, now: datetime, configure: Configure
    ) -> None:
        configure(track_by="nobody")
        ref = links.ref(links.signer().all_for(sent.digest_id, sent.ada))
        told = [
            Event(key=f"{kind}-1", kind=kind, occurred_at=now, delivery=ref)
            for kind in (EventKind.opened, EventKind.clicked, EventKind.delivered)
        ]
        with unit_of_work() as session:
            recording.record_events(session, "sendgrid", told, now=now)

        assert [len(seen(sent.digest_id, one.kind)) for one in told] == [0, 0, 1]

    @pytest.mark.parametrize(
        ("who", "ours", "theirs"),
        [("us", True, False), ("provider", False, True), ("nobody", False, False)],
    )
    def test_a_mail_holds_our_pixel_and_links_or_the_providers_or_none(
        self, sent: Sent, who: str, ours: bool, theirs: bool, configure: Configure
    ) -> None:
        configure(track_by=who, track_clicks="true")
        with unit_of_work() as session:
            mail = galley.fresh(session, session.get_one(Digest, sent.digest_id)).rendered.content
            batch = session.exec(select(Batch).where(col(Batch.digest_id) == sent.digest_id)).one()
            claim = Claim(
                digest_id=sent.digest_id,
                number=batch.number,
                fence=batch.fence,
                rendition_id=batch.rendition_id,
                key=batch.key,
                size=batch.size,
                attempts=1,
                put_off=0,
                provider=batch.provider,
                first_posted_at=None,
                body_hash=None,
            )

        mailing = composing.mailing_of(claim, ())

        assert ("/o/[%open%].gif" in mail.html, "/r/[%click%]/0" in mail.html) == (ours, ours)
        assert (mailing.track_opens, mailing.track_clicks) == (theirs, theirs)

    def test_a_storm_of_events_leaves_exactly_what_happened(
        self, sent: Sent, now: datetime
    ) -> None:
        """Each event twice, shuffled, a tenth of them forged."""
        dice = random.Random(5)
        refs = {
            who: links.ref(links.signer().all_for(sent.digest_id, who))
            for who in (sent.ada, sent.grace)
        }
        genuine = [
            Event(key=f"{kind}-{who}", kind=kind, occurred_at=now, delivery=ref)
            for who, ref in refs.items()
            for kind in (EventKind.delivered, EventKind.deferred, EventKind.unknown)
        ]
        genuine.append(
            Event(
                key="gone", kind=EventKind.hard_bounced, occurred_at=now, delivery=refs[sent.grace]
            )
        )
        forged = [
            Event(
                key=f"forged-{n}",
                kind=EventKind.complained,
                occurred_at=now,
                delivery=refs[sent.ada][:-1] + ("A" if refs[sent.ada][-1] != "A" else "B"),
            )
            for n in range(3)
        ]
        storm = [*genuine, *genuine, *forged]
        for _ in range(5):
            dice.shuffle(storm)
            for at in range(0, len(storm), 3):
                with unit_of_work() as session:
                    recording.record_events(session, "sendgrid", storm[at : at + 3], now=now)

        found = reporting.recount(sent.digest_id, now=now)

        assert (found.delivered, found.bounced, found.complained) == (2, 1, 0)
        with unit_of_work() as session:
            assert session.get_one(Subscriber, sent.ada).status is SubscriberStatus.active
            assert session.get_one(Subscriber, sent.grace).status is SubscriberStatus.bounced

    def test_an_edition_is_counted_every_minute_at_first_and_more_seldom_later(
        self, sent: Sent, now: datetime
    ) -> None:
        assert sent
        assert [reporting.refresh(now=now + timedelta(seconds=s)) for s in (5, 20, 66)] == [1, 0, 1]
        week = now + timedelta(days=7)
        assert reporting.refresh(now=week) == 1
        assert reporting.refresh(now=week + timedelta(minutes=30)) == 0
        assert reporting.refresh(now=week + timedelta(hours=4)) == 1
        assert reporting.refresh(now=now + timedelta(days=90)) == 0


@on_both
def test_the_page_the_sheet_the_json_and_the_command_say_the_same(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    later = now + timedelta(hours=1)
    with unit_of_work() as session:
        clicked(session, sent, sent.grace, 0, reader=Reader.person, at=later)
        recording.unsubscribe(session, sent.unsubscribe, how="one-click", now=later)
        digest = session.exec(select(Digest).where(col(Digest.id) == sent.digest_id)).one()
        digest.subject = "=HYPERLINK(1)"
        session.add(digest)
    reporting.recount(sent.digest_id, now=later)
    signed_in(web, roles={Role.reader}, now=now)

    page = web.get("/reports").text
    [row] = csv.DictReader(io.StringIO(web.get("/reports.csv").text))
    [plain] = web.get("/reports.json").json()
    [told] = json.loads(CliRunner().invoke(app, ["report", "--json"]).stdout)
    one = web.get(f"/reports/{sent.issue}").text

    assert plain == told
    assert (plain["accepted"], plain["unsubscribed"]) == (3, 1)
    assert plain["clicked"] == {"certain": 1, "possible": 1}
    assert (row["clicked_certain"], row["unsubscribed"]) == ("1", "1")
    assert row["subject"] == "'=HYPERLINK(1)"
    assert row["read"] == f"{plain['read'][0]['address']} 1"
    assert "1–1" in page  # noqa: RUF001 - as it is printed
    assert plain["read"][0]["address"] in one


def test_only_those_who_have_come_in_read_the_figures(web: TestClient, sent: Sent) -> None:
    assert sent
    for path in ("/reports", "/reports.csv", "/reports.json", f"/reports/{sent.issue}"):
        assert web.get(path).status_code in {303, 401}, path
