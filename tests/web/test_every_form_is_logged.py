"""Every form of the staff's pages, sent for real: each leaves its line in the log of changes."""

import re
from datetime import datetime, timedelta

import pytest
from sqlmodel import col, func, select
from starlette.testclient import TestClient

from digests.models import DigestItem
from newsletter import seeds
from newsletter.accounts import codes, logins, register, tokens
from newsletter.accounts.models import Account, AuditEntry
from newsletter.database import reading, unit_of_work
from tests.test_audit import staffs_forms
from tests.web.scene import a_draft, a_reader
from tests.web.staffing import SECRET, Staff, code_at, comes_in, signed_in

#: Forms whose tests stand beside their pages: each needs a scene of its own to be sent at all.
ELSEWHERE = {"/votes/{tool_id}/{doubt}", "/console/{issue}/{what}"}
DESK = "/desk/2026-W48"


class Walk:
    """Sends forms as Ada, and sees after each whether the log has grown."""

    def __init__(self, web: TestClient, staff: Staff) -> None:
        self._web, self._staff = web, staff
        self.silent: list[str] = []
        self.walked: list[str] = []

    def send(self, path: str, **form: object) -> str:
        before = lines()
        answer = self._web.post(path, data={"csrf": self._staff.csrf, **form})
        assert answer.status_code in {200, 303}, (path, answer.text)
        self.walked.append(path)
        if lines() == before:
            self.silent.append(path)
        return answer.text

    def hash(self) -> str:
        found = re.search(r'name="hash" value="(\w+)"', self._web.get(f"{DESK}/approval").text)
        assert found is not None
        return found[1]


@pytest.fixture
def walk(web: TestClient, database: str, now: datetime) -> Walk:
    with unit_of_work() as session:
        a_reader(session, now=now)
        a_draft(session, now=now).send_at = now + timedelta(hours=2)
    return Walk(web, signed_in(web, now=now))


def test_what_is_done_at_the_desk(walk: Walk) -> None:
    with reading() as session:
        places = select(DigestItem.revision_id).order_by(col(DigestItem.position))
        first, second, third = session.exec(places).all()

    walk.send(f"{DESK}/words", version="1", subject="Who pays for free weights?")
    walk.send(f"{DESK}/order", version="2", order=[third, first, second])
    walk.send(f"{DESK}/comparisons/{first}", version="3", do="pin")
    walk.send(f"{DESK}/versions/1", version="4")
    walk.send(f"{DESK}/seeds", address="one@big.example")
    walk.send(f"{DESK}/test", to="seeds")
    with reading() as session:
        [seed] = seeds.everyone(session)
    walk.send(f"{DESK}/seeds/{seed.id}/end")
    walk.send(f"{DESK}/refusal", reason="The lead is stale.")
    walk.send(f"{DESK}/approval", hash=walk.hash())
    walk.send(f"{DESK}/approval/undo")
    walk.send("/console/stop", reason="complaints")
    walk.send("/console/go")

    assert walk.silent == []
    expected = {path for path in staffs_forms() if path.startswith(("/desk", "/console"))}
    assert forms_of(walk.walked) >= expected - ELSEWHERE


def test_what_is_done_about_accounts(walk: Walk, now: datetime) -> None:
    comes_in(name="Grace", now=now)
    with unit_of_work() as session:
        grace = register.find(session, "Grace")
        codes.switch_on(session, grace, secret=SECRET, code=code_at(now), now=now)
        tokens.make(session, grace, "the build", by="Grace", now=now)
        ada = register.find(session, "Ada")
        logins.begin(session, ada, how="password", good_for=timedelta(days=1), now=now)
        others = [
            one
            for one in logins.of(session, ada.id or 0, now=now)
            if one.how == "password" and not one.browser
        ]
        other = logins.name_of(others[0])
        base, ada_id = f"/accounts/{grace.id}", ada.id

    walk.send("/accounts", name="Linus", address="linus@x.example", role="editor", zone="UTC")
    for what, form in (
        ("roles", {"role": "operator"}),
        ("logins/end", {}),
        ("second-step/off", {}),
        ("tokens/end", {"name": "the build"}),
        ("door", {"door": "closed"}),
    ):
        walk.send(f"{base}/{what}", **form)
    walk.send(f"/account/logins/{other}/end")
    walk.send("/account/zone", zone="Europe/Berlin")
    walk.send("/account/password", new="ship it, said the builder, and the skeptic")
    walk.send("/account/tokens", name="the build")
    with reading() as session:
        [token] = tokens.of(session, session.get_one(Account, ada_id))
    walk.send(f"/account/tokens/{token.id}/end")
    made = walk.send("/account/second-step", secret=SECRET, code=code_at(now))
    recovery = re.findall(r"<code>([a-z2-7-]{19})</code>", made)
    renewed = walk.send("/account/second-step/codes", code=recovery[0])
    recovery = re.findall(r"<code>([a-z2-7-]{19})</code>", renewed)
    walk.send("/account/second-step/off", code=recovery[0])
    walk.send("/sign-out")

    assert walk.silent == []
    expected = {path for path in staffs_forms() if path.startswith(("/account", "/sign-out"))}
    assert forms_of(walk.walked) == expected


def lines() -> int:
    with reading() as session:
        return session.exec(select(func.count()).select_from(AuditEntry)).one()


def forms_of(paths: list[str]) -> set[str]:
    """The routes that those paths have led to."""
    shapes = {
        path: re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))
        for path in staffs_forms()
    }
    exact = set(paths) & shapes.keys()
    rest = [path for path in paths if path not in exact]
    return exact | {
        shape for path in rest for shape, pattern in shapes.items() if pattern.fullmatch(path)
    }
