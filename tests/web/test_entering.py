"""Coming in and going out: the right people, by their own forms, and nobody else."""

import re
from datetime import datetime, timedelta

import pytest
from fastapi import FastAPI
from sqlmodel import col, select
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient

from newsletter.accounts import demo, register
from newsletter.accounts.models import AuditEntry, Login, Role
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.web.office.staff import Editor, Figures, Operator, StaffForm, cookie_name
from tests.conftest import Configure
from tests.web.scene import on_both
from tests.web.staffing import an_account, signed_in
from tests.web.test_front import PRODUCTION

PASSWORD = "a panel of four, and one dissent"


@pytest.fixture
def here(app: FastAPI) -> TestClient:
    """Somebody on the service's own machine."""
    return TestClient(
        app, base_url="http://127.0.0.1:8000", client=("127.0.0.1", 5), follow_redirects=False
    )


@pytest.fixture
def doors(app: FastAPI) -> FastAPI:
    """Three doors of the kinds that the parts of the house have, and one that changes something."""

    def room(who: Figures) -> Response:
        return PlainTextResponse(who.name)

    def desk(who: Editor) -> Response:
        return PlainTextResponse(who.name)

    def engine_room(who: Operator) -> Response:
        return PlainTextResponse(who.name)

    def lever(who: Operator, form: StaffForm) -> Response:
        return PlainTextResponse(f"{who.name} {sorted(form.all('on'))}")

    for path, door in (("/a", room), ("/b", desk), ("/c", engine_room)):
        app.add_api_route(path, door, methods=["GET"], response_model=None)
    app.add_api_route("/d", lever, methods=["POST"], response_model=None)
    return app


def _with_a_password(*, now: datetime) -> None:
    with unit_of_work() as session:
        an_account(session, roles={Role.editor}, password=PASSWORD, now=now)


@on_both
def test_with_the_right_password_somebody_comes_in_and_goes_out(
    web: TestClient, now: datetime
) -> None:
    _with_a_password(now=now)

    came = web.post(
        "/sign-in",
        data={"address": "Ada@ShipOrSkip.example", "password": PASSWORD, "next": "/account"},
    )
    assert (came.status_code, came.headers["location"]) == (303, "/account")
    cookie = came.headers["set-cookie"].lower()
    page = web.get("/account").text
    csrf = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
    assert csrf is not None
    went = web.post("/sign-out", data={"csrf": csrf[1]})

    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "Ada" in page
    assert went.headers["location"] == "/sign-in"
    assert web.get("/account").headers["location"].startswith("/sign-in?next=%2Faccount")
    with reading() as session:
        assert session.exec(select(Login)).all() == []
        log = [
            (entry.by, entry.action)
            for entry in session.exec(select(AuditEntry).order_by(col(AuditEntry.id)))
        ]
    assert log == [("the tests", "account.added"), ("Ada", "login.begun"), ("Ada", "login.ended")]


@pytest.mark.parametrize(
    ("address", "password"),
    [
        ("ada@shiporskip.example", "another password"),
        ("nobody@shiporskip.example", PASSWORD),
        ("no address at all", PASSWORD),
        ("ada@shiporskip.example", ""),
    ],
)
def test_whatever_is_wrong_the_answer_is_the_same(
    web: TestClient, now: datetime, address: str, password: str
) -> None:
    _with_a_password(now=now)

    answer = web.post("/sign-in", data={"address": address, "password": password})

    assert answer.status_code == 401
    assert "do not go together" in answer.text
    assert "set-cookie" not in answer.headers


def test_over_https_the_cookie_is_bound_to_host_and_https(
    web: TestClient, configure: Configure, now: datetime
) -> None:
    configure(**PRODUCTION)
    _with_a_password(now=now)

    answer = web.post("/sign-in", data={"address": "ada@shiporskip.example", "password": PASSWORD})

    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-newsletter=")
    assert "Secure" in cookie
    assert "Domain" not in cookie


def test_only_a_hash_of_the_browsers_token_is_kept(web: TestClient, now: datetime) -> None:
    staff = signed_in(web, now=now)

    with reading() as session:
        kept = session.exec(select(Login)).one()
    assert staff.token.encode() not in kept.key
    assert len(kept.key) == 32


def test_a_login_ends_by_itself_and_with_its_account(
    app: FastAPI, web: TestClient, now: datetime
) -> None:
    _with_a_password(now=now)
    web.post("/sign-in", data={"address": "ada@shiporskip.example", "password": PASSWORD})
    assert web.get("/account").status_code == 200

    app.dependency_overrides[utc_now] = lambda: now + timedelta(days=15)
    assert web.get("/account").status_code == 303

    app.dependency_overrides[utc_now] = lambda: now
    with unit_of_work() as session:
        register.disable(session, register.find(session, "Ada"), by="the tests", now=now)
    assert web.get("/account").status_code == 303
    again = {"address": "ada@shiporskip.example", "password": PASSWORD}
    assert web.post("/sign-in", data=again).status_code == 401


