"""A store that turns up somewhere else, however it was copied, mails nobody until an operator says so."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from sqlmodel import Session, select

from digests.ledger import claims, halting
from digests.models import Halt
from newsletter import instance
from newsletter.database import reading, unit_of_work
from newsletter.editions import decisions
from tests.conftest import Configure
from tests.support.editions import a_sending_digest, readers

on_both = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


def halts(session: Session) -> set[int]:
    return {one.id for one in session.exec(select(Halt))}


@on_both
@pytest.mark.usefixtures("database")
class TestACopy:
    def test_a_store_belongs_where_it_is_first_used(self, now: datetime) -> None:
        for _ in range(2):
            with unit_of_work() as session:
                assert instance.recognise(session, now=now)
        with reading() as session:
            assert halts(session) == set()

    def test_everybody_may_start_on_a_fresh_one_at_the_same_moment(self, now: datetime) -> None:
        start = threading.Barrier(4)

        def begins(_: int) -> bool:
            start.wait(10)
            with unit_of_work() as session:
                return instance.recognise(session, now=now)

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(begins, range(4))) == [True] * 4

    def test_elsewhere_it_mails_nobody_until_somebody_says_that_it_is_the_one(
        self, now: datetime, configure: Configure
    ) -> None:
        configure(instance="production")
        with unit_of_work() as session:
            readers(session, 2, now=now)
            digest = a_sending_digest(session, now=now)
            digest_id = digest.id or 0
            assert instance.recognise(session, now=now)
        configure(instance="staging")

        with unit_of_work() as session:
            assert not instance.recognise(session, now=now)

        with unit_of_work() as session:
            assert halts(session) == {halting.SWITCH, halting.RESTORED}
            until = now.replace(hour=now.hour + 1)
            taken = claims.claim(session, digest_id, worker="w", lease_until=until, now=now)
            assert taken is None
            [why] = {one.reason for one in session.exec(select(Halt))}
            assert "newsletter go" in why
            decisions.go(session, by="Ada", now=now)
            assert claims.claim(session, digest_id, worker="w", lease_until=until, now=now)
        with unit_of_work() as session:
            assert instance.recognise(session, now=now)
            assert halts(session) == set()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_file_that_was_copied_into_another_folder_is_known_for_a_copy(
    database: str, now: datetime, tmp_path_factory: pytest.TempPathFactory, configure: Configure
) -> None:
    configure(home=tmp_path_factory.mktemp("here"), database_url=database)
    with unit_of_work() as session:
        assert instance.recognise(session, now=now)
    configure(home=tmp_path_factory.mktemp("there"))

    with unit_of_work() as session:
        assert not instance.recognise(session, now=now)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_dump_that_was_read_into_another_database_is_known_for_a_copy(
    database: str, now: datetime
) -> None:
    assert database
    with unit_of_work() as session:
        session.add(instance.Instance(mark="of another cluster", since=now))
    with unit_of_work() as session:
        assert not instance.recognise(session, now=now)
