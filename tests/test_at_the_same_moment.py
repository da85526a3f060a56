"""One approves an edition while another sends it back or edits it: both are heard, nothing goes unread."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from sqlmodel import Session

from digests.making import versions
from digests.models import Digest, DigestStatus
from digests.signatures import RefusedAsItStands
from newsletter.copies import galley
from newsletter.database import reading, unit_of_work
from newsletter.editions import approval, production
from tests.web.scene import a_draft, a_reader

ISSUE = "2026-W48"


@pytest.fixture(autouse=True)
def draft(database: str, now: datetime) -> None:
    with unit_of_work() as session:
        a_reader(session, now=now)
        a_draft(session, now=now)


def the(session: Session) -> Digest:
    return production.by_issue(session, ISSUE)


def grace_approves(now: datetime) -> None:
    with unit_of_work() as session:
        production.approve(session, the(session), by="Grace", now=now)


def test_who_sends_it_back_is_heard_by_who_approves_it(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendering, approved, fresh = threading.Event(), threading.Event(), galley.fresh

    def slowly(session: Session, digest: Digest) -> galley.Preview:
        rendering.set()
        approved.wait(1)
        return fresh(session, digest)

    def ada_refuses() -> None:
        with unit_of_work() as session:
            approval.refuse(session, the(session), reason="Stale.", by="Ada", now=now)

    def grace_tries() -> None:
        rendering.wait(20)
        grace_approves(now)
        approved.set()

    monkeypatch.setattr("newsletter.editions.approval.galley.fresh", slowly)
    with ThreadPoolExecutor(2) as both:
        refused, second = both.submit(ada_refuses), both.submit(grace_tries)
        refused.result()
        with pytest.raises(RefusedAsItStands):
            second.result()

    with reading() as session:
        assert the(session).status is DigestStatus.draft


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # SQLite has one writer
def test_an_edit_takes_the_approval_back_that_came_while_it_was_saved(now: datetime) -> None:
    with unit_of_work() as session:
        digest = the(session)
        words = versions.read(session, digest).reworded(subject="Who pays for free weights, again?")
        grace_approves(now)
        versions.save(session, digest, words, seen=1, by="Ada", now=now)

    with reading() as session:
        digest = the(session)
        assert digest.status is DigestStatus.draft
        assert "Ada edited it after it was approved" in (digest.paused_reason or "")
