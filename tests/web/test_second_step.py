"""The second step: a code of a device, good once, asked for at the door; and ways in without the device."""

import base64
import re
from datetime import datetime, timedelta

import pytest
from fastapi import FastAPI
from sqlmodel import col, select
from starlette.testclient import TestClient

from newsletter.accounts import codes, register
from newsletter.accounts.errors import WrongCode
from newsletter.accounts.models import Account, AuditEntry, RecoveryCode, Role
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from tests.conftest import Configure
from tests.web.scene import on_both
from tests.web.staffing import SECRET, an_account, code_at, signed_in

PASSWORD = "a panel of four, and one dissent"
ADA = "ada@shiporskip.example"


def test_the_devices_of_these_tests_know_the_vectors_of_rfc_6238() -> None:
    moments = {59: "287082", 1111111109: "081804", 20000000000: "353130"}

    for seconds, code in moments.items():
        assert code_at(datetime.fromtimestamp(seconds, tz=None).astimezone()) == code


@pytest.fixture
def recovery(database: str, now: datetime) -> list[str]:
    """Ada's recovery codes: she switched the second step on an hour ago."""
    with unit_of_work() as session:
        ada = an_account(session, password=PASSWORD, now=now)
        hour_ago = now - timedelta(hours=1)
        return codes.switch_on(session, ada, secret=SECRET, code=code_at(hour_ago), now=hour_ago)


def first_step(web: TestClient) -> None:
    form = {"address": ADA, "password": PASSWORD, "next": "/account"}
    answer = web.post("/sign-in", data=form)
    assert answer.headers["location"] == "/sign-in/code?next=%2Faccount"


def second_step(web: TestClient, code: str) -> int:
    return web.post("/sign-in/code", data={"code": code, "next": "/account"}).status_code


@on_both
@pytest.mark.usefixtures("recovery")
def test_the_password_alone_opens_nothing_and_the_code_does(web: TestClient, now: datetime) -> None:
    first_step(web)
    assert web.get("/account").status_code == 303
    assert web.get("/sign-in/code").status_code == 200

    assert second_step(web, "000000") == 401
    assert web.get("/account").status_code == 303
    assert second_step(web, f" {code_at(now)[:3]} {code_at(now)[3:]} ") == 303
    assert "By password" in web.get("/account").text
    with reading() as session:
        last = session.exec(select(AuditEntry).order_by(col(AuditEntry.id))).all()[-1]
    assert (last.action, last.after) == ("login.begun", {"how": "password and code"})


@on_both
@pytest.mark.usefixtures("recovery")
def test_a_code_works_once_and_so_does_none_before_it(web: TestClient, now: datetime) -> None:
    first_step(web)
    assert second_step(web, code_at(now)) == 303

    first_step(web)
    assert second_step(web, code_at(now)) == 401
    assert second_step(web, code_at(now - timedelta(seconds=30))) == 401
    assert second_step(web, code_at(now + timedelta(seconds=30))) == 303


@on_both
def test_a_recovery_code_works_once_and_only_a_hash_of_it_is_kept(
    web: TestClient, recovery: list[str]
) -> None:
    first_step(web)
    assert second_step(web, recovery[0].upper()) == 303
    assert "9 recovery codes are left" in web.get("/account").text

    first_step(web)
    assert second_step(web, recovery[0]) == 401
    with reading() as session:
        kept = b"".join(row.key for row in session.exec(select(RecoveryCode)))
        noted = [
            entry.action for entry in session.exec(select(AuditEntry).order_by(col(AuditEntry.id)))
        ]
    assert len(kept) == 9 * 32
    assert not any(code.encode() in kept for code in recovery)
    assert noted.count("account.recovery_code_used") == 1


@pytest.mark.usefixtures("recovery")
def test_codes_of_a_device_with_a_slightly_wrong_clock_are_good_and_others_not(
    database: str, now: datetime
) -> None:
    for seconds, is_good in ((-61, False), (61, False), (-30, True), (30, True)):
        with unit_of_work() as session:
            ada = register.find(session, "Ada")
            try:
                codes.take(session, ada, code_at(now + timedelta(seconds=seconds)), now=now)
            except WrongCode:
                assert not is_good, seconds
            else:
                assert is_good, seconds


