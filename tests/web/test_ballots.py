"""A reader's verdicts: from the mail's links, on the page, in their own list; and what storms do not do."""

import re
from datetime import datetime, timedelta

import pytest
from fastapi import FastAPI
from sqlmodel import col, select
from starlette.testclient import TestClient

from digests.store.ballots import Bookmark, Doubt, Standing, Vote
from digests.store.comparisons import Tool
from newsletter import links
from newsletter.accounts.models import AuditEntry, Role
from newsletter.clock import utc_now
from newsletter.database import reading
from newsletter.links import Purpose
from tests.conftest import Configure
from tests.web.scene import Sent, erase, on_both, status_of
from tests.web.staffing import signed_in

TOOL = "smolvlm2"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture(autouse=True)
def _a_person(web: TestClient) -> None:
    web.headers["user-agent"] = FIREFOX


@pytest.fixture
def tool(sent: Sent) -> str:
    """A tool of the edition that was sent, by its slug."""
    assert sent
    with reading() as session:
        return session.exec(select(Tool.slug).order_by(col(Tool.id))).first() or ""


def press(
    web: TestClient, token: str, tool: str, choice: str, *, after: float = 5.0, **more: str
) -> int:
    """Open the page, wait *after* seconds, press; the status of the answer."""
    shown = choice if choice in {"ship", "skip", "keep"} else "ship"
    opened = web.get(f"/b/{token}/{tool}/{shown}")
    stamp = re.search(r'name="stamp" value="([^"]+)"', opened.text)
    assert stamp is not None
    app = web.app
    assert isinstance(app, FastAPI)
    moment = app.dependency_overrides[utc_now]()
    app.dependency_overrides[utc_now] = lambda: moment + timedelta(seconds=after)
    try:
        answer = web.post(
            f"/b/{token}/{tool}",
            data={"choice": choice, "stamp": stamp[1], **more},
            follow_redirects=False,
        )
    finally:
        app.dependency_overrides[utc_now] = lambda: moment
    return answer.status_code


def votes() -> list[tuple[int, str | None, str | None]]:
    with reading() as session:
        rows = session.exec(select(Vote).order_by(col(Vote.id))).all()
        return [(row.subscriber_id, row.verdict, row.held) for row in rows]


@on_both
class TestOneVote:
    def test_the_link_makes_the_choice_ready_and_only_the_button_casts_it(
        self, web: TestClient, sent: Sent, tool: str
    ) -> None:
        opened = web.get(f"/b/{sent.verdict}/{tool}/ship")
        assert opened.status_code == 200
        assert "Nothing has been changed yet." in opened.text
        assert votes() == []

        assert press(web, sent.verdict, tool, "ship") == 303

        assert votes() == [(sent.ada, "ship", None)]
        assert "your vote is in" in web.get(f"/b/{sent.verdict}/{tool}/ship").text

    def test_a_person_has_one_word_on_a_tool_and_may_change_it_or_take_it_back(
        self, web: TestClient, sent: Sent, tool: str
    ) -> None:
        for choice in ("ship", "ship", "skip"):
            press(web, sent.verdict, tool, choice)
        assert votes() == [(sent.ada, "skip", None)]

        press(web, sent.verdict, tool, "take-back")

        assert votes() == []
        with reading() as session:
            standing = session.exec(select(Standing)).one()
            assert (standing.ships, standing.skips) == (0, 0)

    def test_what_is_kept_is_listed_and_let_go(
        self, web: TestClient, sent: Sent, tool: str
    ) -> None:
        press(web, sent.verdict, tool, "keep")
        press(web, sent.verdict, tool, "keep")
        page = web.get(f"/kept/{sent.verdict}")
        assert page.text.count("Keep no longer") == 1

        press(web, sent.verdict, tool, "let-go")

        with reading() as session:
            assert session.exec(select(Bookmark)).all() == []

    def test_a_device_that_has_voted_shows_its_readers_word_and_no_other_does(
        self, web: TestClient, sent: Sent
    ) -> None:
        address = "/compare/smolvlm2-vs-mistral-3-small"
        before = web.get(address)
        assert "Your verdict" not in before.text
        assert before.headers["cache-control"] == "public, max-age=60"
        assert before.headers["vary"] == "Cookie"

        press(web, sent.verdict, TOOL, "ship")
        mine = web.get(address)
        web.cookies.clear()
        other = web.get(address)

        assert "Your verdict" in mine.text
        assert mine.headers["cache-control"] == "private, no-store"
        assert "Your verdict" not in other.text

    def test_a_press_leads_back_to_our_own_pages_alone(
        self, web: TestClient, sent: Sent, tool: str
    ) -> None:
        stamp = re.search(
            r'name="stamp" value="([^"]+)"', web.get(f"/b/{sent.verdict}/{tool}/keep").text
        )
        assert stamp is not None
        for back, there in (
            ("/compare/x#vote", "/compare/x#vote"),
            ("//evil.example/", f"/b/{sent.verdict}/{tool}/keep#said"),
            ("https://evil.example/", f"/b/{sent.verdict}/{tool}/keep#said"),
        ):
            answer = web.post(
                f"/b/{sent.verdict}/{tool}",
                data={"choice": "keep", "stamp": stamp[1], "back": back},
                follow_redirects=False,
            )
            assert answer.headers["location"] == there


