"""What a person at a terminal can put right is told in a sentence, and our own mistakes are not."""

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from newsletter.cli.refusals import in_a_sentence
from newsletter.database import open_engine
from tests.support.servers import Postgres


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as refused:
        (tmp_path / "nowhere" / "weekly.toml").write_text("")

    said = in_a_sentence(refused.value)

    assert said == f"{tmp_path}/nowhere/weekly.toml: No such file or directory."


def test_a_database_without_our_tables_is_told_what_makes_them(postgres: Postgres) -> None:
    there = open_engine(postgres.url)
    with pytest.raises(ProgrammingError) as refused, there.connect() as connection:
        connection.execute(text("SELECT provider FROM circuit"))
    there.dispose()

    assert "run `newsletter migrate`" in (in_a_sentence(refused.value) or "")


def test_a_mistake_of_ours_stays_one() -> None:
    assert in_a_sentence(KeyError("digest")) is None
