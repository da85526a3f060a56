"""Providers' lists taken over, ours told to them: once, resumably, and never against whoever came back."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from sqlmodel import select
from typer.testing import CliRunner

from newsletter.cli import app
from newsletter.database import reading, unit_of_work
from newsletter.esp import CannotTell
from newsletter.esp.lists import Listed, Page, Why
from newsletter.feedback import suppressing
from newsletter.feedback.suppressing import ListPlace, NoLists
from newsletter.tasks.listing import take_over
from subscribers import subscription
from subscribers.models import Subscriber, SubscriberStatus, Suppression
from tests.conftest import Configure
from tests.web.scene import a_reader, on_both

B, C, L = Why.bounced, Why.complained, Why.left


@dataclass
class Shelf:
    """A provider's lists that a test fills; *breaks_at* makes that page unanswered, once."""

    pages: dict[str, list[list[Listed]]]
    takes: frozenset[Why] = frozenset(Why)
    at_most: int = 2
    breaks_at: tuple[str, int] | None = None
    put: list[str] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.pages)

    def page(self, name: str, after: str | None) -> Page | CannotTell:
        number = int(after or 0)
        if self.breaks_at == (name, number):
            self.breaks_at = None
            return CannotTell("Shelf asks us to slow down")
        self.asked.append((name, after))
        more = number + 1 < len(self.pages[name])
        return Page(tuple(self.pages[name][number]), str(number + 1) if more else None)

    def put_on(self, entries: Sequence[Listed]) -> CannotTell | None:
        if self.breaks_at == ("put", len(self.put)):
            self.breaks_at = None
            return CannotTell("Shelf asks us to slow down")
        self.put += [f"{one.address} {one.why}" for one in entries]
        return None


@dataclass
class Keeper:
    lists: Shelf


PEOPLE: Final = ("ada", "grace", "alan", "edsger", "barbara")


@pytest.fixture
def people(database: str, now: datetime) -> dict[str, int]:
    assert database
    with unit_of_work() as session:
        return {
            name: a_reader(session, f"{name}@readers.example", now=now).id or 0 for name in PEOPLE
        }


def at_the_provider(monkeypatch: pytest.MonkeyPatch, shelf: Shelf) -> Shelf:
    monkeypatch.setattr(suppressing, "provider", lambda _name: Keeper(shelf))
    return shelf


def listed(name: str, why: Why, since: datetime | None = None) -> Listed:
    return Listed(f"{name}@readers.example", why, since)


def states(people: dict[str, int]) -> dict[str, str]:
    with reading() as session:
        return {name: str(session.get_one(Subscriber, one).status) for name, one in people.items()}