@on_both
class TestMachines:
    def test_a_press_quicker_than_a_person_or_from_no_page_of_ours_is_held_out(
        self, web: TestClient, sent: Sent, tool: str
    ) -> None:
        press(web, sent.verdict, tool, "ship", after=0.1)
        assert votes() == [(sent.ada, "ship", Doubt.machine)]

        with reading() as session:
            standing = session.exec(select(Standing)).one()
            assert (standing.ships, standing.waiting) == (0, 1)
        assert "not counted yet" in web.get(f"/b/{sent.verdict}/{tool}/ship").text

    def test_a_program_never_changes_what_a_person_said(
        self, web: TestClient, sent: Sent, tool: str
    ) -> None:
        press(web, sent.verdict, tool, "ship")

        for stamp in ("", "0-0", "zz-1", "-", "19aa-" + "0" * 18):
            answer = web.post(
                f"/b/{sent.verdict}/{tool}",
                data={"choice": "skip", "stamp": stamp},
                headers={"user-agent": "python-httpx/0.28"},
                follow_redirects=False,
            )
            assert answer.status_code == 303

        assert votes() == [(sent.ada, "ship", None)]

    def test_a_storm_of_forged_repeated_and_scanned_links_changes_nothing_it_should_not(
        self, web: TestClient, sent: Sent, tool: str
    ) -> None:
        press(web, sent.verdict, tool, "ship")
        genuine = [sent.unsubscribe, sent.preferences, sent.view, sent.open, sent.click]
        flipped = [
            sent.verdict[:at] + ("A" if sent.verdict[at] != "A" else "B") + sent.verdict[at + 1 :]
            for at in range(len(sent.verdict))
        ]
        for token in (*genuine, *flipped, "", "x", "../" * 5, sent.verdict + "A"):
            for choice in ("ship", "skip", "keep", "take-back"):
                for ask in (web.get, web.head):
                    assert ask(f"/b/{token}/{tool}/{choice}").status_code in {404, 405, 422}
                data = {"choice": choice, "stamp": "0-0"}
                assert web.post(f"/b/{token}/{tool}", data=data).status_code in {404, 405, 422}
        for _ in range(25):
            press(web, sent.verdict, tool, "ship")
            for choice in ("ship", "skip", "keep"):
                web.get(f"/b/{sent.verdict}/{tool}/{choice}")
                web.head(f"/b/{sent.verdict}/{tool}/{choice}")

        assert votes() == [(sent.ada, "ship", None)]
        with reading() as session:
            assert session.exec(select(Bookmark)).all() == []
        assert status_of(sent.ada) == "active"


@on_both
def test_a_choice_or_a_tool_that_is_not_there_is_told_calmly(
    web: TestClient, sent: Sent, tool: str
) -> None:
    assert web.get(f"/b/{sent.verdict}/no-such-tool/ship").status_code == 404
    assert web.get(f"/b/{sent.verdict}/{tool}/take-back").status_code == 422
    answer = web.post(f"/b/{sent.verdict}/{tool}", data={"choice": "burn"})
    assert answer.status_code == 422
    assert "Say ship, skip or keep" in answer.text


@on_both
def test_the_link_of_somebody_who_was_erased_opens_nothing(
    web: TestClient, sent: Sent, tool: str
) -> None:
    erase(sent.ada)

    assert web.get(f"/b/{sent.verdict}/{tool}/ship").status_code == 404
    assert web.post(f"/b/{sent.verdict}/{tool}", data={"choice": "ship"}).status_code == 404
    assert web.get(f"/kept/{sent.verdict}").status_code == 404
    assert votes() == []


def test_a_reader_of_no_edition_has_a_link_to_vote_with_too(
    web: TestClient, sent: Sent, tool: str, configure: Configure
) -> None:
    own = links.own(sent.grace, Purpose.verdict)

    press(web, own, tool, "skip")

    assert votes() == [(sent.grace, "skip", None)]


@on_both
class TestTheOperator:
    def test_looks_at_what_was_held_out_and_counts_it_with_their_name_in_the_log(
        self, web: TestClient, sent: Sent, tool: str, now: datetime
    ) -> None:
        press(web, sent.verdict, tool, "ship", after=0.1)
        staff = signed_in(web, roles={Role.operator}, now=now)
        listed = web.get("/votes")
        assert "Pressed by a program" in listed.text
        action = re.search(r'action="(/votes/\d+/machine)"', listed.text)
        assert action is not None

        answer = web.post(action[1], data={"ruling": "counts", "csrf": staff.csrf})

        assert answer.headers["location"] == "/votes?done=1"
        with reading() as session:
            standing = session.exec(select(Standing)).one()
            assert (standing.ships, standing.waiting) == (1, 0)
            [entry] = session.exec(
                select(AuditEntry).where(col(AuditEntry.action) == "votes.ruled")
            ).all()
            assert (entry.by, entry.after) == ("Ada", {"ruling": "counts"})

    def test_nobody_else_does(self, web: TestClient, sent: Sent, now: datetime) -> None:
        assert sent
        signed_in(web, roles={Role.reader, Role.editor}, now=now)

        assert web.get("/votes").status_code == 403
