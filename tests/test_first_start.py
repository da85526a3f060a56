"""What a newcomer finds: an edition on its way, and the next one on the desk."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import select
from typer.testing import CliRunner

from digests.models import Digest, DigestItem, DigestStatus
from newsletter import preflight
from newsletter.cli import app
from newsletter.copies import choices
from newsletter.database import reading, unit_of_work
from newsletter.delivery import dispatch
from newsletter.demo import prepare_first_start, something_recurs
from newsletter.editions import production
from tests.conftest import Configure
from tests.support.processes import ROOT
from tests.web.scene import on_both


@pytest.fixture
def started(database: str, configure: Configure, now: datetime, tmp_path: Path) -> datetime:
    """When the first edition is due; what comes before it has happened."""
    configure(home=tmp_path / "var", schedules=ROOT / "celerybeat-schedule")
    assert prepare_first_start(now=now)
    due = now + timedelta(seconds=10)
    with unit_of_work() as session:
        production.assemble_due(session, now=due)
    return due


@on_both
def test_the_first_edition_goes_as_assembled_and_the_next_one_waits_for_an_editor(
    started: datetime, now: datetime
) -> None:
    with reading() as session:
        first, following = session.exec(select(Digest).order_by(Digest.send_at)).all()  # type: ignore[arg-type]  # a column, at run time
        held = {item.digest_id for item in session.exec(select(DigestItem))}
        found = preflight.examine(session, following, now=started)
        wanted = choices.wanted(session, following).readers

    assert (first.status, following.status) == (DigestStatus.approved, DigestStatus.draft)
    assert held == {first.id, following.id}
    assert f"{following.send_at:%a %H:%M}" == "Mon 08:00"  # nine in Berlin
    assert following.send_at - now > timedelta(hours=2)
    assert following.assembled_at == started
    assert found.is_clean
    assert len(wanted) == 2  # of everything, and of a topic that somebody has chosen


@on_both
def test_what_is_asked_about_copies_is_asked_of_the_edition_that_has_some(
    started: datetime,
) -> None:
    with unit_of_work(snapshot=True) as session:
        dispatch.start_due(session, now=started)

    receipt = CliRunner().invoke(app, ["receipt"]).stdout
    why = CliRunner().invoke(app, ["why", "ada@readers.example"]).stdout
    preview = CliRunner().invoke(app, ["preview"]).stdout

    assert "2026-W48 · sending" in receipt
    assert "2026-W48" in why
    assert "Minuteman Notes" in preview


@on_both
@pytest.mark.usefixtures("started")
def test_a_second_start_changes_nothing(now: datetime) -> None:
    assert not prepare_first_start(now=now + timedelta(days=1))

    with reading() as session:
        assert len(session.exec(select(Digest)).all()) == 2


@pytest.mark.parametrize("is_there", [True, False])
def test_a_start_knows_whether_anything_goes_out_by_itself(
    sqlite_database: str, is_there: bool, configure: Configure, now: datetime, tmp_path: Path
) -> None:
    folder = ROOT / "celerybeat-schedule" if is_there else tmp_path / "none"
    configure(database_url=sqlite_database, home=tmp_path / "var", schedules=folder)

    prepare_first_start(now=now)

    assert something_recurs(now=now) is is_there
