"""The front page: what is happening, for a newcomer; and nothing but a name in production."""

import threading
from datetime import datetime, time, timedelta

import pytest
from sqlmodel import col, select
from starlette.testclient import TestClient

from digests.models import Batch, BatchStatus, Delivery, Digest, DigestStatus, Outcome
from digests.schedules.schedule import OccurrenceStatus, Schedule, plan_turn
from newsletter import database, pulse
from newsletter.accounts.models import Role
from newsletter.clock import utc_now
from newsletter.database import unit_of_work
from newsletter.pulse import Part
from newsletter.web import health
from tests.conftest import Configure
from tests.support import editions
from tests.web.scene import Sent, a_draft, on_both
from tests.web.staffing import signed_in

PRODUCTION = {
    "environment": "production",
    "redis_url": "redis://127.0.0.1:1/0",
    "public_url": "https://mail.shiporskip.example",
    "link_secret": "a" * 40,
    "suppression_secret": "b" * 40,
    "site_token": "c" * 40,
    "sendgrid_token": "SG.x",
    "sendgrid_webhook_key": "x",
    "sender_address": "verdicts@example.com",
    "postal_address": "Ship or Skip, 2 Real Street, Springfield",
}


def test_before_the_first_edition_it_says_when_the_first_one_comes(
    web: TestClient, now: datetime
) -> None:
    with unit_of_work() as session:
        schedule = Schedule(name="first-start", zone="Europe/Berlin", installed_at=now)
        session.add(schedule)
        session.flush()
        soon = now + timedelta(seconds=6)
        plan_turn(session, schedule, send_at=soon, cutoff_at=soon - timedelta(seconds=1))

    page = web.get("/").text

    assert "Waiting for the first edition" in page
    assert "09:00:06" in page
    assert web.get("/status.json").json()["next"]["schedule"] == "first-start"


def test_with_no_schedule_at_all_it_says_what_to_do(web: TestClient) -> None:
    page = web.get("/").text

    assert "No schedule is on" in page
    assert "celerybeat-schedule/" in page


def test_a_draft_waits_for_an_editor_and_can_be_looked_at(web: TestClient, now: datetime) -> None:
    with unit_of_work() as session:
        a_draft(session, now=now)

    page = web.get("/").text

    assert "waits for an editor" in page
    assert 'href="/digests/2026-W48"' in page
    assert "SmolVLM2-2B vs Mistral 8B Instruct v3" in page


@on_both
def test_when_all_is_sent_it_shows_closed_books_and_opens_as_they_come(
    web: TestClient, sent: Sent
) -> None:
    web.get(f"/o/{sent.open}.gif", headers={"user-agent": "Thunderbird"})
    web.post(f"/u/{sent.unsubscribe}", data={"List-Unsubscribe": "One-Click"})

    page, status = web.get("/").text, web.get("/status.json").json()

    assert "3 of 3 accepted" in page
    assert "opened by 1 reader, 1 unsubscribed" in page
    assert "3 readers = 3 accepted" in page
    assert "newsletter receipt latest</code>" in page
    assert status["digest"]["receipt"]["closes"] is True
    assert [step["state"] for step in status["digest"]["steps"]] == ["done"] * 5


def test_what_needs_a_person_is_said(web: TestClient, sent: Sent) -> None:
    with unit_of_work() as session:
        digest = session.get_one(Digest, sent.digest_id)
        digest.status, digest.paused_reason = DigestStatus.paused, "bounces passed 5 %"
        batch = session.exec(select(Batch)).one()
        batch.status = BatchStatus.planned

    page = web.get("/").text

    assert "paused: bounces passed 5 %" in page
    assert 'class="trouble"' in page


@on_both
def test_every_kind_of_fate_stands_in_the_books(web: TestClient, sent: Sent, now: datetime) -> None:
    with unit_of_work() as session:
        copies = session.exec(select(Delivery).order_by(col(Delivery.subscriber_id))).all()
        copies[0].outcome, copies[0].reason = Outcome.rejected, "no such mailbox"
        copies[1].outcome, copies[1].reason = Outcome.excluded, "suppressed"

    assert "3 readers = 1 accepted + 1 refused + 1 excluded" in web.get("/").text