@on_both
class TestTakingOver:
    def test_each_reason_has_its_effect_and_strangers_have_none(
        self, people: dict[str, int], now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at_the_provider(
            monkeypatch,
            Shelf(
                {
                    "bounces": [[Listed("ADA@readers.example", B, now), listed("nobody", B, now)]],
                    "complaints": [[listed("grace", C, now), Listed("not an address", C, now)]],
                    "unsubscribes": [[listed("alan", L, now)]],
                }
            ),
        )

        pulled = suppressing.pull("sendgrid", clock=lambda: now)

        assert (pulled.seen, pulled.taken_over, pulled.stopped) == (5, 3, "")
        assert states(people) == {
            "ada": "bounced",
            "grace": "complained",
            "alan": "unsubscribed",
            "edsger": "active",
            "barbara": "active",
        }
        with reading() as session:
            reasons = {one.reason: one.detail for one in session.exec(select(Suppression)).all()}
        assert reasons == dict.fromkeys(("hard bounce", "complaint"), "on the provider's list")
        assert suppressing.pull("sendgrid", clock=lambda: now).taken_over == 0

    def test_whoever_confirmed_after_they_were_listed_stays(
        self, people: dict[str, int], now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        long_ago = now - timedelta(days=400)
        at_the_provider(
            monkeypatch, Shelf({"bounces": [[listed("ada", B, long_ago), listed("grace", B)]]})
        )

        pulled = suppressing.pull("sendgrid", clock=lambda: now)

        assert (pulled.taken_over, pulled.came_back) == (1, 1)
        assert states(people)["ada"] == "active"
        assert states(people)["grace"] == "bounced"

    def test_a_run_that_was_cut_off_goes_on_where_it_was(
        self, people: dict[str, int], now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shelf = at_the_provider(
            monkeypatch,
            Shelf(
                {
                    "bounces": [[listed("ada", B, now)]],
                    "complaints": [[listed("grace", C, now)], [listed("alan", C, now)]],
                },
                breaks_at=("complaints", 1),
            ),
        )

        first = suppressing.pull("sendgrid", clock=lambda: now)
        assert "slow down" in first.stopped
        assert states(people)["grace"] == "complained"
        assert suppressing.due(now=now) == ["sendgrid"]
        second = suppressing.pull("sendgrid", clock=lambda: now)

        assert second.stopped == ""
        assert shelf.asked == [("bounces", None), ("complaints", None), ("complaints", "1")]
        assert states(people)["alan"] == "complained"
        assert suppressing.due(now=now) == []
        assert suppressing.due(now=now + timedelta(hours=23)) == ["sendgrid"]

    def test_a_page_that_is_named_by_an_address_is_not_kept(
        self, people: dict[str, int], now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shelf = at_the_provider(monkeypatch, Shelf({"bounces": [[]]}))
        onward = "/v3/mg.example/bounces?page=next&address=ada%40readers.example"
        answers: list[Any] = [Page((), onward), CannotTell("away")]
        monkeypatch.setattr(shelf, "page", lambda *_: answers.pop(0))

        suppressing.pull("sendgrid", clock=lambda: now)

        with reading() as session:
            place = session.get_one(ListPlace, ("sendgrid", "bounces"))
        assert (place.after, place.finished_at) == (None, None)
        assert people


@on_both
class TestTelling:
    def gone(self, people: dict[str, int], now: datetime) -> None:
        with unit_of_work() as session:
            for name, status, reason in (
                ("ada", SubscriberStatus.bounced, "hard bounce"),
                ("grace", SubscriberStatus.complained, "complaint"),
                ("edsger", SubscriberStatus.bounced, subscription.SOFT_BOUNCES),
                ("barbara", SubscriberStatus.bounced, "hard bounce"),
            ):
                subscription.stop_mailing(
                    session, people[name], status=status, reason=reason, now=now
                )
            subscription.leave(session, people["alan"], how="one click", digest_id=None, now=now)

    def test_bounces_and_complaints_are_told_by_portions_and_go_on_after_a_cut(
        self, people: dict[str, int], now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.gone(people, now)
        shelf = at_the_provider(monkeypatch, Shelf({}, breaks_at=("put", 2)))

        told, why = suppressing.push("sendgrid", also_left=False, clock=lambda: now)
        assert (told, why) == (2, "Shelf asks us to slow down")
        told, why = suppressing.push("sendgrid", also_left=False, clock=lambda: now)

        assert (told, why) == (1, "")
        assert shelf.put == [
            "ada@readers.example bounced",
            "grace@readers.example complained",
            "barbara@readers.example bounced",
        ]

    def test_those_who_left_only_when_that_is_wanted_and_can_be_told(
        self, people: dict[str, int], now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.gone(people, now)
        shelf = at_the_provider(monkeypatch, Shelf({}, takes=frozenset({B, C})))
        assert suppressing.push("ses", also_left=True, clock=lambda: now)[0] == 3

        shelf = at_the_provider(monkeypatch, Shelf({}))
        assert suppressing.push("sendgrid", also_left=True, clock=lambda: now)[0] == 4
        assert "alan@readers.example left" in shelf.put

        at_the_provider(monkeypatch, Shelf({}, takes=frozenset()))
        with pytest.raises(NoLists, match=r"docs/providers/brevo\.md"):
            suppressing.push("brevo", also_left=True, clock=lambda: now)


def test_the_commands_and_the_tick(
    sqlite_database: str, now: datetime, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(database_url=sqlite_database)
    with unit_of_work() as session:
        a_reader(session, "ada@readers.example", now=now)
    shelf = at_the_provider(
        monkeypatch, Shelf({"bounces": [[listed("ada", B)]]}, breaks_at=("bounces", 0))
    )

    stopped = CliRunner().invoke(app, ["suppressions", "pull"])
    pulled = CliRunner().invoke(app, ["suppressions", "pull", "--json"])
    told = CliRunner().invoke(app, ["suppressions", "push"])

    assert stopped.exit_code == 1
    assert "Run it again to go on." in stopped.stderr
    assert json.loads(pulled.stdout)["sendgrid"]["taken_over"] == 1
    assert told.stdout == "sendgrid: told of 1.\n"
    before = len(shelf.asked)
    take_over()
    assert len(shelf.asked) == before
