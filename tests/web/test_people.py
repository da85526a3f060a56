"""The people on the list: found at once, each with a whole history, and never brought back by anybody."""

import csv
import io
import json
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Browser, expect
from sqlmodel import Session, col, select
from starlette.testclient import TestClient
from typer.testing import CliRunner

from newsletter.accounts.models import AuditEntry, Role
from newsletter.cli import app
from newsletter.database import reading, unit_of_work
from newsletter.feedback import recording
from newsletter.service_mail import ServiceMail
from subscribers import barring, looking
from subscribers.looking import Wanted
from subscribers.models import Subscriber, SubscriberStatus, Suppression
from tests.support.soundness import is_sound
from tests.web.scene import Sent, a_reader, on_both
from tests.web.staffing import signed_in, signed_in_browser


def found(session: Session, words: str) -> list[str | None]:
    leaf = looking.page(session, Wanted(words), after=None, size=10)
    return [one.address for one in leaf.people]


@on_both
@pytest.mark.usefixtures("web")
class TestFinding:
    @pytest.fixture(autouse=True)
    def people(self, web: TestClient, now: datetime) -> None:
        assert web
        with unit_of_work() as session:
            for address, name in (
                ("Ada@Readers.example", "Augusta King"),
                ("adam@other.example", None),
                ("grace@readers.example", "Ádám Hopper"),
                ("50%_off@shop.example", None),
            ):
                a_reader(session, address, now=now).name = name

    @pytest.mark.parametrize(
        ("words", "whom"),
        [
            ("ada", ["Ada@Readers.example", "adam@other.example"]),
            ("ADA@", ["Ada@Readers.example"]),
            ("augusta", ["Ada@Readers.example"]),
            ("@readers", ["Ada@Readers.example", "grace@readers.example"]),
            ("@other.example", ["adam@other.example"]),
            ("50%_", ["50%_off@shop.example"]),
            ("%", []),
            ("' OR 1=1 --", []),
            ("dam@", []),
        ],
    )
    def test_by_how_an_address_a_name_or_a_domain_begins(self, words: str, whom: list[str]) -> None:
        with reading() as session:
            assert found(session, words) == whom
            assert looking.page(session, Wanted(words), after=None, size=1).count == len(whom)
            assert {one.address for one in looking.everybody(session, Wanted(words))} == set(whom)

    def test_whoever_was_erased_is_not_found(self) -> None:
        with unit_of_work() as session:
            ada = session.exec(select(Subscriber).order_by(col(Subscriber.id))).first()
            assert ada is not None
            ada.address, ada.address_key = None, None
        with reading() as session:
            assert found(session, "ada") == ["adam@other.example"]
            assert looking.page(session, Wanted(), after=None, size=1).count == 3

    def test_what_was_not_looked_at_is_said_and_taken_along_all_the_same(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(looking, "LOOKED_AT", 1)
        with reading() as session:
            assert looking.page(session, Wanted("ada"), after=None, size=9).is_cut
            assert len(list(looking.everybody(session, Wanted("ada")))) == 2

    def test_readers_of_a_topic_are_looked_for_window_after_window(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(looking, "NEWEST", 2)
        with unit_of_work() as session:
            oldest = session.exec(select(Subscriber).order_by(col(Subscriber.id))).first()
            for one in session.exec(select(Subscriber)):
                one.topics = 4 if one is oldest else 1
        with reading() as session:
            first = looking.page(session, Wanted(topic=4), after=None, size=9)
            assert (first.people, first.count, first.is_cut) == ([], 0, True)
            second = looking.page(session, Wanted(topic=4), after=first.after, size=9)
            assert [one.address for one in second.people] == ["Ada@Readers.example"]

    def test_page_after_page_everybody_once(self) -> None:
        seen: list[int | None] = []
        after: int | None = None
        with reading() as session:
            while True:
                leaf = looking.page(session, Wanted(), after=after, size=3)
                seen += [one.id for one in leaf.people]
                if leaf.after is None:
                    break
                after = leaf.after
        assert seen == sorted({*seen}, key=lambda one: -(one or 0))
        assert len(seen) == 4


@on_both
def test_one_persons_history_tells_everything_in_its_order(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    with unit_of_work() as session:
        recording.record_open(session, sent.open, machine=False, now=now + timedelta(hours=1))
        recording.unsubscribe(session, sent.unsubscribe, how="page", now=now + timedelta(hours=2))
    signed_in(web, roles={Role.operator}, now=now)

    shown = web.get(f"/people/{sent.ada}").text

    told = ("Left", f"Opened, {sent.issue}", f"{sent.issue}: accepted", "Confirmed", "Joined")
    order = [shown.index(words) for words in told]
    assert order == sorted(order)
    assert "get the next comparison in your inbox" in shown


@on_both
class TestChanging:
    def test_taken_off_and_back_only_by_themselves(
        self, web: TestClient, sent: Sent, now: datetime
    ) -> None:
        word = {"csrf": signed_in(web, roles={Role.operator}, now=now).csrf}

        web.post(f"/people/{sent.ada}/take-off", data=word)

        with unit_of_work() as session:
            ada = session.get_one(Subscriber, sent.ada)
            assert (ada.status, ada.left_how) == (SubscriberStatus.unsubscribed, "operator")
            # She presses her own link afterwards: now it is her own word.
            recording.unsubscribe(session, sent.unsubscribe, how="page", now=now)
            assert session.get_one(Subscriber, sent.ada).left_how == "page"
            actions = session.exec(
                select(AuditEntry.action).where(col(AuditEntry.subject) == f"subscriber {sent.ada}")
            )
            assert actions.all() == ["people.taken_off"]

    def test_an_address_kept_out_is_not_mailed_even_when_its_owner_asks(
        self, web: TestClient, sent: Sent, now: datetime
    ) -> None:
        word = {"csrf": signed_in(web, roles={Role.operator}, now=now).csrf}
        page = f"/people/{sent.ada}"

        web.post(f"{page}/keep-out", data=word | {"why": "threatens us"})

        with unit_of_work() as session:
            [kept] = session.exec(select(Suppression)).all()
            assert (kept.reason, kept.detail) == ("operator", "threatens us")
            assert not barring.keep_out(session, sent.ada, detail="again", now=now)
        web.post(f"{page}/let-in", data=word)
        with reading() as session:
            assert session.exec(select(Suppression)).all() == []
            assert session.get_one(Subscriber, sent.ada).status is SubscriberStatus.unsubscribed

    def test_who_has_not_confirmed_is_mailed_the_link_once_more_and_not_every_minute(
        self, web: TestClient, sent: Sent, now: datetime
    ) -> None:
        word = {"csrf": signed_in(web, roles={Role.operator}, now=now).csrf}
        with unit_of_work() as session:
            waiting = a_reader(session, "lise@readers.example", now=now)
            waiting.status, waiting.confirmed_at = SubscriberStatus.pending, None
            number = waiting.id

        assert "Mail the link once more" in web.get(f"/people/{number}").text
        said = [
            web.get(web.post(f"/people/{whom}/remind", data=word).headers["location"]).text
            for whom in (number, number, sent.ada)
        ]

        assert "on its way to them once more" in said[0]
        assert "went to them at 08:00:00, and can go again after 09:00:00." in said[1]
        assert "Nothing had to be changed." in said[2]

        with reading() as session:
            [letter] = session.exec(select(ServiceMail)).all()
            assert (letter.kind, letter.subscriber_id) == ("confirm", number)
            ticket = str((letter.values or {})["confirm_path"])
        assert web.post(ticket).status_code == 200
        with reading() as session:
            lise = session.exec(select(Subscriber).where(col(Subscriber.id) == number)).one()
            assert lise.status is SubscriberStatus.active

    def test_erased_only_when_one_is_sure(self, web: TestClient, sent: Sent, now: datetime) -> None:
        word = {"csrf": signed_in(web, roles={Role.operator}, now=now).csrf}
        page = f"/people/{sent.ada}"

        web.post(f"{page}/erase", data=word)
        assert web.get(page).status_code == 200
        web.post(f"{page}/erase", data=word | {"sure": "yes"})

        assert web.get(page).status_code == 404
        assert "ada@" not in web.get("/people?q=ada").text.split("<tbody>")[-1]


@on_both
def test_the_list_is_taken_along_with_nothing_to_compute(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    with unit_of_work() as session:
        session.get_one(Subscriber, sent.ada).name = "=HYPERLINK(1)"
    csrf = signed_in(web, roles={Role.operator}, now=now).csrf

    sheet = web.post("/people.csv", data={"csrf": csrf, "q": "ada"})
    told = CliRunner().invoke(app, ["subscribers", "export", "--search", "ada", "--by", "Ada"])
    lines = CliRunner().invoke(app, ["subscribers", "export", "--json", "--status", "active"])

    [row] = csv.DictReader(io.StringIO(sheet.text))
    assert (row["address"], row["name"], row["status"]) == (
        "ada@readers.example",
        "'=HYPERLINK(1)",
        "active",
    )
    assert told.stdout.splitlines() == sheet.text.splitlines()
    assert len([json.loads(line) for line in lines.stdout.splitlines()]) == 3
    with reading() as session:
        noted = session.exec(
            select(AuditEntry.action).where(col(AuditEntry.action) == "people.exported")
        )
        assert len(noted.all()) == 3


def test_addresses_are_for_operators_alone(web: TestClient, sent: Sent, now: datetime) -> None:
    assert web.get("/people").status_code in {303, 401}
    signed_in(web, roles={Role.editor, Role.reader}, now=now)
    for path in ("/people", f"/people/{sent.ada}"):
        assert web.get(path).status_code == 403
    assert web.post("/people.csv").status_code == 403


@pytest.mark.parametrize(
    "address", ["/people?topic=-1", f"/people?after={2**70}", f"/people/{2**63}", "/people/x"]
)
def test_numbers_that_fit_no_row_are_met_with_a_sentence(
    web: TestClient, sent: Sent, now: datetime, address: str
) -> None:
    assert sent
    signed_in(web, roles={Role.operator}, now=now)

    assert web.get(address).status_code in {404, 422}


@on_both
def test_a_nul_is_looked_for_as_if_it_was_not_there(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    assert sent
    signed_in(web, roles={Role.operator}, now=now)

    assert "1 person." in web.get("/people?q=a%00da&source=%00").text


@pytest.mark.browser
def test_an_operator_finds_somebody_by_keyboard_and_axe_finds_nothing(
    browser: Browser, site: str, sent: Sent, now: datetime
) -> None:
    context = browser.new_context(java_script_enabled=False)
    signed_in_browser(context, site, roles={Role.operator}, now=now)
    page = context.new_page()
    page.goto(f"{site}/people")
    page.get_by_label("An address, a name").fill("ada")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 person.")).to_be_visible()
    context.close()
    context = browser.new_context()
    signed_in_browser(context, site, roles={Role.operator}, now=now)
    page = context.new_page()
    for address in ("/people", "/people?q=nobody", f"/people/{sent.ada}"):
        page.goto(site + address)
        is_sound(page)
    context.close()