@on_both
def test_the_next_turn_is_shown_in_its_zone_and_in_utc(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    with unit_of_work() as session:
        session.add(
            Schedule(name="weekly", weekday=0, at=time(9), zone="Asia/Kolkata", installed_at=now)
        )

    page = web.get("/").text

    assert "Mon 30 Nov, 09:00 Asia/Kolkata" in page
    assert "Mon 30 Nov, 03:30 UTC" in page


@on_both
def test_a_draft_that_lies_on_the_desk_is_the_next_one_and_hides_none_that_went(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    monday = now + timedelta(days=7)
    with unit_of_work() as session:
        schedule = Schedule(name="weekly", weekday=0, at=time(8), zone="UTC", installed_at=now)
        session.add(schedule)
        session.flush()
        turn = plan_turn(session, schedule, send_at=monday, cutoff_at=now)
        turn.status = OccurrenceStatus.assembled
        draft = editions.a_draft(session, now=now, issue="2026-W49")
        draft.occurrence_id, draft.send_at, draft.late_after = turn.id, monday, monday
        draft.assembled_at = now + timedelta(seconds=1)

    page, status = web.get("/").text, web.get("/status.json").json()

    assert f"No. 48 · {sent.issue}" in page
    assert '<a href="/desk/2026-W49">2026-W49</a> lies on the desk' in page
    assert status["next"]["digest"] == "2026-W49"
    assert status["next"]["send_at"] == monday.isoformat()


@on_both
def test_the_preview_shows_the_bytes_that_will_go(web: TestClient, now: datetime) -> None:
    with unit_of_work() as session:
        a_draft(session, now=now)

    page = web.get("/digests/latest")
    html = web.get("/digests/2026-W48/email.html")
    text = web.get("/digests/2026-W48/email.txt")

    assert "Free weights, two dissents" in page.text
    assert "newsletter approve 2026-W48" in page.text
    assert "frame-src 'self'" in page.headers["content-security-policy"]
    assert "frame-ancestors 'self'" in html.headers["content-security-policy"]
    assert "sandbox" in html.headers["content-security-policy"]
    for part in (html.text, text.text):
        assert "SmolVLM2-2B" in part
        assert "[%" not in part


def test_the_links_in_a_preview_belong_to_nobody(web: TestClient, sent: Sent) -> None:
    text = web.get(f"/digests/{sent.issue}/email.txt").text
    link = next(line for line in text.splitlines() if line.startswith("Unsubscribe: "))
    path = "/u/" + link.rpartition("/")[2]

    assert "acts for nobody: nothing has been changed" in web.get(path).text
    assert web.post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 404
    assert web.get("/status.json").json()["digest"]["unsubscribed"] == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_frame_shows_one_scheme_whatever_the_machine_prefers(
    web: TestClient, now: datetime, scheme: str
) -> None:
    with unit_of_work() as session:
        a_draft(session, now=now)

    html = web.get(f"/digests/2026-W48/email.html?scheme={scheme}").text

    assert "prefers-color-scheme" not in html
    assert ("(min-width:0)" in html) is (scheme == "dark")


def test_production_shows_its_name_and_no_more(
    web: TestClient, sent: Sent, configure: Configure
) -> None:
    configure(**PRODUCTION)

    page = web.get("/")

    assert page.status_code == 200
    assert "<h1>Weekly AI Tool Verdicts</h1>" in page.text
    assert sent.issue not in page.text
    assert "sandbox" not in page.text
    assert web.get("/status.json").status_code == 401
    for path in (f"/digests/{sent.issue}", f"/digests/{sent.issue}/email.html"):
        assert web.get(path).headers["location"].startswith("/sign-in?next=%2Fdigests")


def test_in_production_whoever_has_an_account_watches_the_edition(
    web: TestClient, sent: Sent, configure: Configure
) -> None:
    configure(**PRODUCTION)
    signed_in(web, roles={Role.reader})

    page = web.get("/").text

    assert sent.issue in page
    assert "sandbox" not in page
    assert web.get(f"/digests/{sent.issue}").status_code == 200


@on_both
def test_health_says_that_all_is_well(web: TestClient) -> None:
    assert web.get("/health").json() == {
        "status": "ok",
        "parts": {"database": "ok", "migrations": "ok", "beat": "ok", "workers": "ok"},
    }
    assert web.get("/ready").json() == {"ready": True}


def test_health_names_the_part_that_fails(web: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "newest_migration", lambda: "9999")

    answer = web.get("/health")

    assert answer.status_code == 503
    assert answer.json()["parts"]["database"] == "ok"
    assert "newsletter migrate" in answer.json()["parts"]["migrations"]
    assert web.get("/ready").status_code == 503


@on_both
def test_health_says_that_the_last_beat_is_gone_and_readers_are_served_all_the_same(
    web: TestClient,
) -> None:
    hour_ago = utc_now() - timedelta(hours=1)
    with unit_of_work() as session:
        pulse.sign(session, Part.beat, "one:1", began_at=hour_ago, now=hour_ago)

    answer = web.get("/health")

    assert answer.status_code == 503
    assert answer.json()["parts"]["beat"].startswith("No beat has been seen since")
    assert web.get("/ready").status_code == 200


def test_health_without_a_database_is_an_answer_and_not_an_error(
    web: TestClient, configure: Configure
) -> None:
    configure(database_url="postgresql://nobody@127.0.0.1:1/none")

    answer = web.get("/health")

    assert answer.status_code == 503
    assert answer.json()["parts"]["database"] == "The database does not answer."


def test_a_database_that_hangs_hangs_nobody_who_asks(
    web: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = threading.Event()
    monkeypatch.setattr(health, "PATIENCE", 0.05)
    monkeypatch.setattr(health, "_store", back.wait)

    answers = [web.get(page) for page in ("/ready", "/health")]
    back.set()

    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[1].json()["parts"]["database"] == "The database does not answer."


def test_static_files_may_be_kept_for_ever_by_their_content(web: TestClient) -> None:
    page = web.get("/").text
    address = page.partition('rel="stylesheet" href="')[2].partition('"')[0]

    answer = web.get(address)

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]


def test_personal_addresses_are_nobodys_to_index(web: TestClient) -> None:
    assert "Disallow: /u/" in web.get("/robots.txt").text
    assert web.get("/favicon.ico").headers["content-type"] == "image/svg+xml"
