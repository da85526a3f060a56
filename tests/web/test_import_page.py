"""Lists from elsewhere by the page: looked at, rehearsed, taken in by any worker, and gone afterwards."""

from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from sqlmodel import Session, col, func, select
from starlette.testclient import TestClient

from newsletter.accounts.models import AuditEntry, Role
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.readers import importing, uploaded, uploads
from newsletter.readers.importing import ListImport
from newsletter.readers.privacy import requests
from newsletter.readers.uploaded import Upload, UploadPiece, UploadStatus
from newsletter.tasks.sweeping import lists as tick
from newsletter.tasks.tidying import tidy
from subscribers import subscription
from subscribers.importing import bulk
from subscribers.models import Consent, Subscriber
from subscribers.privacy import Why
from tests.support.soundness import is_sound
from tests.web.scene import Sent, on_both
from tests.web.staffing import signed_in, signed_in_browser

SHEET = (
    "Email,Name,Joined\n"
    "ada@readers.example,Ada,2026-01-02\n"
    "emmy@readers.example,=1+1,2026-02-03\n"
    "no address at all,Nobody,\n"
    "grete@readers.example,Grete,2026-03-04\n"
    "emmy@readers.example,Twice,\n"
)
WORDS = {"wording": "Get the weekly verdicts", "page": "a conference", "column-address": "1"}


def pieces() -> int:
    with reading() as session:
        return session.exec(select(func.count()).select_from(UploadPiece)).one()


def on_the_list() -> set[str | None]:
    with reading() as session:
        return set(session.exec(select(Subscriber.address)))


class Desk:
    """An operator at the page."""

    def __init__(self, web: TestClient, now: datetime) -> None:
        self._web = web
        self._csrf = signed_in(web, roles={Role.operator}, now=now).csrf

    def load(self, sheet: str | bytes, name: str = "people.csv") -> str:
        content = sheet.encode() if isinstance(sheet, str) else sheet
        answer = self._web.post(
            "/people/import", data={"csrf": self._csrf}, files={"list": (name, content)}
        )
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def press(self, address: str, **fields: str) -> int:
        return self._web.post(address, data={"csrf": self._csrf, **fields}).status_code

    def see(self, address: str) -> str:
        return self._web.get(address).text


@pytest.fixture
def desk(web: TestClient, now: datetime) -> Desk:
    return Desk(web, now)


@on_both
def test_nobody_is_taken_in_before_an_operator_has_seen_what_would_happen(
    desk: Desk, sent: Sent
) -> None:
    assert sent
    before = on_the_list()
    there = desk.load(SHEET)
    assert "Written in UTF-8, parted by commas." in desk.see(there)
    assert desk.press(f"{there}/take-in") == 409

    assert desk.press(f"{there}/read", **WORDS) == 303
    tick()

    page = desk.see(there)
    assert "Take 2 people in" in page
    assert on_the_list() == before
    refused = desk.see(f"{there}/refused.csv")
    assert refused.startswith("line,why,what stood there")
    assert "no address at all" in refused

    assert desk.press(f"{there}/take-in") == 303
    assert desk.press(f"{there}/take-in") == 409, "a second press does nothing twice"
    tick()

    assert on_the_list() == before | {"emmy@readers.example", "grete@readers.example"}
    assert "What has become of them" in desk.see(there)
    with reading() as session:
        kept = session.exec(select(Consent).where(col(Consent.kind) == "imported")).all()
        assert {(one.wording, one.page) for one in kept} == {(WORDS["wording"], WORDS["page"])}
        actions = session.exec(select(AuditEntry.action).where(col(AuditEntry.by) == "Ada")).all()
    assert list(actions)[-4:] == [
        "people.list_loaded",
        "people.list_rehearsed",
        "people.list_taken_in",
        "people.imported",
    ]


