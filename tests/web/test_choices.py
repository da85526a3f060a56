"""The preferences page: what is known, and whether opens are recorded."""

import re
from datetime import date, datetime

import pytest
from sqlmodel import col, select
from starlette.testclient import TestClient

from digests.topics import EVERYTHING, listed
from newsletter.database import reading, unit_of_work
from subscribers.models import Consent, Subscriber
from subscribers.preferences import set_tracking
from tests.web.scene import Sent, erase, on_both, seen, status_of


def test_the_page_says_since_when_and_from_which_page_they_read(
    web: TestClient, sent: Sent
) -> None:
    page = web.get(f"/p/{sent.preferences}").text

    assert "5 October 2026" in page
    assert "shiporskip.example/compare" in page
    assert "a…@readers.example" in page


@on_both
def test_switching_tracking_off_takes_effect_at_once(web: TestClient, sent: Sent) -> None:
    answer = web.post(f"/p/{sent.preferences}/tracking", data={"tracking": "off"})
    web.get(f"/o/{sent.open}.gif", headers={"user-agent": "Thunderbird"})

    assert answer.status_code == 303
    assert seen(sent.digest_id, "opened") == []
    after = web.get(answer.headers["location"]).text
    assert "neither opens nor clicks of yours are recorded" in after


def test_switching_it_on_again_counts_opens_again(web: TestClient, sent: Sent) -> None:
    web.post(f"/p/{sent.preferences}/tracking", data={"tracking": "off"})
    web.post(f"/p/{sent.preferences}/tracking", data={"tracking": "on"})

    web.get(f"/o/{sent.open}.gif", headers={"user-agent": "Thunderbird"})

    assert len(seen(sent.digest_id, "opened")) == 1


