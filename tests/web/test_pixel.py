"""The pixel: always a dot, and an open that is committed before it."""

from datetime import datetime, timedelta

import pytest
import structlog
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient
from typer.testing import CliRunner

from newsletter import database
from newsletter.cli import app
from newsletter.database import unit_of_work
from newsletter.feedback.recording import record_open
from newsletter.web.mailed.pixel import DOT, is_machine
from subscribers.engagement import Reader
from tests.conftest import Configure
from tests.web.scene import Sent, on_both, seen

THUNDERBIRD = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko Thunderbird/128.0"}
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"


@on_both
def test_an_open_is_in_the_store_when_the_dot_is_answered(web: TestClient, sent: Sent) -> None:
    answer = web.get(f"/o/{sent.open}.gif", headers=THUNDERBIRD)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert answer.content == DOT
    assert "no-store" in answer.headers["cache-control"]
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    [event] = seen(sent.digest_id, "opened")
    assert (event.subscriber_id, event.reader) == (sent.ada, Reader.unknown)


@on_both
def test_opening_again_counts_once(web: TestClient, sent: Sent) -> None:
    for _ in range(3):
        web.get(f"/o/{sent.open}.gif", headers=THUNDERBIRD)

    assert len(seen(sent.digest_id, "opened")) == 1


@pytest.mark.parametrize("word", [{"track_by": "nobody"}, {"track_opens": "false"}])
def test_where_nobody_counts_the_dot_of_an_older_mail_comes_and_leaves_no_trace(
    web: TestClient, sent: Sent, configure: Configure, word: dict[str, str]
) -> None:
    configure(**word)

    assert web.get(f"/o/{sent.open}.gif", headers=THUNDERBIRD).content == DOT
    assert seen(sent.digest_id, "opened") == []


@on_both
def test_within_seconds_of_delivery_it_is_a_machine_and_the_person_after_it_still_counts(
    sent: Sent, now: datetime
) -> None:
    for seconds in (9, 11, 3600):
        with unit_of_work() as session:
            record_open(session, sent.open, machine=False, now=now + timedelta(seconds=seconds))

    opens = seen(sent.digest_id, "opened")
    assert {(one.reader, one.why) for one in opens} == {
        (Reader.machine, "within seconds of delivery"),
        (Reader.unknown, ""),
    }
    assert len(opens) == 2


def test_opens_are_classed_anew_when_the_rules_improve(
    web: TestClient, sent: Sent, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.get(f"/o/{sent.open}.gif", headers={"user-agent": "GoogleImageProxy"})
    with unit_of_work() as session:
        record_open(session, sent.open, machine=False, now=now + timedelta(seconds=30))
    monkeypatch.setattr("subscribers.classing.AT_ONCE", timedelta(minutes=1))

    asked = CliRunner().invoke(app, ["reclass", sent.issue])

    assert asked.stdout == f"1 opens and clicks of {sent.issue} have another class now.\n"
    assert {(one.reader, one.why) for one in seen(sent.digest_id, "opened")} == {
        (Reader.machine, "an image proxy"),
        (Reader.machine, "within seconds of delivery"),
    }
    assert CliRunner().invoke(app, ["reclass", sent.issue]).stdout.startswith("0 ")


@on_both
def test_a_proxys_prefetch_is_a_machine_and_the_person_after_it_still_counts(
    web: TestClient, sent: Sent
) -> None:
    web.get(f"/o/{sent.open}.gif", headers={"user-agent": "Mozilla/5.0"})
    web.get(f"/o/{sent.open}.gif", headers=THUNDERBIRD)

    readers = sorted(event.reader for event in seen(sent.digest_id, "opened"))
    assert readers == [Reader.machine, Reader.unknown]


@pytest.mark.parametrize(
    ("agent", "method", "expected"),
    [
        (GMAIL, "GET", True),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", "GET", True),
        ("Mozilla/5.0", "GET", True),
        ("", "GET", True),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "GET", True),
        ("python-requests/2.32", "GET", True),
        (THUNDERBIRD["user-agent"], "HEAD", True),
        (THUNDERBIRD["user-agent"], "GET", False),
        ("Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36 Mobile", "GET", False),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605", "GET", False),
    ],
)
def test_programs_that_fetch_pictures_are_told_from_mail_clients(
    agent: str, method: str, expected: bool
) -> None:
    assert is_machine(agent, method) is expected


@pytest.mark.parametrize("token", ["x" * 28, "short", "%C3%A9" * 28, "..%2F..%2Fetc"])
def test_a_forged_link_gets_the_same_dot_and_leaves_no_trace(
    web: TestClient, sent: Sent, token: str
) -> None:
    answer = web.get(f"/o/{token}.gif", headers=THUNDERBIRD)

    assert answer.status_code in {200, 404}
    assert seen(sent.digest_id, "opened") == []


def test_a_link_for_reading_is_no_open(web: TestClient, sent: Sent) -> None:
    answer = web.get(f"/o/{sent.view}.gif", headers=THUNDERBIRD)

    assert answer.content == DOT
    assert seen(sent.digest_id, "opened") == []


@on_both
def test_with_the_store_away_the_dot_still_comes_and_the_loss_is_counted(
    web: TestClient, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise OperationalError("SELECT", {}, Exception("connection refused"))

    with monkeypatch.context() as door, structlog.testing.capture_logs() as said:
        door.setattr(database, "engine", away)
        answer = web.get(f"/o/{sent.open}.gif", headers=THUNDERBIRD)

    assert (answer.status_code, answer.content) == (200, DOT)
    [lost] = [line for line in said if line["event"] == "open.lost"]
    assert (lost["count"], lost["why"]) == (1, "OperationalError")
