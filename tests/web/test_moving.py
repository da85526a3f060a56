"""A change of address: both ends say yes, nobody learns who is known, and nothing old goes along."""

import io
from datetime import datetime, timedelta

import pytest
from sqlmodel import col, select
from starlette.testclient import TestClient

from digests.models import Batch
from newsletter import knocking, links, service_mail
from newsletter.database import reading, unit_of_work
from newsletter.esp import Event, EventKind
from newsletter.feedback import recording
from newsletter.knocking import Door
from newsletter.links import Purpose
from newsletter.posting.composing import Composed, compose
from newsletter.posting.recipients import Nobody, recipient
from newsletter.readers import importing, moving
from newsletter.readers.privacy import requests, retention
from newsletter.service_mail import Kind, ServiceMail
from newsletter.settings import settings
from subscribers import bouncing, engagement
from subscribers.addresses import address_key, normal_form
from subscribers.bouncing import Policy
from subscribers.engagement import Observation, Reader
from subscribers.importing.bulk import Fate, Terms
from subscribers.models import Consent, Subscriber, SubscriberStatus, Suppression
from subscribers.moving import AddressChange
from subscribers.privacy import Why
from subscribers.subscription import add_confirmed
from tests.support.processes import wait_until
from tests.web.scene import ADA, Sent, on_both, status_of
from tests.web.test_privacy import letters, mailed

NEW = "Ada.King@elsewhere.example"


def ask(web: TestClient, sent: Sent, address: str = NEW) -> str:
    """What is answered, without what was typed."""
    before = len(letters(Kind.move_from))
    answer = web.post(f"/p/{sent.preferences}/address", data={"address": address})
    assert answer.status_code == 200
    wait_until(lambda: len(letters(Kind.move_from)) > before, within=20, what="the letter")
    return answer.text.replace(address, "")


def address_of(sent: Sent) -> str | None:
    with reading() as session:
        return session.get_one(Subscriber, sent.ada).address


def key_of(address: str) -> bytes:
    secret = settings().suppression_secret.get_secret_value()
    return address_key(normal_form(address), secret=secret)


def sent_to(kind: Kind, now: datetime) -> str:
    """The address that the last letter of that kind goes to, and that it can be written."""
    with reading() as session:
        composed = compose(session, letters(kind)[-1], now=now)
        assert isinstance(composed, Composed), composed
        return composed.to.address


@on_both
@pytest.mark.parametrize("ends", [(Kind.move_from, Kind.move_to), (Kind.move_to, Kind.move_from)])
def test_it_is_done_once_both_ends_have_pressed_in_whichever_order(
    web: TestClient, sent: Sent, now: datetime, ends: tuple[Kind, Kind]
) -> None:
    ask(web, sent)
    assert (sent_to(Kind.move_from, now), sent_to(Kind.move_to, now)) == (ADA, NEW)
    first, second = (mailed(kind) for kind in ends)
    assert "Nothing has been changed yet" in web.get(first).text

    assert "One press is still to come" in web.post(first, data={"answer": "yes"}).text
    assert address_of(sent) == ADA
    assert web.post(first, data={"answer": "yes"}).status_code == 410
    assert "The address is changed" in web.post(second, data={"answer": "yes"}).text

    assert address_of(sent) == NEW
    with reading() as session:
        assert session.exec(select(AddressChange)).all() == []
        kinds = session.exec(
            select(Consent.kind).where(col(Consent.subscriber_id) == sent.ada).order_by("id")
        ).all()
        assert kinds[-2:] == ["move asked", "moved"]
    assert web.get(f"/v/{sent.view}").status_code == 200
    assert "a…@elsewhere.example" in web.get(f"/p/{sent.preferences}").text.lower()


