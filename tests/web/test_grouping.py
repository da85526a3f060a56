"""Many small writes in one commit: bounded, in order, and never in the way of an answer."""

import asyncio
import threading
from collections.abc import Sequence

import structlog

from newsletter.web.grouping import Together


def test_what_waits_for_the_same_commit_shares_it() -> None:
    groups: list[Sequence[int]] = []
    first_is_being_kept, go_on = threading.Event(), threading.Event()

    def keep(things: Sequence[int]) -> None:
        groups.append(things)
        first_is_being_kept.set()
        assert go_on.wait(10)

    async def story() -> list[bool]:
        together = Together(keep, lost="thing.lost")
        alone = asyncio.create_task(together.kept(0))
        await asyncio.to_thread(first_is_being_kept.wait, 10)
        rest = [asyncio.create_task(together.kept(number)) for number in range(1, 100)]
        await asyncio.sleep(0)
        go_on.set()
        return await asyncio.gather(alone, *rest)

    assert all(asyncio.run(story()))
    assert [list(group) for group in groups] == [[0], list(range(1, 100))]


def test_a_group_that_cannot_be_kept_answers_everybody_and_says_how_many_are_lost() -> None:
    def keep(_things: Sequence[int]) -> None:
        raise ConnectionError("the database is away")

    async def story() -> list[bool]:
        together = Together(keep, lost="thing.lost")
        return await asyncio.gather(*(together.kept(number) for number in range(5)))

    with structlog.testing.capture_logs() as said:
        assert asyncio.run(story()) == [False] * 5

    assert sum(line["count"] for line in said if line["event"] == "thing.lost") == 5


def test_with_no_room_left_the_next_is_turned_away_at_once_and_counted() -> None:
    is_being_kept, go_on = threading.Event(), threading.Event()

    def keep(_things: Sequence[int]) -> None:
        is_being_kept.set()
        assert go_on.wait(10)

    async def story() -> tuple[bool, list[bool]]:
        together = Together(keep, lost="thing.lost", room=2)
        first = asyncio.create_task(together.kept(0))
        await asyncio.to_thread(is_being_kept.wait, 10)
        waiting = [asyncio.create_task(together.kept(number)) for number in (1, 2)]
        await asyncio.sleep(0)
        turned_away = await together.kept(3)
        go_on.set()
        return turned_away, await asyncio.gather(first, *waiting)

    with structlog.testing.capture_logs() as said:
        turned_away, others = asyncio.run(story())

    assert turned_away is False
    assert all(others)
    assert {"count": 1, "why": "too many were waiting"}.items() <= said[-1].items()


def test_a_store_that_hangs_keeps_nobody_waiting_for_long() -> None:
    go_on = threading.Event()
    kept: list[int] = []

    def keep(things: Sequence[int]) -> None:
        assert go_on.wait(10)
        kept.extend(things)

    async def story() -> bool:
        together = Together(keep, lost="thing.lost", patience=0.01)
        answered = await together.kept(1)
        go_on.set()
        await together.drain()
        return answered

    assert asyncio.run(story()) is False
    assert kept == [1]  # late, and not lost