@on_both
def test_a_worker_that_dies_in_the_middle_leaves_the_rest_to_the_next(
    desk: Desk, sent: Sent, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    assert sent
    monkeypatch.setattr(importing, "BATCH", 3)
    sheet = SHEET + "".join(f"reader{n}@lists.example,,\nnobody,,\n" for n in range(8))
    there = desk.load(sheet)
    desk.press(f"{there}/read", **WORDS)
    uploads.work(clock=lambda: now)
    desk.press(f"{there}/take-in")
    real, batches = bulk.take, []

    def dies(*words: object, **named: object) -> object:
        batches.append(words)
        if len(batches) == 3:
            raise KeyboardInterrupt
        return real(*words, **named)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(bulk, "take", dies)
    with pytest.raises(KeyboardInterrupt):
        uploads.work(clock=lambda: now)
    monkeypatch.setattr(bulk, "take", real)
    assert not uploads.work(clock=lambda: now), "nobody takes it from a worker that may be alive"

    assert uploads.work(clock=lambda: now + uploaded.LEASE + timedelta(seconds=1))

    with reading() as session:
        run = session.exec(select(ListImport)).one()
        assert run.finished_at is not None
        assert session.exec(select(Upload.counts)).one() == {
            "added": 10,
            "known": 1,
            "refused": 9,
            "repeated": 1,
        }
    refused = desk.see(f"{there}/refused.csv").splitlines()
    assert len(refused) == 10, "each refused line once, with a heading"


def test_a_list_over_which_one_worker_after_another_falls_is_given_up_in_a_sentence(
    desk: Desk, sent: Sent, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    assert sent
    there = desk.load(SHEET)
    desk.press(f"{there}/read", **WORDS)
    tries: list[object] = []

    def falls(*_: object, **__: object) -> None:
        tries.append(None)
        raise KeyboardInterrupt

    monkeypatch.setattr(uploads, "_read", falls)
    for at in range(uploaded.TRIES):
        with pytest.raises(KeyboardInterrupt):
            uploads.work(clock=partial(now.__add__, at * (uploaded.LEASE + timedelta(seconds=1))))

    assert not uploads.work(clock=lambda: now + timedelta(hours=1))
    assert len(tries) == uploaded.TRIES
    assert "workers fell over this list" in desk.see(there)
    assert pieces() == 0


@on_both
def test_a_worker_that_was_slow_and_not_dead_leaves_the_list_to_the_one_that_took_it_over(
    desk: Desk, sent: Sent, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    assert sent
    there = desk.load(SHEET)
    desk.press(f"{there}/read", **WORDS)
    uploads.work(clock=lambda: now)
    desk.press(f"{there}/take-in")
    real = bulk.take

    def slow(session: Session, *words: object, **named: object) -> object:
        session.exec(select(ListImport)).one().line = 6  # the other one has gone on meanwhile
        session.flush()
        return real(session, *words, **named)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(bulk, "take", slow)

    assert uploads.work(clock=lambda: now)

    with reading() as session:
        upload = session.exec(select(Upload)).one()
        assert (upload.status, upload.why) == (UploadStatus.running, "")
        held = session.exec(select(UploadPiece.kind)).all()
    assert uploaded.LIST in held
    assert desk.press(f"{there}/drop") == 409, "nobody lets go of it under a worker's hands"


@on_both
def test_the_list_is_gone_when_it_is_taken_in_and_its_refused_lines_after_a_day(
    desk: Desk, now: datetime
) -> None:
    there = desk.load(SHEET)
    assert pieces() == 1
    desk.press(f"{there}/read", **WORDS)
    tick()
    desk.press(f"{there}/take-in")
    tick()
    with reading() as session:
        kinds = set(session.exec(select(UploadPiece.kind)))
    assert kinds == {uploaded.REFUSED}
    with unit_of_work() as session:
        session.exec(select(Upload)).one().at = utc_now() - uploaded.KEPT - timedelta(hours=1)

    tidy()

    assert pieces() == 0
    assert "That list is not here any more" in desk.see(there)
    assert now


def test_who_is_erased_stands_in_no_list_that_waits(desk: Desk, sent: Sent, now: datetime) -> None:
    there = desk.load(SHEET)

    with unit_of_work() as session:
        requests.erase(session, sent.ada, why=Why.asked, now=now)

    assert pieces() == 0
    assert "That list is not here any more" in desk.see(there)


@on_both
def test_whoever_left_stays_away(desk: Desk, sent: Sent, now: datetime) -> None:
    with unit_of_work() as session:
        subscription.leave(session, sent.ada, how="the page", digest_id=None, now=now)
    there = desk.load(SHEET)
    desk.press(f"{there}/read", **WORDS)
    tick()
    assert "they stay away" in desk.see(there)
    desk.press(f"{there}/take-in")
    tick()

    with reading() as session:
        assert session.get_one(Subscriber, sent.ada).status == "unsubscribed"


def test_a_list_with_headings_of_its_own_is_told_what_they_mean(desk: Desk) -> None:
    there = desk.load("Wer;Wohin;Seit\nEmmy;emmy@readers.example;2026-01-01\n")
    assert "semicolons" in desk.see(there)

    assert (
        desk.press(f"{there}/read", **{**WORDS, "column-address": "2", "column-name": "1"}) == 303
    )
    tick()
    desk.press(f"{there}/take-in")
    tick()

    with reading() as session:
        found = session.exec(select(Subscriber.address, Subscriber.name)).all()
    assert found == [("emmy@readers.example", "Emmy")]


def test_what_is_no_list_is_refused_in_a_sentence_and_nothing_is_kept(
    web: TestClient, desk: Desk, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    ada = signed_in(web, roles={Role.operator}, now=now)
    for content, says in ((b"", "Choose a file"), (b"\0\0\0\0", "nothing in the file")):
        answer = web.post(
            "/people/import", data={"csrf": ada.csrf}, files={"list": ("x.csv", content)}
        )
        assert answer.status_code == 422
        assert says in answer.text
    monkeypatch.setattr("newsletter.web.office.lists.LARGEST", 10)
    answer = web.post(
        "/people/import", data={"csrf": ada.csrf}, files={"list": ("x.csv", SHEET.encode())}
    )
    assert answer.status_code == 413
    assert desk
    assert pieces() == 0


def test_two_columns_for_one_address_cannot_be_read(desk: Desk) -> None:
    there = desk.load(SHEET)

    assert desk.press(f"{there}/read", **{**WORDS, "column-address": "9"}) == 422
    with reading() as session:
        assert session.exec(select(Upload.status)).one() is UploadStatus.looked_at


@pytest.mark.browser
def test_an_operator_takes_a_list_in_by_keyboard_and_without_scripts(
    browser: Browser, site: str, sent: Sent, tmp_path: Path, now: datetime
) -> None:
    assert sent
    sheet = tmp_path / "mailing-list.csv"
    sheet.write_text(SHEET)
    context = browser.new_context(java_script_enabled=False)
    signed_in_browser(context, site, roles={Role.operator}, now=now)
    page = context.new_page()
    page.goto(f"{site}/people")
    page.get_by_role("link", name="A list from elsewhere").press("Enter")
    page.get_by_label("The list").set_input_files(sheet)
    page.get_by_role("button", name="Look at it").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("mailing-list.csv")
    page.get_by_label("What these people agreed to").fill("Get the weekly verdicts")
    page.get_by_role("button", name="See what would happen").press("Enter")
    expect(page.get_by_role("progressbar")).to_be_visible()
    tick()
    page.reload()
    page.get_by_role("button", name="Take 2 people in").press("Enter")
    tick()
    page.reload()
    expect(page.get_by_text("taken in", exact=True)).to_be_visible()
    assert "grete@readers.example" in on_the_list()
    context.close()

    context = browser.new_context()
    signed_in_browser(context, site, roles={Role.operator}, now=now)
    page = context.new_page()
    for path in ("/people/import", "/people/import/1"):
        page.goto(site + path)
        is_sound(page)
    page.goto(f"{site}/people/import")
    page.get_by_label("The list").set_input_files(sheet)
    page.get_by_role("button", name="Look at it").click()
    is_sound(page)
    context.close()
