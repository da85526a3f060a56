"""A database that is lent again is as good as new, or it is not lent again."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import inspect, text
from sqlmodel import Session, col, func, select

from digests.models import Delivery, Digest
from newsletter.database import open_engine
from subscribers.models import Subscriber
from tests.support.databases import Databases
from tests.support.editions import a_sending_digest, readers
from tests.support.servers import Postgres


@pytest.fixture(scope="module")
def databases(postgres: Postgres) -> Databases:
    return Databases(postgres, template="another_migrated")


def test_what_a_test_wrote_is_gone_with_its_partitions(
    databases: Databases, postgres: Postgres, now: datetime
) -> None:
    name = databases.lend()
    before = _use(postgres, name, now=now)

    databases.take_back(name)

    assert databases.lend() == name
    engine = open_engine(postgres.url_of(name))
    with Session(engine) as session:
        assert session.exec(select(func.count(col(Delivery.subscriber_id)))).one() == 0
        assert session.exec(select(func.count(col(Subscriber.id)))).one() == 0
    assert "delivery_1" in before
    assert "delivery_1" not in inspect(engine).get_table_names()
    engine.dispose()
    databases.take_back(name)


def test_numbers_start_anew(databases: Databases, postgres: Postgres, now: datetime) -> None:
    for _ in range(2):
        name = databases.lend()
        engine = open_engine(postgres.url_of(name))
        with Session(engine) as session:
            digest = a_sending_digest(session, now=now)
            assert digest.id == 1
            session.commit()
        engine.dispose()
        databases.take_back(name)


def test_a_session_that_a_test_left_open_holds_nobody_up(
    databases: Databases, postgres: Postgres, now: datetime
) -> None:
    name = databases.lend()
    _use(postgres, name, now=now)
    engine = open_engine(postgres.url_of(name))
    left_open = engine.connect()
    left_open.execute(text("UPDATE subscriber SET name = 'Ada'"))

    databases.take_back(name)

    assert databases.lend() == name
    databases.take_back(name)
    left_open.invalidate()
    engine.dispose()


def test_a_database_with_other_columns_is_not_lent_again(
    databases: Databases, postgres: Postgres
) -> None:
    name = databases.lend()
    engine = open_engine(postgres.url_of(name))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE subscriber ADD COLUMN shoe_size int"))
    engine.dispose()

    databases.take_back(name)

    assert databases.lend() != name


def _use(postgres: Postgres, name: str, *, now: datetime) -> list[str]:
    """Leave an edition, its ledger and its readers in the database; returns its tables."""
    engine = open_engine(postgres.url_of(name))
    with Session(engine) as session:
        readers(session, 3, now=now - timedelta(days=1))
        digest: Digest = a_sending_digest(session, now=now)
        assert digest.id == 1
        session.commit()
    tables = inspect(engine).get_table_names()
    engine.dispose()
    return tables