@on_both
@pytest.mark.parametrize("end", [Kind.move_from, Kind.move_to])
def test_either_end_can_stop_it_and_then_the_other_one_does_nothing(
    web: TestClient, sent: Sent, end: Kind
) -> None:
    ask(web, sent)
    other = Kind.move_to if end is Kind.move_from else Kind.move_from
    assert web.post(mailed(end), data={}).status_code == 422

    assert "Nothing is changed" in web.post(mailed(end), data={"answer": "no"}).text

    assert web.post(mailed(other), data={"answer": "yes"}).status_code == 410
    assert address_of(sent) == ADA


@on_both
def test_the_answer_is_the_same_whoever_has_the_address_and_none_of_them_is_written_to_move(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    with unit_of_work() as session:
        session.add(
            Suppression(address_key=key_of("bounced@x.example"), reason="hard bounce", since=now)
        )
        session.add(Suppression(address_key=key_of("gone@x.example"), reason="erased", since=now))
        linus = session.get_one(Subscriber, sent.grace + 1)
        assert linus.address == "linus@readers.example"
        linus.status = SubscriberStatus.unsubscribed
    answers = {ask(web, sent, "free@x.example")}
    assert len(letters(Kind.move_to)) == 1

    for address in (
        "bounced@x.example",
        "gone@x.example",
        "linus@readers.example",
        "grace@readers.example",
    ):
        knocking.welcome(Door.moving, account=f"reader {sent.ada}")
        answers.add(ask(web, sent, address))

    assert len(answers) == 1
    assert len(letters(Kind.move_to)) == 1
    assert [one.subscriber_id for one in letters(Kind.on_the_list)] == [sent.grace]
    assert web.post(mailed(Kind.move_from), data={"answer": "yes"}).status_code == 200
    assert address_of(sent) == ADA


@on_both
def test_whoever_takes_the_address_meanwhile_keeps_it(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    ask(web, sent)
    web.post(mailed(Kind.move_from), data={"answer": "yes"})
    with unit_of_work() as session:
        secret = settings().suppression_secret.get_secret_value()
        add_confirmed(session, NEW.lower(), page="a test", wording="", secret=secret, now=now)

    refused = web.post(mailed(Kind.move_to), data={"answer": "yes"})

    assert refused.status_code == 409
    assert "cannot be used here" in refused.text
    assert address_of(sent) == ADA


@on_both
def test_what_bounces_at_the_old_address_later_stays_with_the_old_address(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    ask(web, sent)
    with unit_of_work() as session:
        for batch in session.exec(select(Batch).where(col(Batch.digest_id) == sent.digest_id)):
            batch.first_posted_at = now - timedelta(hours=1)
    for kind in (Kind.move_from, Kind.move_to):
        web.post(mailed(kind), data={"answer": "yes"})

    with unit_of_work() as session:
        tags = links.signer().all_for(sent.digest_id, sent.ada)
        bounce = Event(
            key="b1", kind=EventKind.hard_bounced, occurred_at=now, delivery=links.ref(tags)
        )
        recording.record_events(session, "sandbox", [bounce], now=now)

    assert status_of(sent.ada) == "active"
    with reading() as session:
        stands = [(one.address_key, one.reason) for one in session.exec(select(Suppression))]
    assert stands == [(key_of(ADA), "hard bounce")]


def test_soft_bounces_of_the_old_address_do_not_count_against_the_new_one(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    policy = Policy(in_a_row=3, within=timedelta(days=60))
    with unit_of_work() as session:
        for who in (sent.ada, sent.grace):
            full = [
                Observation(
                    digest_id=edition,
                    key=f"soft {who} {edition}",
                    subscriber_id=who,
                    kind=EventKind.soft_bounced,
                    occurred_at=now - timedelta(days=edition),
                    reader=Reader.unknown,
                )
                for edition in (1, 2, 3)
            ]
            engagement.record(session, full, now=now)
    ask(web, sent)
    for kind in (Kind.move_from, Kind.move_to):
        web.post(mailed(kind), data={"answer": "yes"})

    with unit_of_work() as session:
        assert bouncing.suppress(session, policy, [1, 2, 3], now=now) == 1

    assert (status_of(sent.ada), status_of(sent.grace)) == ("active", "bounced")


@on_both
def test_erasing_and_time_take_the_wanted_address_along(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    ask(web, sent)
    with reading() as session:
        facts = str(requests.known(session, sent.ada))
        assert NEW in facts
    assert NEW not in str(letters(Kind.move_to)[-1].values)
    retention.keep_to_the_periods(now=now + timedelta(days=3))
    with reading() as session:
        assert session.exec(select(AddressChange)).all() == []
        assert isinstance(recipient(session, letters(Kind.move_to)[-1], now=now), Nobody)
    with unit_of_work() as session:
        moving.ask(session, sent.ada, NEW, now=now)
        requests.erase(session, sent.ada, why=Why.asked, now=now)
        assert session.exec(select(AddressChange)).all() == []


@on_both
def test_no_list_brings_the_old_address_back_and_the_reader_may_go_back_to_it(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    def move(address: str) -> None:
        ask(web, sent, address)
        for kind in (Kind.move_from, Kind.move_to):
            assert web.post(mailed(kind), data={"answer": "yes"}).status_code == 200

    def stands_against() -> dict[bytes, str]:
        with reading() as session:
            return {row.address_key: row.reason for row in session.exec(select(Suppression))}

    move(NEW)
    old_list = importing.look_at(io.BytesIO(f"email\n{ADA}\n".encode()), "old.csv")
    terms = Terms(page="an old list", wording="Weekly")
    done = importing.take_in(old_list, terms, refused=io.BytesIO(), by="Ada", now=now)
    assert done.counts == {Fate.suppressed: 1}

    move(ADA)
    assert address_of(sent) == ADA
    assert stands_against() == {key_of(NEW): "moved"}
    with unit_of_work() as session:
        requests.erase(session, sent.ada, why=Why.asked, now=now)
    assert stands_against() == {key_of(NEW): "moved", key_of(ADA): "erased"}


@on_both
def test_erasing_takes_the_address_out_of_what_others_have_asked_for(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    assert web
    with unit_of_work() as session:
        moving.ask(session, sent.grace, ADA, now=now)
        requests.erase(session, sent.ada, why=Why.asked, now=now)

    with reading() as session:
        assert session.exec(select(AddressChange)).all() == []


def test_asking_again_replaces_what_was_asked_for_and_asking_often_is_refused(
    web: TestClient, sent: Sent
) -> None:
    ask(web, sent)
    first = mailed(Kind.move_to)
    ask(web, sent, "third@elsewhere.example")

    assert web.get(first).status_code == 410
    assert web.get(mailed(Kind.move_to)).status_code == 200
    ask(web, sent)
    again = web.post(f"/p/{sent.preferences}/address", data={"address": NEW})
    assert again.status_code == 429
    bad = web.post(f"/p/{sent.preferences}/address", data={"address": "nothing"})
    assert bad.status_code == 422


def test_the_links_in_a_mail_that_only_unsubscribe_cannot_ask_for_it(
    web: TestClient, sent: Sent
) -> None:
    answer = web.post(f"/p/{sent.unsubscribe}/address", data={"address": NEW})

    assert answer.status_code == 404
    with reading() as session:
        assert session.exec(select(ServiceMail)).all() == []
    assert links.copy_of(sent.preferences, Purpose.preferences) is not None
    assert service_mail.FORMS[Kind.move_to].asked_for is False


def test_an_address_that_is_none_is_told_beside_it_and_stays_to_be_mended(
    web: TestClient, sent: Sent
) -> None:
    refused = web.post(f"/p/{sent.preferences}/address", data={"address": "ada at home"})

    assert refused.status_code == 422
    assert "Nothing was changed." in refused.text
    assert (
        'value="ada at home" aria-describedby="wrong-address" aria-invalid="true"' in refused.text
    )
