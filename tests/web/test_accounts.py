"""Who may come in, on the operators' page; and the log, which shows who changed it."""

import re
from datetime import datetime

import pytest
from fastapi import FastAPI
from sqlmodel import col, select
from starlette.testclient import TestClient

from newsletter.accounts import codes, logins, register, tokens
from newsletter.accounts.models import Account, AuditEntry, Login, Role
from newsletter.database import reading, unit_of_work
from newsletter.service_mail import Kind, ServiceMail
from tests.web.scene import on_both
from tests.web.staffing import SECRET, an_account, code_at, comes_in, signed_in

GRACE = {"name": "Grace", "address": "grace@shiporskip.example", "zone": "Europe/Berlin"}


def grace() -> Account:
    with reading() as session:
        found = register.find(session, "Grace")
        session.expunge_all()
        return found


@on_both
def test_an_operator_gives_an_account_and_its_owner_is_mailed_a_link(
    web: TestClient, now: datetime
) -> None:
    me = signed_in(web, roles={Role.operator}, now=now)
    form = {"csrf": me.csrf, **GRACE, "role": ["editor", "reader"], "invite": "yes"}

    done = web.post("/accounts", data=form)

    assert done.headers["location"] == "/accounts?done=invited"
    assert (grace().roles, grace().zone, grace().added_by) == (
        "reader editor",
        "Europe/Berlin",
        "Ada",
    )
    with reading() as session:
        letter = session.exec(select(ServiceMail)).one()
        log = [
            (one.by, one.action, one.subject)
            for one in session.exec(select(AuditEntry).order_by(col(AuditEntry.id)))
        ]
    assert (letter.kind, letter.account_id) == (Kind.invitation, grace().id)
    assert ("Ada", "account.added", "Grace") in log
    assert ("Ada", "account.invited", "Grace") in log


def test_what_is_wrong_is_said_beside_what_was_entered(web: TestClient, now: datetime) -> None:
    me = signed_in(web, roles={Role.operator}, now=now)
    mistakes: list[tuple[dict[str, object], str]] = [
        ({"role": []}, "at least one role"),
        ({"name": " "}, "needs a name"),
        ({"name": "ada"}, "belongs to the account of Ada"),
        ({"address": "nowhere"}, "nowhere"),
        ({"zone": "Mars/Olympus"}, "no time zone"),
    ]

    for wrong, said in mistakes:
        form = {"csrf": me.csrf, **GRACE, "role": ["editor"], **wrong}
        answer = web.post("/accounts", data=form)
        assert answer.status_code == 422, said
        assert said in answer.text
        assert ("Grace" in answer.text) is ("name" not in wrong), said


def test_everything_about_an_account_is_done_on_its_page(web: TestClient, now: datetime) -> None:
    me = signed_in(web, roles={Role.operator}, now=now)
    comes_in(roles={Role.editor}, name="Grace", now=now)
    with unit_of_work() as session:
        account = register.find(session, "Grace")
        codes.switch_on(session, account, secret=SECRET, code=code_at(now), now=now)
        tokens.make(session, account, "the build", by="Grace", now=now)
        base = f"/accounts/{account.id}"

    def press(what: str, **form: object) -> str:
        done = web.post(f"{base}/{what}", data={"csrf": me.csrf, **form})
        assert done.status_code == 303, done.text
        return web.get(done.headers["location"]).text

    assert "1 login" in web.get(base).text
    assert "signed in nowhere" in press("logins/end")
    assert "off" in press("second-step/off")
    assert "the build" not in press("tokens/end", name="the build")
    press("roles", role=["reader", "operator"])
    assert grace().roles == "reader operator"
    assert "Kept out since" in press("door", door="closed")
    assert "Kept out since" not in press("door", door="open")

    page = web.get("/audit", params={"by": "Ada", "subject": "Grace"}).text
    for action in ("login.ended", "account.second_step_off", "account.roles", "account.disabled"):
        assert action in page
    with reading() as session:
        assert len(session.exec(select(Login)).all()) == 1
        assert logins.of(session, grace().id or 0, now=now) == []


def test_the_last_operator_stays_one(web: TestClient, now: datetime) -> None:
    me = signed_in(web, roles={Role.operator}, now=now)

    for what, form in (("roles", {"role": "editor"}), ("door", {"door": "closed"})):
        answer = web.post(f"/accounts/{me.account_id}/{what}", data={"csrf": me.csrf, **form})
        assert answer.status_code == 422
        assert "last operator" in answer.text
    assert web.get("/accounts").status_code == 200


@pytest.mark.parametrize("roles", [{Role.reader}, {Role.editor}, {Role.editor, Role.reader}])
def test_as_someone_without_the_role_refused(
    app: FastAPI, web: TestClient, now: datetime, roles: set[Role]
) -> None:
    me = signed_in(web, roles=roles, now=now)

    for path in ("/accounts", f"/accounts/{me.account_id}", "/audit"):
        assert web.get(path).status_code == 403, path
    for what in ("roles", "door", "logins/end", "second-step/off", "tokens/end"):
        form = {"csrf": me.csrf, "role": "operator", "door": "closed"}
        assert web.post(f"/accounts/{me.account_id}/{what}", data=form).status_code == 403, what
    assert web.post("/accounts", data={"csrf": me.csrf, **GRACE}).status_code == 403
    with reading() as session:
        ada = session.exec(select(Account)).one()
    assert register.roles_of(ada) == roles


def test_a_program_lets_nobody_in(web: TestClient, now: datetime) -> None:
    with unit_of_work() as session:
        ada = an_account(session, now=now)
        token = tokens.make(session, ada, "the build", by="Ada", now=now)
    headers = {"authorization": f"Bearer {token}"}

    assert (
        web.post("/accounts", data={**GRACE, "role": "operator"}, headers=headers).status_code
        == 403
    )
    assert web.get("/accounts", headers=headers).status_code == 200


def test_the_log_is_paged_and_has_a_form_for_programs(web: TestClient, now: datetime) -> None:
    from newsletter.accounts import audit  # noqa: PLC0415 - a page of that name is tested here

    signed_in(web, roles={Role.operator}, now=now)
    with unit_of_work() as session:
        for number in range(60):
            audit.note(
                session,
                by="Grace",
                action="schedule.edited",
                subject=f"turn {number}",
                before={"at": "09:00"},
                after={"at": "10:00"},
                now=now,
            )

    first = web.get("/audit", params={"action": "schedule"}).text
    [onward] = re.findall(r'href="([^"]+)" rel="next"', first)
    second = web.get(onward.replace("&amp;", "&")).text
    told = web.get("/audit?by=Grace", headers={"accept": "application/json"}).json()

    assert "turn 59" in first
    assert "turn 9<" not in first
    assert "turn 9<" in second
    assert "Older ones" not in second
    assert "</span>09:00</del>" in first
    assert len(told["entries"]) == 50
    assert told["entries"][0]["after"] == {"at": "10:00"}
    assert told["older"].startswith("/audit?by=Grace&older=")
    assert web.get("/audit?older=x").status_code == 422