@on_both
def test_each_change_of_mind_is_kept_with_its_moment_and_a_repeat_is_not(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    for choice in ("off", "off", "on"):
        web.post(f"/p/{sent.preferences}/tracking", data={"tracking": choice})

    with reading() as session:
        kept = session.exec(
            select(Consent)
            .where(col(Consent.subscriber_id) == sent.ada, col(Consent.kind).contains("tracking"))
            .order_by("id")
        ).all()
        assert [(row.kind, row.happened_at) for row in kept] == [
            ("tracking off", now),
            ("tracking on", now),
        ]


@pytest.mark.parametrize("form", [{}, {"tracking": ""}, {"tracking": "maybe"}])
def test_anything_but_on_or_off_is_refused_in_a_sentence(
    web: TestClient, sent: Sent, form: dict[str, str]
) -> None:
    answer = web.post(f"/p/{sent.preferences}/tracking", data=form)

    assert answer.status_code == 422
    assert "Say whether tracking is to be on or off." in answer.text


def test_the_page_leads_to_leaving_and_leaving_still_asks(web: TestClient, sent: Sent) -> None:
    page = web.get(f"/p/{sent.preferences}").text

    assert f'href="/u/{sent.unsubscribe}"' in page
    assert "Leave Weekly" in web.get(f"/u/{sent.unsubscribe}").text
    assert status_of(sent.ada) == "active"


def test_an_unsubscribe_link_cannot_choose(web: TestClient, sent: Sent) -> None:
    answer = web.post(f"/p/{sent.unsubscribe}/tracking", data={"tracking": "off"})

    assert answer.status_code == 404
    with reading() as session:
        assert session.get_one(Subscriber, sent.ada).tracking


def test_somebody_erased_has_nothing_to_choose_and_changes_nothing(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    erase(sent.ada)

    page = web.get(f"/p/{sent.preferences}").text

    assert "holds no address of yours" in page
    assert "<button" not in page
    with unit_of_work() as session:
        assert set_tracking(session, sent.ada, on=False, now=now) is False


def test_somebody_who_left_sees_when_and_how(web: TestClient, sent: Sent) -> None:
    web.post(f"/u/{sent.unsubscribe}", data={"List-Unsubscribe": "One-Click"})

    page = web.get(f"/p/{sent.preferences}").text

    assert "23 November 2026" in page
    assert "one-click unsubscribe" in page
    assert "Leaving" not in page


@on_both
class TestTopics:
    def test_what_is_ticked_is_what_the_next_editions_bring(
        self, web: TestClient, sent: Sent
    ) -> None:
        assert "Topics: everything" in web.get(f"/p/{sent.preferences}").text

        answer = web.post(f"/p/{sent.preferences}/topics", data={"topic": ["developer-tools"]})

        assert answer.headers["location"].endswith("?saved=topics#topics")
        with reading() as session:
            person = session.get_one(Subscriber, sent.ada)
            known = {topic.slug: topic.mask for topic in listed(session)}
            assert person.topics == known["developer-tools"]
        page = web.get(f"/p/{sent.preferences}").text
        assert re.search(r'value="developer-tools" checked', page)
        assert not re.search(r'name="new" value="yes" checked', page)

    def test_everything_and_whatever_is_new_is_every_bit(self, web: TestClient, sent: Sent) -> None:
        with reading() as session:
            every = [topic.slug for topic in listed(session)]
        web.post(f"/p/{sent.preferences}/topics", data={"topic": every[:1]})

        web.post(f"/p/{sent.preferences}/topics", data={"topic": every, "new": "yes"})

        with reading() as session:
            assert session.get_one(Subscriber, sent.ada).topics == EVERYTHING

    def test_new_topics_alone_may_be_chosen_and_nothing_at_all_is_a_way_to_leave(
        self, web: TestClient, sent: Sent
    ) -> None:
        assert web.post(f"/p/{sent.preferences}/topics", data={"new": "yes"}).status_code == 303
        with reading() as session:
            kept = session.get_one(Subscriber, sent.ada).topics
            assert not any(topic.mask & kept for topic in listed(session))
            assert kept > 0

        refused = web.post(f"/p/{sent.preferences}/topics", data={"topic": "no-such-topic"})

        assert refused.status_code == 422
        assert "unsubscribe instead" in refused.text
        assert 'aria-describedby="wrong-topics"' in refused.text
        assert "Your preferences</h1>" in refused.text
        with reading() as session:
            assert session.get_one(Subscriber, sent.ada).topics == kept


@on_both
def test_a_name_and_a_time_zone_are_changed_and_a_zone_that_does_not_exist_is_not(
    web: TestClient, sent: Sent
) -> None:
    about = {"name": "  Ada   Lovelace ", "zone": "Australia/Lord_Howe"}
    web.post(f"/p/{sent.preferences}/about", data=about)
    refused = web.post(f"/p/{sent.preferences}/about", data={"zone": "Mars/Olympus"})

    assert refused.status_code == 422
    with reading() as session:
        person = session.get_one(Subscriber, sent.ada)
        assert (person.name, person.zone) == ("Ada Lovelace", "Australia/Lord_Howe")


@on_both
class TestPace:
    def test_each_month_or_not_until_a_day_or_each_week_again(
        self, web: TestClient, sent: Sent
    ) -> None:
        def choose(**form: str) -> tuple[str, str, str | None]:
            answer = web.post(f"/p/{sent.preferences}/pace", data=form)
            assert answer.headers["location"].endswith("?saved=pace#pace")
            page = web.get(answer.headers["location"]).text
            ticked = re.search(r'name="pace" value="(\w+)" checked', page)
            assert ticked is not None
            with reading() as session:
                person = session.get_one(Subscriber, sent.ada)
                until = person.paused_until.isoformat() if person.paused_until else None
                return ticked[1], person.pace, until

        assert choose(pace="monthly") == ("monthly", "monthly", None)
        assert choose(pace="paused", until="2027-01-03") == ("paused", "monthly", "2027-01-03")
        page = web.get(f"/p/{sent.preferences}").text
        assert "You pause: nothing comes before 3 January 2027" in page
        assert choose(pace="weekly") == ("weekly", "weekly", None)

    @pytest.mark.parametrize(
        ("form", "says"),
        [
            ({}, "Say how often"),
            ({"pace": "hourly"}, "Say how often"),
            ({"pace": "paused", "until": "soon"}, "Say until which day"),
            ({"pace": "paused", "until": "2026-11-23"}, "from 2026-11-24 to 2027-11-24"),
            ({"pace": "paused", "until": "2036-11-23"}, "from 2026-11-24 to 2027-11-24"),
        ],
    )
    def test_what_cannot_be_is_refused_in_a_sentence(
        self, web: TestClient, sent: Sent, form: dict[str, str], says: str
    ) -> None:
        answer = web.post(f"/p/{sent.preferences}/pace", data=form)

        assert answer.status_code == 422
        assert says in answer.text
        assert f'<a href="#pace">{says}' in answer.text or says.startswith("from")
        assert 'aria-describedby="wrong-pace"' in answer.text
        with reading() as session:
            person = session.get_one(Subscriber, sent.ada)
            assert (person.pace, person.paused_until) == ("weekly", None)


def test_a_pause_that_is_over_is_none_and_somebody_erased_keeps_no_pace(
    web: TestClient, sent: Sent
) -> None:
    with unit_of_work() as session:
        session.get_one(Subscriber, sent.ada).paused_until = date(2026, 11, 23)

    assert "Pace: each week" in web.get(f"/p/{sent.preferences}").text
    erase(sent.ada)
    web.post(f"/p/{sent.preferences}/pace", data={"pace": "monthly"})
    with reading() as session:
        assert session.get_one(Subscriber, sent.ada).pace == "weekly"


def test_the_page_before_leaving_offers_fewer_mails_and_they_come_of_it(
    web: TestClient, sent: Sent
) -> None:
    page = web.get(f"/u/{sent.unsubscribe}").text
    action = re.search(r'action="(/p/[^"]+/pace)"', page)
    assert action is not None
    assert 'name="pace" value="monthly" checked' in page

    web.post(action[1], data={"pace": "monthly", "until": "2026-12-23"})

    with reading() as session:
        assert session.get_one(Subscriber, sent.ada).pace == "monthly"
    assert status_of(sent.ada) == "active"
    again = web.get(f"/u/{sent.unsubscribe}").text
    assert 'name="pace" value="monthly"' not in again
    assert 'name="pace" value="paused" checked' in again
