"""One deed for many people at once: counted before, done whatever dies, and taken back after."""

from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest
from playwright.sync_api import Browser, expect
from sqlmodel import Session, col, select
from starlette.testclient import TestClient
from typer.testing import CliRunner

from newsletter.accounts.models import AuditEntry, Role
from newsletter.cli import app
from newsletter.database import reading, unit_of_work
from newsletter.readers import people
from newsletter.readers.privacy import requests
from newsletter.tasks.sweeping import bulk as tick
from newsletter.tasks.tidying import tidy
from subscribers import bulk, looking, subscription
from subscribers.bulk import BulkAction, BulkChange, BulkStatus, Deed, NobodyToDoItTo
from subscribers.looking import Wanted
from subscribers.models import Subscriber, SubscriberStatus, Suppression
from subscribers.privacy import Why
from tests.support.editions import readers
from tests.support.soundness import is_sound
from tests.web.scene import Sent, a_reader, on_both, status_of
from tests.web.staffing import signed_in, signed_in_browser

EVERYBODY = Wanted()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """So few in one piece that a handful of people are several."""
    monkeypatch.setattr(bulk, "AT_ONCE", 2)
    return 2


def do(deed: Deed, wanted: Wanted = EVERYBODY, *, now: datetime) -> int:
    with unit_of_work() as session:
        action = people.begin_for_all(session, wanted, deed, why="a bad list", by="Ada", now=now)
        return action.id or 0


def undo(action_id: int, *, now: datetime) -> BulkAction:
    with unit_of_work() as session:
        people.undo_for_all(session, action_id, by="Ada", now=now)
    people.go_on_for_all()
    with reading() as session:
        return BulkAction.model_validate(session.get_one(BulkAction, action_id).model_dump())


def standing() -> dict[str, int]:
    with reading() as session:
        found = [str(status) for status in session.exec(select(Subscriber.status))]
    return {status: found.count(status) for status in set(found)}


def suppressed(session: Session) -> int:
    return len(session.exec(select(Suppression)).all())


