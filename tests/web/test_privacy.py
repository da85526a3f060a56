"""Being told and being forgotten: proved by a mailed link, complete, and without a trace of the address."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func
from sqlmodel import SQLModel, col, select
from starlette.testclient import TestClient

from digests.facts import Verdict
from digests.models import Delivery
from digests.store import community
from digests.store.ballots import Bookmark, Vote
from digests.store.comparisons import Tool
from newsletter import service_mail, tickets
from newsletter.database import engine, reading, unit_of_work
from newsletter.posting.composing import Composed, compose
from newsletter.readers.privacy import requests, retention
from newsletter.readers.privacy.areas import AREAS
from newsletter.readers.voting import rules
from newsletter.service_mail import Kind, LetterStatus, ServiceMail
from newsletter.settings import settings
from newsletter.tickets import Purpose
from subscribers import engagement, subscription
from subscribers.engagement import Engagement, Observation
from subscribers.models import Consent, Subscriber, Suppression
from subscribers.privacy import Erasure, Why
from subscribers.subscription import AddressSuppressed, add_confirmed
from tests.conftest import Configure
from tests.support.processes import wait_until
from tests.web.scene import ADA, Sent, on_both

YEARS = timedelta(days=4 * 365)


def letters(kind: Kind) -> list[ServiceMail]:
    with reading() as session:
        of_kind = select(ServiceMail).where(col(ServiceMail.kind) == str(kind))
        return list(session.exec(of_kind.order_by(col(ServiceMail.id))))


def ask(web: TestClient, wanted: str, address: str = ADA) -> str:
    """The page that answers, with what the person typed taken out of it."""
    answer = web.post("/privacy", data={"address": address, "wanted": wanted})
    assert answer.status_code == 200
    return answer.text.replace(address, "")


def mailed(kind: Kind) -> str:
    """Where the last letter of that kind leads; it is written once the answer has left."""
    wait_until(lambda: letters(kind), within=20, what=f"a letter {kind}")
    return str((letters(kind)[-1].values or {})["path"])


def take_part(sent: Sent, *, now: datetime) -> None:
    """Ada votes, keeps a tool, and clicks."""
    with unit_of_work() as session:
        tool = session.exec(select(Tool.id).order_by(col(Tool.id))).first() or 0
        how = community.Circumstances(digest_id=sent.digest_id, network=None, machine=False)
        community.cast(
            session,
            subscriber_id=sent.ada,
            tool_id=tool,
            verdict=Verdict.ship,
            how=how,
            rules=rules(),
            now=now,
        )
        community.keep(session, subscriber_id=sent.ada, tool_id=tool, now=now)
        clicked = Observation(
            digest_id=sent.digest_id,
            key="click:ada",
            subscriber_id=sent.ada,
            kind="clicked",
            occurred_at=now,
            reason="https://shiporskip.example/compare/one-vs-another",
        )
        engagement.record(session, [clicked], now=now)


def everything() -> str:
    """Every value of every column of every table, as text."""
    found: list[str] = []
    with reading() as session:
        for table in SQLModel.metadata.sorted_tables:
            for row in session.connection().execute(table.select()):
                found += [value.hex() if isinstance(value, bytes) else str(value) for value in row]
    return "\n".join(found).lower()


@on_both
def test_who_asks_is_told_all_of_it_by_mail_on_a_page_and_in_a_file(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    take_part(sent, now=now)
    ask(web, "export")
    path = mailed(Kind.export_link)
    assert web.get(path).status_code == 200
    assert letters(Kind.known) == []

    assert web.post(path).status_code == 200
    answer = mailed(Kind.known)
    page, told = web.get(answer).text, web.get(f"{answer}/file.json").json()

    assert ADA in page
    assert told["person"][0]["address"] == ADA
    assert told["person"][0]["topics"] == "everything"
    assert [consent["what"] for consent in told["consents"]] == ["joined", "confirmed"]
    assert told["editions"][0]["edition"] == sent.issue
    assert told["editions"][0]["what became of it"] == "accepted"
    assert told["events"][0]["details"] == "https://shiporskip.example/compare/one-vs-another"
    assert told["votes"][0]["verdict"] == "ship"
    assert len(told["bookmarks"]) == 1
    assert {letter["letter"] for letter in told["letters"]} == {"export link", "known"}
    assert web.post(path).status_code == 410


@on_both
def test_the_mailed_answer_reads_well_and_its_row_holds_no_address(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    take_part(sent, now=now)
    ask(web, "export")
    web.post(mailed(Kind.export_link))
    wait_until(lambda: letters(Kind.known), within=20, what="the answer")

    with reading() as session:
        letter = session.exec(select(ServiceMail).where(col(ServiceMail.kind) == "known")).one()
        composed = compose(session, letter, now=now)

    assert isinstance(composed, Composed)
    assert composed.to.address == ADA
    assert "joined on: shiporskip.example/compare" in composed.mailing.content.text
    assert "verdict: ship" in composed.mailing.content.text
    assert "YOUR VERDICTS" in composed.mailing.content.text
    assert ADA not in str(letter.values)


def test_the_answer_is_the_same_whether_or_not_an_address_is_known(
    web: TestClient, sent: Sent
) -> None:
    assert sent
    for wanted in ("export", "erase"):
        assert ask(web, wanted) == ask(web, wanted, "nobody@readers.example")

    wait_until(lambda: letters(Kind.erase_link), within=20, what="Ada's letter")
    assert [row.subscriber_id for row in letters(Kind.export_link)] == [sent.ada]
    assert [row.subscriber_id for row in letters(Kind.erase_link)] == [sent.ada]


@pytest.mark.parametrize(
    ("sent_form", "status"),
    [
        ({"address": "nothing of the kind", "wanted": "erase"}, 422),
        ({"address": ADA, "wanted": "everything"}, 422),
        ({}, 422),
    ],
)
def test_a_form_that_says_too_little_is_shown_again(
    web: TestClient, sent: Sent, sent_form: dict[str, str], status: int
) -> None:
    assert sent
    answer = web.post("/privacy", data=sent_form)

    assert answer.status_code == status
    assert 'role="alert"' in answer.text


def test_nobody_has_somebody_else_mailed_all_day(
    web: TestClient, sent: Sent, configure: Configure
) -> None:
    assert sent
    configure(joining_per_address=2)
    tries = [
        web.post("/privacy", data={"address": spelled, "wanted": "erase"}).status_code
        for spelled in (ADA, ADA.upper(), f" {ADA} ")
    ]

    assert tries == [200, 200, 429]


def test_another_sites_page_asks_for_nothing(web: TestClient, sent: Sent) -> None:
    assert sent
    headers = {"origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"}

    answer = web.post("/privacy", data={"address": ADA, "wanted": "erase"}, headers=headers)

    assert answer.status_code == 403


@on_both
def test_after_erasing_no_table_holds_the_address_and_the_books_still_add_up(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    take_part(sent, now=now)
    ask(web, "export")
    web.post(mailed(Kind.export_link))
    ask(web, "erase")
    path = mailed(Kind.erase_link)
    assert ADA in everything()
    assert "Nothing has been changed yet" in web.get(path).text

    assert web.post(path).status_code == 200

    held = everything()
    assert "ada@" not in held
    assert "/privacy/" not in held, "what letters were to say is gone as well"
    with reading() as session:
        assert session.exec(select(Vote).where(col(Vote.subscriber_id) == sent.ada)).all() == []
        kept = select(Bookmark).where(col(Bookmark.subscriber_id) == sent.ada)
        assert session.exec(kept).all() == []
        clicked = session.exec(select(Engagement).where(col(Engagement.kind) == "clicked")).one()
        assert clicked.reason is None
        copies = select(func.count()).where(col(Delivery.digest_id) == sent.digest_id)
        assert session.exec(copies).one() == 3
        assert session.exec(select(Suppression.reason)).all() == ["erased"]
    assert web.post(path).status_code == 410
    assert web.get(path).status_code == 410


@on_both
def test_no_list_brings_an_erased_address_back_but_its_owner_does(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    ask(web, "erase")
    web.post(mailed(Kind.erase_link))

    with unit_of_work() as session, pytest.raises(AddressSuppressed):
        add_confirmed(
            session,
            ADA.upper(),
            page="a list",
            wording="",
            secret=settings().suppression_secret.get_secret_value(),
            now=now,
        )
    web.post("/join", data={"address": ADA})
    wait_until(lambda: letters(Kind.confirm), within=20, what="the confirmation")
    web.post(str((letters(Kind.confirm)[-1].values or {})["confirm_path"]))

    with reading() as session:
        again = subscription.find(
            session, ADA, secret=settings().suppression_secret.get_secret_value()
        )
        assert again is not None
        assert again.status == "active"
        assert again.id != sent.ada


def test_links_in_old_mail_of_somebody_erased_are_answered_calmly(
    web: TestClient, sent: Sent
) -> None:
    ask(web, "erase")
    web.post(mailed(Kind.erase_link))

    assert web.post(f"/u/{sent.unsubscribe}", data={"List-Unsubscribe": "One-Click"}).is_success
    assert "no address of yours" in web.get(f"/u/{sent.unsubscribe}").text
    assert "no address of yours" in web.get(f"/p/{sent.preferences}").text
    assert web.get(f"/kept/{sent.verdict}").status_code == 404


def test_a_letter_that_was_still_waiting_is_not_sent(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    with unit_of_work() as session:
        service_mail.write(
            session, Kind.welcome, subscriber_id=sent.ada, values={"choices": "/p/x"}, now=now
        )
        requests.erase(session, sent.ada, why=Why.operator, now=now)
    assert web

    with reading() as session:
        letter = session.exec(select(ServiceMail)).one()
        assert letter.values is None
        assert not isinstance(compose(session, letter, now=now), Composed)


def test_every_table_that_knows_a_person_by_number_belongs_to_an_area() -> None:
    owned = frozenset[str]().union(*(area.tables for area in AREAS))
    known = {
        table.name
        for table in SQLModel.metadata.sorted_tables
        if {"subscriber_id", "address_key"} & set(table.columns.keys())
    }

    assert known <= owned
    assert owned - {"ticket"} <= known | {"subscriber"}


def test_the_databases_own_file_holds_no_trace_once_it_was_scrubbed(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    assert web
    path = Path(str(engine().url.database))
    with unit_of_work() as session:
        requests.erase(session, sent.ada, why=Why.asked, now=now)
    assert _in_files(path, ADA), "a deleted row's bytes stay: that is why there is scrubbing"

    assert retention.scrub(now=now) == 1

    assert not _in_files(path, ADA)
    assert _in_files(path, "grace@readers.example")
    assert retention.scrub(now=now) == 0


@on_both
class TestPeriods:
    def test_who_left_long_ago_is_erased_and_nobody_else(
        self, sent: Sent, web: TestClient, now: datetime
    ) -> None:
        assert web
        with unit_of_work() as session:
            subscription.leave(session, sent.ada, how="a test", digest_id=None, now=now - YEARS)
            subscription.leave(session, sent.grace, how="a test", digest_id=None, now=now)

        assert retention.keep_to_the_periods(now=now) == {"people": 1}
        assert retention.keep_to_the_periods(now=now) == {}

        with reading() as session:
            addresses = session.exec(select(Subscriber.address).order_by(col(Subscriber.id))).all()
            assert addresses == [None, "grace@readers.example", "linus@readers.example"]
            assert session.exec(select(Erasure.why)).all() == ["period"]
            assert len(session.exec(select(Consent)).all()) == 8
        assert retention.scrub(now=now) == 1

    def test_old_opens_letters_and_links_go_and_new_ones_stay(
        self, sent: Sent, web: TestClient, now: datetime
    ) -> None:
        assert web
        with unit_of_work() as session:
            for when, name in ((now - YEARS, "old"), (now, "new")):
                for kind in ("opened", "hard_bounced"):
                    seen = Observation(
                        digest_id=0,
                        key=f"{kind} {name}",
                        subscriber_id=sent.ada,
                        kind=kind,
                        occurred_at=when,
                    )
                    engagement.record(session, [seen], now=when)
                service_mail.write(session, Kind.confirm, subscriber_id=sent.ada, now=when)
                tickets.issue(session, Purpose.confirm, "1", now=when, good_for=timedelta(days=1))
            for letter in session.exec(select(ServiceMail)):
                letter.status, letter.settled_at = LetterStatus.accepted, letter.written_at

        assert retention.keep_to_the_periods(now=now) == {"events": 1, "letters": 1, "links": 1}

        with reading() as session:
            kept = session.exec(select(Engagement.event_key).order_by(col(Engagement.event_key)))
            assert kept.all() == ["hard_bounced new", "hard_bounced old", "opened new"]

    def test_zero_keeps_for_ever(
        self, sent: Sent, web: TestClient, now: datetime, configure: Configure
    ) -> None:
        assert web
        configure(keep_gone=0, keep_events=0, keep_letters=0, keep_links=0)
        with unit_of_work() as session:
            subscription.leave(session, sent.ada, how="a test", digest_id=None, now=now - YEARS)

        assert retention.keep_to_the_periods(now=now) == {}


def _in_files(path: Path, words: str) -> bool:
    return any(words.encode() in part.read_bytes() for part in path.parent.glob(f"{path.name}*"))
