"""The doctor's page: what it shows without asking anybody, and one look at everything when asked."""

import json
from datetime import datetime, timedelta

import pytest
from sqlmodel import col, select
from starlette.testclient import TestClient

from newsletter.accounts.models import AuditEntry, Role
from newsletter.database import reading
from newsletter.doctor import Examination, Finding, examining
from newsletter.esp.checks import Check
from tests.web.scene import on_both
from tests.web.staffing import signed_in


def found(at: datetime, *, dmarc: bool | None) -> Examination:
    checks = (
        Finding("domain", Check("DMARC", dmarc, "No <policy>.", "Publish `v=DMARC1; p=none`.")),
        Finding("provider", Check("webhook", None, "It does not tell.", "Look."), "brevo"),
        Finding("provider", Check("domain", good=True, says="Verified."), "resend"),
    )
    return Examination(at, checks)


@on_both
def test_an_operator_sees_green_and_red_with_the_fixes(web: TestClient, now: datetime) -> None:
    signed_in(web, roles={Role.operator}, now=now)
    assert "has not been looked at yet" in web.get("/doctor").text

    examining.keep(found(now - timedelta(minutes=20), dmarc=False))
    page = web.get("/doctor").text

    assert "No &lt;policy&gt;." in page
    assert "Publish <code>v=DMARC1; p=none</code>." in page
    assert '<span class="quiet">Brevo:</span> It does not tell.' in page
    assert "The database answers." in page
    assert '<a href="/doctor" aria-current="page">Doctor</a>' in page


def test_a_program_gets_the_same_as_json(web: TestClient, now: datetime) -> None:
    signed_in(web, roles={Role.operator}, now=now)
    examining.keep(found(now, dmarc=False))

    told = web.get("/doctor", headers={"accept": "application/json"}).json()

    states = {one["check"]: one["state"] for one in told["findings"]}
    assert states["DMARC"] == "red"
    assert states["webhook"] == "unclear"
    assert states["database"] == "green"


def test_looking_asks_everybody_once_and_is_written_down(
    web: TestClient, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = signed_in(web, roles={Role.operator}, now=now)
    monkeypatch.setattr(examining, "examine", lambda clock: found(clock(), dmarc=True))

    refused = web.post("/doctor/look")
    led = web.post("/doctor/look", data={"csrf": ada.csrf})

    assert refused.status_code == 403
    assert led.headers["location"] == "/doctor?looked=1"
    with reading() as session:
        kept = examining.last(session)
        entries = session.exec(select(AuditEntry).order_by(col(AuditEntry.id).desc())).all()
    assert kept is not None
    assert [one.state for one in kept.findings] == ["green", "unclear", "green"]
    (entry,) = [one for one in entries if one.action == "doctor.looked"]
    assert (entry.by, json.dumps(entry.after)) == ("Ada", '{"red": 0, "unclear": 1}')


def test_an_editor_is_not_shown_it(web: TestClient, now: datetime) -> None:
    signed_in(web, roles={Role.editor}, now=now)

    assert web.get("/doctor").status_code == 403