@on_both
@pytest.mark.usefixtures("web")
class TestForAll:
    @pytest.fixture(autouse=True)
    def five(self, web: TestClient, small: int, now: datetime) -> list[int]:
        assert web
        assert small
        with unit_of_work() as session:
            five = [one.id or 0 for one in readers(session, 5, now=now - timedelta(days=100))]
            pending = session.get_one(Subscriber, five[4])
            pending.status, pending.confirmed_at = SubscriberStatus.pending, None
        return five

    def test_the_first_piece_is_done_at_once_and_ticks_do_the_rest(self, now: datetime) -> None:
        number = do(Deed.take_off, now=now)
        assert standing() == {"unsubscribed": 2, "active": 2, "pending": 1}

        tick()

        assert standing() == {"unsubscribed": 5}
        with reading() as session:
            action = session.get_one(BulkAction, number)
            assert (action.status, action.people, action.done) == (BulkStatus.done, 5, 5)

    def test_what_was_counted_is_what_is_changed(self, five: list[int], now: datetime) -> None:
        with unit_of_work() as session:
            subscription.leave(session, five[0], how="the page", digest_id=None, now=now)
        with reading() as session:
            assert bulk.count(session, EVERYBODY, Deed.take_off) == (5, 4)

        number = do(Deed.take_off, now=now)

        with reading() as session:
            assert session.get_one(BulkAction, number).people == 4
            assert session.get_one(Subscriber, five[0]).left_how == "the page"

    def test_whoever_joins_while_it_runs_is_not_touched(self, now: datetime) -> None:
        do(Deed.take_off, now=now)
        with unit_of_work() as session:
            late = a_reader(session, "late@readers.example", now=now).id or 0

        people.go_on_for_all()

        assert status_of(late) == "active"

    def test_taken_back_everybody_stands_where_they_stood(self, now: datetime) -> None:
        number = do(Deed.take_off, now=now)
        people.go_on_for_all()

        action = undo(number, now=now + timedelta(days=29))

        assert standing() == {"active": 4, "pending": 1}
        assert (action.status, action.undone) == (BulkStatus.undone, 5)

    def test_taken_back_in_the_middle_it_goes_no_further(self, now: datetime) -> None:
        number = do(Deed.take_off, now=now)

        action = undo(number, now=now)

        assert standing() == {"active": 4, "pending": 1}
        assert (action.status, action.done, action.undone) == (BulkStatus.undone, 2, 2)

    @pytest.mark.parametrize(
        "since",
        [
            lambda session, who, now: subscription.leave(
                session, who, how="one click", digest_id=None, now=now
            ),
            lambda session, who, now: subscription.stop_mailing(
                session, who, status=SubscriberStatus.complained, reason="complaint", now=now
            ),
            lambda session, who, now: requests.erase(session, who, why=Why.asked, now=now),
        ],
        ids=["left by their own word", "complained", "was erased"],
    )
    def test_to_whom_something_else_has_happened_stays_away(
        self, five: list[int], since: Callable[[Session, int, datetime], object], now: datetime
    ) -> None:
        number = do(Deed.take_off, now=now)
        people.go_on_for_all()
        with unit_of_work() as session:
            since(session, five[0], now + timedelta(hours=1))

        action = undo(number, now=now + timedelta(hours=2))

        assert status_of(five[0]) != "active"
        assert status_of(five[1]) == "active"
        assert action.undone == 4

    def test_kept_out_and_let_in_again(self, five: list[int], now: datetime) -> None:
        with unit_of_work() as session:
            subscription.stop_mailing(
                session,
                five[0],
                status=SubscriberStatus.bounced,
                reason="hard bounce",
                now=now - timedelta(days=1),
            )
        number = do(Deed.keep_out, now=now)
        people.go_on_for_all()
        with reading() as session:
            assert suppressed(session) == 5
            assert session.get_one(BulkAction, number).people == 4
        assert standing() == {"unsubscribed": 4, "bounced": 1}

        undo(number, now=now)

        with reading() as session:
            assert suppressed(session) == 1, "a bounce is not the operator's to take back"
        assert standing() == {"active": 3, "pending": 1, "bounced": 1}

    def test_let_in_only_whom_an_operator_keeps_out(self, five: list[int], now: datetime) -> None:
        with unit_of_work() as session:
            subscription.stop_mailing(
                session, five[0], status=SubscriberStatus.bounced, reason="hard bounce", now=now
            )
        do(Deed.keep_out, now=now)
        people.go_on_for_all()
        number = do(Deed.let_in, now=now + timedelta(days=1))
        people.go_on_for_all()
        with unit_of_work() as session:
            assert suppressed(session) == 1
            subscription.confirmed(session, five[1], now=now + timedelta(days=2))

        undo(number, now=now + timedelta(days=3))

        with reading() as session:
            assert suppressed(session) == 4
        assert status_of(five[1]) == "active", "who came back by their own word stays"

    def test_for_nobody_nothing_is_begun(self, now: datetime) -> None:
        with pytest.raises(NobodyToDoItTo):
            do(Deed.let_in, now=now)
        with reading() as session:
            assert bulk.latest(session) == []

    def test_after_thirty_days_nobody_knows_whom_it_was_about(self, now: datetime) -> None:
        number = do(Deed.take_off, now=now - timedelta(days=31))
        people.go_on_for_all()

        tidy()

        with unit_of_work() as session:
            assert session.exec(select(BulkChange)).all() == []
            with pytest.raises(bulk.TooLate):
                bulk.undo(session, number, now=now)

    def test_it_stands_in_each_ones_history(self, five: list[int], now: datetime) -> None:
        number = do(Deed.take_off, now=now)
        with reading() as session:
            first = people.person(session, five[0]).history[0]
        assert first.words == "An operator, for many at once: take off"
        assert first.more == "a bad list"

        undo(number, now=now)

        with reading() as session:
            assert first not in people.person(session, five[0]).history


@on_both
def test_people_are_filtered_by_where_they_came_from_and_when(
    web: TestClient, now: datetime
) -> None:
    assert web
    with unit_of_work() as session:
        for at, (address, source, day, tracking) in enumerate(
            (
                ("a@readers.example", "shiporskip.example/compare", 1, True),
                ("b@readers.example", "ShipOrSkip.example/join", 2, False),
                ("c@readers.example", "a list of 2019 with 100% of them", 3, True),
            )
        ):
            one = a_reader(session, address, now=now)
            one.source, one.tracking = source, tracking
            one.joined_at = datetime(2026, 3, day, 23, 59, tzinfo=now.tzinfo)
            assert at < 3

    def found(wanted: Wanted) -> str:
        with reading() as session:
            leaf = looking.page(session, wanted, after=None, size=9)
            everybody = [one.id for one in looking.everybody(session, wanted)]
            assert {one.id for one in leaf.people} == set(everybody)
            assert leaf.count == len(everybody)
            return "".join(sorted((one.address or "")[0] for one in leaf.people))

    assert found(Wanted(source="shiporskip")) == "ab"
    assert found(Wanted(source="a list of 2019 with 100%")) == "c"
    assert found(Wanted(source="%")) == ""
    assert found(Wanted(joined_from=date(2026, 3, 2))) == "bc"
    assert found(Wanted(joined_to=date(2026, 3, 2))) == "ab"
    assert found(Wanted(joined_from=date(2026, 3, 2), joined_to=date(2026, 3, 2))) == "b"
    assert found(Wanted(tracking=False)) == "b"
    assert found(Wanted(words="c@", tracking=True)) == "c"


