"""The console: what it shows, that each switch does what it says within one batch, and who may press it."""

from datetime import datetime, timedelta

import pytest
from sqlmodel import col, select, update
from starlette.testclient import TestClient

from digests.ledger import claims
from digests.models import Batch, BatchStatus, Digest, Halt
from newsletter import pulse
from newsletter.accounts.models import AuditEntry, Role
from newsletter.database import reading, unit_of_work
from newsletter.pulse import Part
from tests.support.editions import a_sending_digest, readers
from tests.web.scene import on_both
from tests.web.staffing import Staff, signed_in


@pytest.fixture
def ada(web: TestClient, now: datetime) -> Staff:
    return signed_in(web, roles={Role.operator}, now=now)


@pytest.fixture
def digest_id(web: TestClient, now: datetime) -> int:
    assert web
    with unit_of_work() as session:
        readers(session, 30, now=now)
        return a_sending_digest(session, now=now, batch_size=10).id or 0


def may_claim(digest_id: int, now: datetime) -> bool:
    with unit_of_work() as session:
        claim = claims.claim(
            session, digest_id, worker="alpha/1/0", lease_until=now + timedelta(minutes=2), now=now
        )
        return claim is not None


def actions() -> list[tuple[str, str]]:
    with reading() as session:
        rows = session.exec(select(AuditEntry).order_by(col(AuditEntry.id))).all()
        return [(row.action, row.by) for row in rows if row.action.startswith(("digest", "send"))]


@on_both
class TestTheSwitches:
    def test_a_paused_send_gives_nothing_out_and_a_resumed_one_does(
        self, web: TestClient, ada: Staff, digest_id: int, now: datetime
    ) -> None:
        assert may_claim(digest_id, now)

        web.post("/console/2026-W48/pause", data={"csrf": ada.csrf, "reason": "a wrong price"})
        assert not may_claim(digest_id, now)
        assert "a wrong price" in web.get("/console").text
        web.post("/console/2026-W48/resume", data={"csrf": ada.csrf})

        assert may_claim(digest_id, now)
        assert actions() == [("digest.paused", "Ada"), ("digest.resumed", "Ada")]

    def test_the_kill_switch_stops_everything_until_it_is_released(
        self, web: TestClient, ada: Staff, digest_id: int, now: datetime
    ) -> None:
        web.post("/console/stop", data={"csrf": ada.csrf, "reason": "complaints"})
        assert not may_claim(digest_id, now)
        shown = web.get("/console").text
        assert "Stopped" in shown
        assert "complaints" in shown

        web.post("/console/go", data={"csrf": ada.csrf})

        assert may_claim(digest_id, now)
        with reading() as session:
            assert session.get(Halt, 1) is None

    def test_what_is_cancelled_never_goes(
        self, web: TestClient, ada: Staff, digest_id: int, now: datetime
    ) -> None:
        web.post("/console/2026-W48/pause", data={"csrf": ada.csrf})
        web.post("/console/2026-W48/cancel", data={"csrf": ada.csrf})

        assert not may_claim(digest_id, now)
        with reading() as session:
            assert session.get_one(Digest, digest_id).status == "cancelled"

    def test_an_uncertain_batch_is_settled_on_an_operators_word(
        self, web: TestClient, ada: Staff, digest_id: int, now: datetime
    ) -> None:
        with unit_of_work() as session:
            number = session.exec(select(Batch.number).order_by(col(Batch.number))).first()
            session.connection().execute(
                update(Batch)
                .where(col(Batch.digest_id) == digest_id, col(Batch.number) == number)
                .values(
                    status=BatchStatus.uncertain,
                    provider="sendgrid",
                    posted_at=now,
                    first_posted_at=now,
                    reason="no answer: ReadTimeout",
                )
            )
        assert "no answer: ReadTimeout" in web.get("/console").text
        word = {"csrf": ada.csrf, "batch": str(number), "answer": "accepted"}

        first = web.post("/console/2026-W48/settle", data=word)
        again = web.post("/console/2026-W48/settle", data=word)

        assert first.headers["location"] == "/console?done=settled"
        assert again.status_code == 409
        assert "a proof was quicker" in again.text
        with reading() as session:
            batch = session.get_one(Batch, (digest_id, number))
            assert batch.status is BatchStatus.accepted
            assert batch.evidence is not None
            assert batch.evidence[0]["who"] == "Ada"

    def test_what_makes_no_sense_is_refused_in_a_sentence_and_changes_nothing(
        self, web: TestClient, ada: Staff, digest_id: int, now: datetime
    ) -> None:
        assert web.post("/console/2026-W48/resume", data={"csrf": ada.csrf}).status_code == 409
        assert web.post("/console/2026-W48/burn", data={"csrf": ada.csrf}).status_code == 409
        assert web.post("/console/2020-W01/pause", data={"csrf": ada.csrf}).status_code in {
            404,
            409,
        }
        assert web.post("/console/stop", data={}).status_code == 403

        assert may_claim(digest_id, now)
        assert actions() == []


@on_both
def test_it_shows_who_works_and_what_is_wrong(web: TestClient, now: datetime) -> None:
    signed_in(web, roles={Role.operator}, now=now)
    with unit_of_work() as session:
        pulse.sign(session, Part.worker, "alpha:7", began_at=now, lag=0.4, doing="send", now=now)
        gone = now - timedelta(minutes=9)
        pulse.sign(session, Part.beat, "alpha:8", began_at=gone, now=gone)

    shown = web.get("/console").text

    assert "No beat has been seen for 9 minutes." in shown
    assert "1 alive, ticks come 0.4 s late" in shown
    assert "alpha:7: send" in shown


def test_while_everything_is_stopped_nobody_is_told_that_nothing_is_wrong(
    web: TestClient, ada: Staff, now: datetime
) -> None:
    with unit_of_work() as session:
        for part in Part:
            pulse.sign(session, part, "alpha:7", began_at=now, now=now)
    assert "Nothing is wrong." in web.get("/console").text

    web.post("/console/stop", data={"csrf": ada.csrf, "reason": "a drill"})

    shown = web.get("/console").text
    assert "<strong>Everything is stopped</strong> by Ada at 08:00:00: a drill" in shown
    assert "Nothing is wrong." not in shown


def test_where_nothing_was_ever_started_it_says_so_and_how(web: TestClient, now: datetime) -> None:
    signed_in(web, roles={Role.operator}, now=now)

    shown = web.get("/console").text

    assert "No beat has been seen yet: nothing becomes due." in shown
    assert "No worker has been seen yet: nothing is sent." in shown
    assert "<code>newsletter beat</code>" in shown
    assert "Nothing is wrong." not in shown


def test_it_is_for_operators(web: TestClient, now: datetime) -> None:
    assert web.get("/console").status_code == 303
    staff = signed_in(web, roles={Role.reader, Role.editor}, now=now)

    assert web.get("/console").status_code == 403
    assert web.post("/console/stop", data={"csrf": staff.csrf}).status_code == 403
    with reading() as session:
        assert session.get(Halt, 1) is None
