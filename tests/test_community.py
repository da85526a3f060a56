"""Votes: one for a person and tool, counted exactly, shown in steps, held out when they come oddly."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session, col, select

from digests.facts import Verdict
from digests.store import community, held, intake
from digests.store.ballots import Doubt, Ruling, Standing, Vote
from digests.store.community import Circumstances, NoSuchTool
from digests.store.comparisons import Tool
from digests.store.listing import Listing
from digests.store.standings import Figure, Rules, figure, figures
from tests.support.mails import a_pair, a_tool

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
FEW = Rules(enough=4, step=3, burst=0, network=0)
SHIP, SKIP = Verdict.ship, Verdict.skip


@pytest.fixture
def tool(session: Session, now: datetime) -> int:
    """A tool that the whole panel ships, compared with another."""
    intake.take_in(session, a_pair(a_tool("One"), a_tool("Two")), source="a test", now=now)
    return session.exec(select(Tool).where(col(Tool.slug) == "one")).one().id or 0


def say(
    session: Session,
    tool: int,
    person: int,
    verdict: Verdict,
    *,
    now: datetime,
    rules: Rules = FEW,
    how: Circumstances | None = None,
) -> Vote:
    return community.cast(
        session,
        subscriber_id=person,
        tool_id=tool,
        verdict=verdict,
        how=how or Circumstances(),
        rules=rules,
        now=now,
    )


def say_all(session: Session, tool: int, verdicts: Sequence[Verdict], *, now: datetime) -> None:
    for person, verdict in enumerate(verdicts, start=1):
        say(session, tool, person, verdict, now=now)


def count(session: Session, tool: int) -> tuple[int, int]:
    standing = session.get_one(Standing, tool)
    return standing.ships, standing.skips


def test_a_person_has_one_vote_which_can_be_changed_and_taken_back(
    session: Session, tool: int, now: datetime
) -> None:
    say(session, tool, 1, SHIP, now=now)
    say(session, tool, 1, SHIP, now=now)
    assert count(session, tool) == (1, 0)

    say(session, tool, 1, SKIP, now=now)
    assert count(session, tool) == (0, 1)

    assert community.take_back(session, subscriber_id=1, tool_id=tool, rules=FEW, now=now)
    assert not community.take_back(session, subscriber_id=1, tool_id=tool, rules=FEW, now=now)
    assert count(session, tool) == (0, 0)
    assert session.exec(select(Vote)).all() == []


@on_sqlite
def test_a_vote_on_a_tool_that_nobody_compared_is_refused(session: Session, now: datetime) -> None:
    with pytest.raises(NoSuchTool):
        say(session, 404, 1, SHIP, now=now)


def test_too_few_votes_say_nothing_and_enough_do(
    session: Session, tool: int, now: datetime
) -> None:
    say_all(session, tool, [SHIP, SHIP, SKIP], now=now)
    assert figures(session, [tool]) == {}

    say(session, tool, 4, SHIP, now=now)

    assert figures(session, [tool]) == {tool: Figure(percent=75, votes=4)}
    row = session.exec(select(Listing)).one()
    session.refresh(row)
    assert (row.left_shown, row.right_shown, row.gap) == (75, None, 25)


@on_sqlite
def test_the_figure_moves_only_when_a_step_of_different_people_lies_between(
    session: Session, tool: int, now: datetime
) -> None:
    say_all(session, tool, [SHIP, SHIP, SKIP, SKIP], now=now)
    assert figures(session, [tool])[tool].percent == 50

    # One person who goes back and forth is still one person.
    for verdict in (SKIP, SHIP, SKIP, SHIP, SKIP):
        say(session, tool, 5, verdict, now=now)
    say(session, tool, 1, SKIP, now=now)
    assert figures(session, [tool])[tool].percent == 50
    assert count(session, tool) == (1, 4)

    say(session, tool, 2, SKIP, now=now)
    assert figures(session, [tool])[tool].percent == 5


@on_sqlite
def test_too_few_left_take_the_figure_down_at_once_and_one_who_joins_does_not_bring_it_back(
    session: Session, tool: int, now: datetime
) -> None:
    say_all(session, tool, [SHIP, SHIP, SKIP, SKIP], now=now)

    community.take_back(session, subscriber_id=4, tool_id=tool, rules=FEW, now=now)
    assert figures(session, [tool]) == {}
    row = session.exec(select(Listing)).one()
    session.refresh(row)
    assert row.gap is None

    # Else the two figures would differ by the one vote that joined.
    say(session, tool, 5, SHIP, now=now)
    assert figures(session, [tool]) == {}
    say(session, tool, 6, SHIP, now=now)
    assert figures(session, [tool])[tool].percent == 80


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_figure_is_never_so_exact_that_it_says_how_everybody_voted(
    ships: int, skips: int
) -> None:
    shown = figure(ships, skips, Rules(enough=10, step=5))

    if ships + skips < 10:
        assert shown is None
    else:
        assert shown is not None
        assert 5 <= shown.percent <= 95
        assert shown.percent % 5 == 0
        assert abs(shown.percent - 100 * ships / (ships + skips)) <= 5
        assert 0 <= ships + skips - shown.votes < 5


def test_whoever_is_erased_leaves_the_count_and_nothing_behind(
    session: Session, tool: int, now: datetime
) -> None:
    say_all(session, tool, [SHIP, SHIP, SKIP, SKIP], now=now)
    community.keep(session, subscriber_id=1, tool_id=tool, now=now)
    said = community.of_person(session, 1)
    assert [(name, vote.verdict) for name, vote in said.votes] == [("One", SHIP)]
    assert [name for name, _ in said.bookmarks] == ["One"]

    assert community.forget(session, 1, rules=FEW, now=now) == 2

    assert count(session, tool) == (1, 2)
    assert figures(session, [tool]) == {}
    assert community.of_person(session, 1) == community.OfPerson((), ())
    assert community.forget(session, 1, rules=FEW, now=now) == 0


def test_what_votes_add_up_to_is_what_the_rows_say_whatever_happens(
    session: Session, tool: int, now: datetime
) -> None:
    """A long life in small: the roll-up against the rows after every step."""
    rules = Rules(enough=3, step=2, burst=0, network=4)
    for step in range(120):
        person, at = 1 + step * 7 % 11, now + timedelta(seconds=step)
        how = Circumstances(network=bytes([step % 3]) * 16, machine=step % 13 == 0)
        if step % 5 == 4:
            community.take_back(session, subscriber_id=person, tool_id=tool, rules=rules, now=at)
        elif step % 17 == 16:
            community.forget(session, person, rules=rules, now=at)
        else:
            verdict = SHIP if step % 2 else SKIP
            say(session, tool, person, verdict, now=at, rules=rules, how=how)
        if step % 29 == 28:
            for heap in held.heaps(session):
                ruling = Ruling.counts if step % 2 else Ruling.stays_out
                held.rule(session, tool, heap.doubt, ruling, by="Olga", rules=rules, now=at)
        session.expire_all()
        standing = session.get_one(Standing, tool)
        votes = session.exec(select(Vote)).all()
        counted = [vote.counted for vote in votes]
        assert (standing.ships, standing.skips) == (counted.count(SHIP), counted.count(SKIP))
        assert standing.waiting == sum(vote.waits for vote in votes)
        assert all(vote.stale == (vote.counted != vote.published) for vote in votes)
        assert standing.moves >= sum(vote.stale for vote in votes)


def test_more_votes_from_one_network_than_a_household_has_are_held_out_together(
    session: Session, tool: int, now: datetime
) -> None:
    rules, near = Rules(enough=3, burst=0, network=3), Circumstances(network=b"n" * 16)
    for person in (1, 2, 3):
        say(session, tool, person, SHIP, now=now, rules=rules, how=near)
    assert count(session, tool) == (3, 0)

    late = say(session, tool, 4, SHIP, now=now, rules=rules, how=near)
    elsewhere = Circumstances(network=b"m" * 16)
    other = say(session, tool, 5, SKIP, now=now, rules=rules, how=elsewhere)

    assert (late.held, other.held) == (Doubt.network, None)
    assert count(session, tool) == (0, 1)
    [heap] = held.heaps(session)
    assert (heap.tool, heap.doubt, heap.ships, heap.skips, heap.networks) == (
        "One", Doubt.network, 4, 0, 1,
    )  # fmt: skip


@on_sqlite
def test_a_burst_of_one_mind_is_held_out_and_a_quiet_stream_is_not(
    session: Session, tool: int, now: datetime
) -> None:
    rules = Rules(enough=3, burst=5, network=0)
    for person in range(1, 7):
        say(session, tool, person, SHIP, now=now + timedelta(seconds=20 * person), rules=rules)
    assert count(session, tool) == (6, 0)

    for person in range(11, 17):
        say(session, tool, person, SKIP, now=now + timedelta(hours=1, seconds=person), rules=rules)

    assert count(session, tool) == (6, 0)
    assert session.get_one(Standing, tool).waiting == 6


@on_sqlite
def test_an_operators_word_stands_whatever_they_vote_later(
    session: Session, tool: int, now: datetime
) -> None:
    machine = Circumstances(machine=True)
    for person in (1, 2):
        say(session, tool, person, SHIP, now=now, how=machine)
    assert count(session, tool) == (0, 0)

    ruled = held.rule(session, tool, Doubt.machine, Ruling.counts, by="Olga", rules=FEW, now=now)
    assert ruled == 2
    assert count(session, tool) == (2, 0)
    say(session, tool, 1, SKIP, now=now)
    assert count(session, tool) == (1, 1)

    say(session, tool, 3, SHIP, now=now, how=machine)
    held.rule(session, tool, Doubt.machine, Ruling.stays_out, by="Olga", rules=FEW, now=now)
    say(session, tool, 3, SKIP, now=now)
    assert count(session, tool) == (1, 1)
    with pytest.raises(held.NothingHeld):
        held.rule(session, tool, Doubt.machine, Ruling.counts, by="Olga", rules=FEW, now=now)


@on_sqlite
def test_a_program_never_takes_a_persons_word_away(
    session: Session, tool: int, now: datetime
) -> None:
    say(session, tool, 1, SHIP, now=now)

    say(session, tool, 1, SKIP, now=now, how=Circumstances(machine=True))

    assert count(session, tool) == (1, 0)


@on_sqlite
def test_yesterdays_networks_are_forgotten(session: Session, tool: int, now: datetime) -> None:
    near = Circumstances(network=b"n" * 16)
    say(session, tool, 1, SHIP, now=now - timedelta(hours=25), how=near)
    say(session, tool, 2, SHIP, now=now, how=near)

    assert community.wipe_networks(session, now=now) == 1

    session.expire_all()
    known = session.exec(select(Vote.network).order_by(col(Vote.subscriber_id))).all()
    assert known == [None, b"n" * 16]


def test_a_tool_is_kept_once_and_let_go(session: Session, tool: int, now: datetime) -> None:
    assert community.keep(session, subscriber_id=1, tool_id=tool, now=now)
    assert not community.keep(session, subscriber_id=1, tool_id=tool, now=now)
    assert community.kept_of(session, 1, [tool, 99]) == {tool}

    assert community.let_go(session, subscriber_id=1, tool_id=tool)
    assert not community.let_go(session, subscriber_id=1, tool_id=tool)


@on_sqlite
def test_nobody_keeps_more_than_anybody_could_read(
    session: Session, tool: int, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(community, "MOST_KEPT", 1)
    community.keep(session, subscriber_id=1, tool_id=tool, now=now)
    second = session.exec(select(Tool).where(col(Tool.slug) == "two")).one().id or 0

    with pytest.raises(community.KeepsTooMany):
        community.keep(session, subscriber_id=1, tool_id=second, now=now)
    assert not community.keep(session, subscriber_id=1, tool_id=tool, now=now)