def test_another_browser_of_ones_own_can_be_ended(web: TestClient, now: datetime) -> None:
    other = signed_in(web, now=now)
    me = signed_in(web, now=now)
    page = web.get("/account").text
    names = re.findall(r"/account/logins/([0-9a-f]{16})/end", page)
    assert len(names) == 2
    with_mine = page.index("this one")
    theirs = max(names, key=lambda name: abs(page.index(name) - with_mine))

    web.post(f"/account/logins/{theirs}/end", data={"csrf": me.csrf})

    assert web.get("/account").status_code == 200
    web.cookies.set(cookie_name(), other.token)
    assert web.get("/account").status_code == 303


@pytest.mark.parametrize(
    ("roles", "opens"),
    [
        ({Role.reader}, {"/a": 200, "/b": 403, "/c": 403}),
        ({Role.editor}, {"/a": 200, "/b": 200, "/c": 403}),
        ({Role.operator}, {"/a": 200, "/b": 403, "/c": 200}),
        ({Role.editor, Role.operator}, {"/a": 200, "/b": 200, "/c": 200}),
    ],
)
def test_a_role_opens_its_doors_and_no_others(
    doors: FastAPI, web: TestClient, now: datetime, roles: set[Role], opens: dict[str, int]
) -> None:
    signed_in(web, roles=roles, now=now)

    assert {path: web.get(path).status_code for path in opens} == opens


def test_a_stranger_is_led_to_the_door_and_back(doors: FastAPI, web: TestClient) -> None:
    assert web.get("/a?week=48").headers["location"] == "/sign-in?next=%2Fa%3Fweek%3D48"
    assert web.post("/d").headers["location"] == "/sign-in?next=%2F"
    refused = web.get("/a", headers={"accept": "application/json"})
    assert refused.status_code == 401
    assert refused.json() == {"detail": "This page is for people who have signed in."}


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "\\/evil.example", "/\tevil"],
)
def test_the_door_leads_nowhere_else(web: TestClient, now: datetime, elsewhere: str) -> None:
    _with_a_password(now=now)
    form = {"address": "ada@shiporskip.example", "password": PASSWORD, "next": elsewhere}

    assert web.post("/sign-in", data=form).headers["location"] == "/sign-in"
    assert web.get("/sign-in", params={"next": elsewhere}).headers["location"] != elsewhere


def test_a_form_counts_only_with_its_own_proof(
    doors: FastAPI, web: TestClient, now: datetime
) -> None:
    me = signed_in(web, now=now)
    other_site = {"sec-fetch-site": "cross-site"}

    assert web.post("/d").status_code == 403
    assert web.post("/d", data={"csrf": "0" * 32}).status_code == 403
    assert web.post("/d", data={"csrf": me.csrf}, headers=other_site).status_code == 403
    assert web.post("/d", headers={"x-csrf": me.csrf}).status_code == 200
    many = web.post("/d", data={"csrf": me.csrf, "on": ["mail", "web"]})
    assert many.text == "Ada ['mail', 'web']"


def test_another_site_signs_nobody_in(web: TestClient, now: datetime) -> None:
    _with_a_password(now=now)

    answer = web.post(
        "/sign-in",
        data={"address": "ada@shiporskip.example", "password": PASSWORD},
        headers={"sec-fetch-site": "cross-site"},
    )

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_newcomer_comes_in_by_one_button_until_somebody_has_an_account(
    here: TestClient, now: datetime
) -> None:
    with unit_of_work() as session:
        demo.add(session, now=now)
        demo.add(session, now=now)
    assert "Come in</button>" in here.get("/sign-in").text

    assert here.post("/sign-in/demo", data={"next": "/account"}).headers["location"] == "/account"
    assert "reader, editor, operator" in here.get("/account").text

    here.cookies.clear()
    with unit_of_work() as session:
        an_account(session, name="Grace", now=now)
    assert "Come in</button>" not in here.get("/sign-in").text
    assert here.post("/sign-in/demo").status_code == 404


@pytest.mark.parametrize("why", ["production", "another machine", "another name"])
def test_the_demos_door_is_nowhere_else(
    app: FastAPI, configure: Configure, now: datetime, why: str
) -> None:
    with unit_of_work() as session:
        demo.add(session, now=now)
    if why == "production":
        configure(**PRODUCTION)
    name = "rebound.example" if why == "another name" else "127.0.0.1"
    peer = "10.0.0.7" if why == "another machine" else "127.0.0.1"
    client = TestClient(app, base_url=f"http://{name}:8000", client=(peer, 5))

    assert "Come in</button>" not in client.get("/sign-in").text
    assert client.post("/sign-in/demo").status_code == 404


def test_a_login_in_use_is_seen_and_each_page_costs_no_write(
    app: FastAPI, web: TestClient, now: datetime
) -> None:
    signed_in(web, now=now)
    seen = []
    for minutes in (1, 9, 11, 12):
        app.dependency_overrides[utc_now] = lambda at=now + timedelta(minutes=minutes): at
        web.get("/account")
        with reading() as session:
            seen.append((session.exec(select(Login)).one().seen_at - now) / timedelta(minutes=1))

    assert seen == [0, 0, 11, 11]