@pytest.mark.usefixtures("recovery")
def test_the_login_that_waits_for_a_code_ends_after_ten_minutes(
    app: FastAPI, web: TestClient, now: datetime
) -> None:
    first_step(web)
    later = now + timedelta(minutes=10)
    app.dependency_overrides[utc_now] = lambda: later

    answer = web.post("/sign-in/code", data={"code": code_at(later)})

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert web.get("/account").headers["location"].startswith("/sign-in?")


@pytest.mark.usefixtures("recovery")
def test_codes_are_tried_so_often_and_the_right_one_then_waits_as_well(
    web: TestClient, configure: Configure, now: datetime
) -> None:
    configure(accounts_tries=3)
    first_step(web)

    tried = [second_step(web, code) for code in ("1", "2", "3", code_at(now))]

    assert tried == [401, 401, 401, 429]
    assert web.get("/account").status_code == 303


@pytest.mark.usefixtures("recovery")
def test_the_secret_is_sealed_and_survives_a_change_of_the_link_secret(
    configure: Configure, database: str, now: datetime
) -> None:
    configure(link_secret="the first secret")
    with unit_of_work() as session:
        ada = an_account(session, now=now)
        codes.switch_on(session, ada, secret=SECRET, code=code_at(now), now=now)
        sealed = ada.code_secret or ""
    later = now + timedelta(hours=1)

    assert b"12345678901234567890" not in base64.b64decode(sealed)
    assert len(sealed) == 64
    configure(link_secret="the next secret", former_link_secrets="the first secret")
    with unit_of_work() as session:
        codes.take(session, register.find(session, "Ada"), code_at(later), now=later)
    configure(former_link_secrets="")
    with unit_of_work() as session:
        ada, last = register.find(session, "Ada"), later + timedelta(hours=1)
        with pytest.raises(WrongCode):
            codes.take(session, ada, code_at(last), now=last)


def test_it_is_set_up_by_a_picture_and_its_first_code_and_taken_away_by_another(
    web: TestClient, now: datetime
) -> None:
    me = signed_in(web, roles={Role.editor}, now=now)
    page = web.get("/account/second-step").text
    assert "<svg" in page
    found = re.search(r'name="secret" value="([A-Z2-7]{32})"', page)
    assert found is not None
    form = {"csrf": me.csrf, "secret": found[1]}

    refused = web.post("/account/second-step", data={**form, "code": "123"})
    assert refused.status_code == 422
    assert found[1] in refused.text  # the picture that was scanned is still the one that counts
    done = web.post("/account/second-step", data={**form, "code": code_at(now, found[1])})
    shown = re.findall(r"<code>([a-z2-7-]{19})</code>", done.text)
    assert len(set(shown)) == 10

    used = {"csrf": me.csrf, "code": code_at(now, found[1])}
    assert web.post("/account/second-step/off", data=used).status_code == 422
    renewed = web.post("/account/second-step/codes", data={"csrf": me.csrf, "code": shown[0]})
    again = re.findall(r"<code>([a-z2-7-]{19})</code>", renewed.text)
    assert set(again).isdisjoint(shown)
    for code, status in ((shown[1], 422), (again[0], 303)):
        off = web.post("/account/second-step/off", data={"csrf": me.csrf, "code": code})
        assert off.status_code == status
    with reading() as session:
        assert session.exec(select(Account)).one().code_secret is None
        assert session.exec(select(RecoveryCode)).all() == []


def test_a_secret_of_somebody_elses_making_is_not_taken(web: TestClient, now: datetime) -> None:
    me = signed_in(web, now=now)

    for secret in ("", "AAAA", "not base32 at all!", "Ä" * 32):
        form = {"csrf": me.csrf, "secret": secret, "code": "123456"}
        assert web.post("/account/second-step", data=form).status_code == 422, secret
