"""Everybody's page about themselves: a password, a clock, and tokens for their programs."""

import re
from datetime import datetime, timedelta

from fastapi import FastAPI
from sqlmodel import col, select
from starlette.testclient import TestClient

from newsletter.accounts import passwords, register, tokens
from newsletter.accounts.models import ApiToken, AuditEntry, Role
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.web.office.staff import cookie_name
from tests.web.scene import Sent, on_both
from tests.web.staffing import an_account, signed_in

OLD, NEW = "a panel of four, and one dissent", "ship it, said the builder, and the skeptic"


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def a_token(
    *, roles: set[Role], now: datetime, days: int | None = None, name: str = "the build"
) -> str:
    with unit_of_work() as session:
        ada = an_account(session, roles=roles, now=now)
        good_for = timedelta(days=days) if days else None
        return tokens.make(session, ada, name, good_for=good_for, by="Ada", now=now)


@on_both
def test_a_token_opens_what_its_owners_roles_open_and_nothing_else(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    token = a_token(roles={Role.editor}, now=now)
    state = f"/desk/{sent.issue}/state.json"

    assert web.get(state, headers=bearer(token)).json()["status"] == "sent"
    with unit_of_work() as session:
        an_account(session, roles={Role.reader}, now=now)
    refused = web.get(state, headers=bearer(token))
    assert (refused.status_code, refused.json()) == (403, {"detail": "This is for an editor."})
    assert web.get(state, headers=bearer(token[:-1])).status_code == 401
    assert web.get(state, headers={"authorization": f"Basic {token}"}).status_code == 401


def test_a_token_ends_at_its_hour_with_its_owner_and_when_it_is_ended(
    app: FastAPI, web: TestClient, now: datetime
) -> None:
    token, other = (a_token(roles=set(Role), now=now, days=7, name=name) for name in "ab")

    def opens(one: str) -> bool:
        return web.get("/account", headers=bearer(one)).status_code == 200

    assert opens(token)
    with unit_of_work() as session:
        ada = register.find(session, "Ada")
        tokens.end(session, ada, "A", by="Ada", now=now)
    assert (opens(token), opens(other)) == (False, True)
    app.dependency_overrides[utc_now] = lambda: now + timedelta(days=7)
    assert not opens(other)


def test_a_program_needs_no_proof_but_touches_nothing_about_accounts(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    headers = bearer(a_token(roles=set(Role), now=now))

    for path in ("tokens", "password", "zone", "second-step", "tokens/1/end", "logins/x/end"):
        answer = web.post(f"/account/{path}", headers=headers, data={"name": "another"})
        assert answer.status_code == 403, path
        assert "not for a token" in answer.json()["detail"]
    with reading() as session:
        assert len(session.exec(select(ApiToken)).all()) == 1


def test_a_wrong_token_is_not_saved_by_a_browsers_cookie(web: TestClient, now: datetime) -> None:
    signed_in(web, now=now)

    assert web.get("/account", headers=bearer("wrong")).status_code == 401


def test_a_token_is_shown_once_and_kept_as_a_hash(web: TestClient, now: datetime) -> None:
    me = signed_in(web, now=now)
    form = {"csrf": me.csrf, "name": "the build", "days": "90"}

    made = web.post("/account/tokens", data=form).text
    [token] = re.findall(r"newsletter_[\w-]{43}", made)
    page = web.get("/account").text
    again = web.post("/account/tokens", data=form)

    assert token not in page
    assert "never used" in page
    assert again.status_code == 422
    assert "already" in again.text
    with reading() as session:
        kept = session.exec(select(ApiToken)).one()
        noted = session.exec(select(AuditEntry).order_by(col(AuditEntry.id))).all()[-1]
    assert (len(kept.key), kept.ends_at) == (32, now + timedelta(days=90))
    assert (noted.action, noted.subject) == ("token.made", "Ada: the build")
    assert web.get("/account", headers=bearer(token)).status_code == 200
    ended = web.post(f"/account/tokens/{kept.id}/end", data={"csrf": me.csrf})
    assert ended.status_code == 303
    assert web.get("/account", headers=bearer(token)).status_code == 401


def test_a_new_password_asks_for_the_old_one_and_ends_the_other_logins(
    web: TestClient, now: datetime
) -> None:
    with unit_of_work() as session:
        an_account(session, password=OLD, now=now)
    other, me = signed_in(web, now=now), signed_in(web, now=now)

    wrong = web.post("/account/password", data={"csrf": me.csrf, "current": "no", "new": NEW})
    weak = web.post("/account/password", data={"csrf": me.csrf, "current": OLD, "new": "short"})
    done = web.post("/account/password", data={"csrf": me.csrf, "current": OLD, "new": NEW})

    assert (wrong.status_code, weak.status_code, done.status_code) == (422, 422, 303)
    assert "not the password" in wrong.text
    assert web.get("/account").status_code == 200
    web.cookies.set(cookie_name(), other.token)
    assert web.get("/account").status_code == 303
    with reading() as session:
        assert passwords.matches(register.find(session, "Ada").password, NEW)


def test_times_are_shown_by_ones_own_clocks(web: TestClient, now: datetime) -> None:
    me = signed_in(web, now=now)

    def says(zone: str) -> int:
        return web.post("/account/zone", data={"csrf": me.csrf, "zone": zone}).status_code

    assert (says("Mars/Olympus"), says(""), says("Europe/Berlin")) == (422, 422, 303)
    with reading() as session:
        assert register.find(session, "Ada").zone == "Europe/Berlin"
