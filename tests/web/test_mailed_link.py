"""Coming in by a mailed link: for whoever reads the mail, once, and nobody learns who has an account."""

import re
from datetime import datetime, timedelta

import pytest
from fastapi import FastAPI
from sqlmodel import Session, col, select
from starlette.testclient import TestClient

from newsletter import invitations
from newsletter.accounts import register
from newsletter.accounts.models import AuditEntry, Role
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.posting.composing import Composed, compose
from newsletter.posting.recipients import Nobody
from newsletter.service_mail import ServiceMail
from tests.conftest import Configure
from tests.web.scene import on_both
from tests.web.staffing import an_account

ADA = "ada@shiporskip.example"


def ask(web: TestClient, address: str = ADA, **more: str) -> str:
    answer = web.post("/sign-in/link", data={"address": address, **more})
    assert answer.status_code == 200
    return answer.text


def letters(session: Session) -> list[ServiceMail]:
    return list(session.exec(select(ServiceMail).order_by(col(ServiceMail.id))))


def mailed_path() -> str:
    with reading() as session:
        values = letters(session)[-1].values
        assert values is not None
        return str(values["path"])


@pytest.fixture
def ada(database: str, now: datetime) -> None:
    with unit_of_work() as session:
        an_account(session, roles={Role.editor}, now=now)


@on_both
@pytest.mark.usefixtures("ada")
def test_the_link_opens_a_page_and_its_button_lets_its_owner_in_once(web: TestClient) -> None:
    ask(web, "Ada@ShipOrSkip.example", next="/account")
    path = mailed_path()

    page = web.get(path)
    assert "Sign in as Ada" in page.text
    assert "set-cookie" not in page.headers
    form = re.search(r'action="(/sign-in/link/[^"]+)"', page.text)
    assert form is not None
    came = web.post(form[1], data={"next": "/account"})

    assert (came.status_code, came.headers["location"]) == (303, "/account")
    assert "By mailed link" in web.get("/account").text
    again = web.post(form[1])
    assert again.status_code == 410
    assert "works only once" in again.text
    with reading() as session:
        log = [
            (entry.by, entry.action)
            for entry in session.exec(select(AuditEntry).order_by(col(AuditEntry.id)))
        ]
    assert log[-1] == ("Ada", "login.begun")


@pytest.mark.usefixtures("ada")
def test_the_answer_is_the_same_whether_anybody_has_that_address(web: TestClient) -> None:
    known, unknown = ask(web), ask(web, "nobody@shiporskip.example")

    assert known.replace(ADA, "…") == unknown.replace("nobody@shiporskip.example", "…")
    with reading() as session:
        assert len(letters(session)) == 1


@pytest.mark.usefixtures("ada")
def test_the_letter_goes_to_the_accounts_address_and_says_who_asked(
    web: TestClient, now: datetime
) -> None:
    ask(web)

    with reading() as session:
        composed = compose(session, letters(session)[0], now=now)
    assert isinstance(composed, Composed)
    content = composed.mailing.content
    assert composed.to.address == ADA
    assert content.subject == "Sign in to Weekly AI Tool Verdicts"
    assert "/sign-in/link/" in content.text
    assert "Come in, Ada" in content.html
    assert "If it was not you, do nothing" in content.text


@pytest.mark.usefixtures("ada")
def test_a_link_is_good_for_a_quarter_of_an_hour_and_its_letter_too(
    app: FastAPI, web: TestClient, now: datetime
) -> None:
    ask(web)
    path = mailed_path()
    later = now + timedelta(minutes=15)
    app.dependency_overrides[utc_now] = lambda: later

    assert web.get(path).status_code == 410
    assert web.post(path).status_code == 410
    with reading() as session:
        assert isinstance(compose(session, letters(session)[0], now=later), Nobody)


@pytest.mark.usefixtures("ada")
def test_who_is_kept_out_gets_no_link_and_one_on_its_way_opens_nothing(
    web: TestClient, now: datetime
) -> None:
    ask(web)
    path = mailed_path()
    with unit_of_work() as session:
        an_account(session, name="Grace", now=now)
        register.disable(session, register.find(session, "Ada"), by="the tests", now=now)

    assert web.post(path).status_code == 410
    ask(web)
    with reading() as session:
        assert len(letters(session)) == 1
        assert isinstance(compose(session, letters(session)[0], now=now), Nobody)


@pytest.mark.usefixtures("ada")
def test_using_one_link_ends_the_others(web: TestClient) -> None:
    ask(web)
    first = mailed_path()
    ask(web)

    assert web.post(mailed_path()).status_code == 303
    assert web.post(first).status_code == 410


@pytest.mark.usefixtures("ada")
def test_a_mailbox_is_not_filled_and_a_stranger_cannot_tell_why(
    web: TestClient, configure: Configure
) -> None:
    configure(accounts_tries=4)
    for address in (ADA, "nobody@shiporskip.example"):
        ask(web, address)
        ask(web, address)
        refused = web.post("/sign-in/link", data={"address": address})
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 900
    with reading() as session:
        assert len(letters(session)) == 2


@pytest.mark.usefixtures("ada")
def test_a_password_is_tried_so_often_and_the_right_one_then_waits_as_well(
    web: TestClient, configure: Configure, now: datetime
) -> None:
    configure(accounts_tries=2)
    secret = "a panel of four, and one dissent"
    with unit_of_work() as session:
        ada = register.find(session, "Ada")
        register.set_password(session, ada, secret, by="the tests", now=now)

    tried = [
        web.post("/sign-in", data={"address": ADA, "password": password}).status_code
        for password in ("wrong", secret, "wrong", "wrong", secret)
    ]

    assert tried == [401, 303, 401, 401, 429]


@pytest.mark.usefixtures("ada")
def test_another_site_can_neither_ask_for_a_link_nor_use_one(web: TestClient) -> None:
    elsewhere = {"sec-fetch-site": "cross-site"}
    ask(web)

    assert web.post("/sign-in/link", data={"address": ADA}, headers=elsewhere).status_code == 403
    assert web.post(mailed_path(), headers=elsewhere).status_code == 403
    assert web.post(mailed_path()).status_code == 303


def test_an_invitation_says_who_invites_and_lets_in(web: TestClient, now: datetime) -> None:
    with unit_of_work() as session:
        ada = an_account(session, roles={Role.editor, Role.reader}, now=now)
        invitations.invite(session, ada, by="Grace", now=now)

    with reading() as session:
        composed = compose(session, letters(session)[0], now=now)
    assert isinstance(composed, Composed)
    assert composed.mailing.content.subject.startswith("Grace gave you an account")
    assert "as reader and editor" in composed.mailing.content.text
    assert web.post(mailed_path()).status_code == 303


@pytest.mark.parametrize("path", ["/sign-in/link/no-such-link", "/sign-in/link/%00"])
def test_a_link_that_is_not_ours_opens_nothing(web: TestClient, path: str) -> None:
    assert web.get(path).status_code == 404
    assert web.post(path).status_code == 404