def test_what_was_searched_for_does_not_stand_in_the_log(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    assert sent
    ada = signed_in(web, roles={Role.operator}, now=now)
    asked = {"csrf": ada.csrf, "q": "ada@readers.example", "status": "active"}

    assert web.post("/people.csv", data=asked).status_code == 200
    assert web.post("/people/bulk", data={**asked, "deed": "take off"}).status_code == 303

    with reading() as session:
        lines = session.exec(select(AuditEntry).where(col(AuditEntry.action).startswith("people")))
        after = [line.after for line in lines]
    assert after == [
        {"searched": True, "status": "active"},
        {"deed": "take off", "people": 1, "searched": True, "status": "active"},
    ]


def test_the_command_takes_along_those_who_were_asked_for(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    assert web
    with unit_of_work() as session:
        session.get_one(Subscriber, sent.ada).tracking = False
    day = (now - timedelta(weeks=7)).date().isoformat()
    export = [
        "subscribers",
        "export",
        "--since",
        day,
        "--until",
        day,
        "--no-tracking",
        "--by",
        "Ada",
    ]

    taken = CliRunner().invoke(app, export)
    nobody = CliRunner().invoke(app, ["subscribers", "export", "--topic", "weather"])

    assert taken.stdout.count("@readers.example") == 1
    assert nobody.exit_code != 0
    assert "there is no topic 'weather'" in nobody.stderr


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("/people?since=yesterday", "is no day"),
        ("/people/bulk?deed=explode", "Choose what to do"),
        ("/people/bulk/77", "no such deed"),
    ],
)
def test_what_makes_no_sense_is_met_with_a_sentence(
    web: TestClient, address: str, says: str, now: datetime
) -> None:
    signed_in(web, roles={Role.operator}, now=now)

    answer = web.get(address)

    assert answer.status_code in {404, 422}
    assert says in answer.text


@pytest.mark.browser
def test_an_operator_takes_a_list_off_and_back_by_keyboard_and_without_scripts(
    browser: Browser, site: str, sent: Sent, now: datetime
) -> None:
    context = browser.new_context(java_script_enabled=False)
    signed_in_browser(context, site, roles={Role.operator}, now=now)
    page = context.new_page()
    page.goto(f"{site}/people?q=%40readers.example")
    page.get_by_label("With everybody like that").select_option("keep out")
    page.get_by_role("button", name="Count them first").press("Enter")
    expect(page.get_by_text("3 of 3 people like that would be changed")).to_be_visible()
    page.get_by_label("Why, for the record").fill("a list that was bought")
    page.get_by_role("button", name="Keep 3 people out").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Keep out")
    tick()
    page.reload()
    expect(page.get_by_role("status")).to_have_text("Done for 3 people.")
    page.get_by_role("button", name="Take it back").press("Enter")
    tick()
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("Taken back for 3 of 3.")
    assert status_of(sent.ada) == "active"
    context.close()

    context = browser.new_context()
    signed_in_browser(context, site, roles={Role.operator}, now=now)
    page = context.new_page()
    for path in ("/people?tracking=on", "/people/bulk?deed=take+off&tracking=on", "/people/bulk/1"):
        page.goto(site + path)
        is_sound(page)
    context.close()


@pytest.mark.browser
def test_the_page_of_a_deed_follows_it_to_its_end(
    browser: Browser, site: str, small: int, sent: Sent, now: datetime
) -> None:
    number = do(Deed.keep_out, now=now)
    context = browser.new_context()
    signed_in_browser(context, site, roles={Role.operator}, now=now)
    page = context.new_page()
    page.goto(f"{site}/people/bulk/{number}")
    expect(page.get_by_role("status")).to_contain_text("2 of 3")

    tick()

    expect(page.get_by_role("status")).to_have_text("Done for 3 people.")
    context.close()
