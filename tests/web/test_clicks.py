"""Clicks: led only to what was mailed, classed with a reason, and nothing more is kept of them."""

from datetime import datetime, timedelta

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import col, select
from starlette.testclient import TestClient

from digests.models import Rendition
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.feedback import reclassing
from subscribers.classing import AT_ONCE, HEAD, PROGRAM, SWEEP, Click, classed
from subscribers.engagement import Reader
from subscribers.preferences import set_tracking
from tests.conftest import Configure
from tests.web.scene import Sent, on_both, seen

FIREFOX = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
NOON = datetime.fromisoformat("2026-11-23T12:00:00+00:00")


@pytest.fixture(autouse=True)
def _count_clicks(configure: Configure, database: str) -> None:
    assert database
    configure(track_clicks="true")


def click(
    web: TestClient, link: str, number: int, *, after: float = 600, method: str = "GET", **head: str
) -> int:
    """Follow a link so many seconds after the copy was accepted; the status of the answer."""
    app = web.app
    assert isinstance(app, FastAPI)
    moment = app.dependency_overrides[utc_now]()
    app.dependency_overrides[utc_now] = lambda: moment + timedelta(seconds=after)
    try:
        headers = FIREFOX | {name.replace("_", "-"): value for name, value in head.items()}
        return web.request(
            method, f"/r/{link}/{number}", headers=headers, follow_redirects=False
        ).status_code
    finally:
        app.dependency_overrides[utc_now] = lambda: moment


def classes(sent: Sent) -> set[tuple[str, str]]:
    return {(one.reader, one.why) for one in seen(sent.digest_id, "clicked")}


def mailed(sent: Sent) -> list[str]:
    with reading() as session:
        found = session.exec(
            select(Rendition.links).where(col(Rendition.digest_id) == sent.digest_id)
        ).one()
        return list(found)


@on_both
class TestWhereItLeads:
    def test_to_the_address_that_was_stored_with_the_edition(
        self, web: TestClient, sent: Sent
    ) -> None:
        for number, there in enumerate(mailed(sent)):
            answer = web.get(f"/r/{sent.click}/{number}", follow_redirects=False)
            assert (answer.status_code, answer.headers["location"]) == (302, there)

    def test_and_nowhere_else(self, web: TestClient, sent: Sent) -> None:
        assert click(web, sent.click, len(mailed(sent))) == 404
        for link in (sent.open, sent.unsubscribe, "x", sent.click[:-1] + "!"):
            assert click(web, link, 0) == 404
        assert web.get(f"/r/{sent.click}/-1").status_code == 404
        assert web.get(f"/r/{sent.click}/0x?to=https://evil.example").status_code in {404, 422}
        assert classes(sent) == set()


@on_both
class TestWhoItWas:
    def test_one_link_a_while_after_delivery_in_a_browser_is_a_person(
        self, web: TestClient, sent: Sent
    ) -> None:
        for _ in range(3):
            click(web, sent.click, 1)

        assert classes(sent) == {(Reader.person, "a browser, one link at a time")}
        [event] = seen(sent.digest_id, "clicked")
        assert event.reason == "1"

    @pytest.mark.parametrize(
        ("how", "why"),
        [
            ({"method": "HEAD"}, "HEAD"),
            ({"user_agent": "Barracuda Sentinel (EE)"}, "a program's name"),
            ({"user_agent": ""}, "no name at all"),
            ({"sec_purpose": "prefetch;prerender"}, "fetched ahead"),
            ({"after": 3}, "within seconds of delivery"),
        ],
    )
    def test_each_sign_of_a_machine_is_its_reason(
        self, web: TestClient, sent: Sent, how: dict[str, object], why: str
    ) -> None:
        click(web, sent.click, 1, **how)  # type: ignore[arg-type]  # of two kinds in one table

        assert classes(sent) == {(Reader.machine, why)}

    def test_several_links_at_once_make_all_of_them_a_machines_also_the_first(
        self, web: TestClient, sent: Sent
    ) -> None:
        click(web, sent.click, 0)
        assert classes(sent) == {(Reader.person, "a browser, one link at a time")}

        for number in (1, 2):
            click(web, sent.click, number, after=601)

        assert classes(sent) == {(Reader.machine, "several links at once")}

    def test_the_person_after_the_scanner_still_counts(self, web: TestClient, sent: Sent) -> None:
        for number in range(3):
            click(web, sent.click, number, method="HEAD", after=2)
        click(web, sent.click, 1, after=3600)

        assert (Reader.person, "a browser, one link at a time") in classes(sent)

    def test_also_after_a_scanner_that_calls_itself_a_browser(
        self, web: TestClient, sent: Sent
    ) -> None:
        for number in range(3):
            click(web, sent.click, number, after=60)
        assert classes(sent) == {(Reader.machine, "several links at once")}

        click(web, sent.click, 1, after=3600)

        assert len(seen(sent.digest_id, "clicked")) == 4
        assert (Reader.person, "a browser, one link at a time") in classes(sent)

    def test_classes_are_asked_again_when_the_rules_improve(
        self, web: TestClient, sent: Sent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        click(web, sent.click, 1)
        monkeypatch.setattr("subscribers.classing.AT_ONCE", timedelta(hours=1))

        with unit_of_work() as session:
            assert reclassing.edition(session, sent.digest_id) == 1
        with unit_of_work() as session:
            assert reclassing.edition(session, sent.digest_id) == 0

        assert classes(sent) == {(Reader.machine, "within seconds of delivery")}


@on_both
class TestWhatIsKept:
    def test_nothing_of_a_reader_who_wants_no_tracking_who_is_led_all_the_same(
        self, web: TestClient, sent: Sent, now: datetime
    ) -> None:
        with unit_of_work() as session:
            set_tracking(session, sent.ada, on=False, now=now)

        assert click(web, sent.click, 1) == 302
        assert classes(sent) == set()

    @pytest.mark.parametrize("word", [{"track_clicks": "false"}, {"track_by": "nobody"}])
    def test_nothing_at_all_where_clicks_are_not_counted(
        self, web: TestClient, sent: Sent, configure: Configure, word: dict[str, str]
    ) -> None:
        configure(**word)

        assert click(web, sent.click, 1) == 302
        assert classes(sent) == set()

    def test_neither_the_address_nor_the_program_of_whoever_clicked(
        self, web: TestClient, sent: Sent
    ) -> None:
        click(web, sent.click, 1)

        [event] = seen(sent.digest_id, "clicked")
        assert "Firefox" not in repr(event)
        assert "testclient" not in repr(event)


moments = st.integers(min_value=0, max_value=200).map(
    lambda tenths: NOON + timedelta(seconds=tenths / 10)
)
a_click = st.builds(
    Click, link=st.integers(0, 5), at=moments, trait=st.sampled_from(["", "", HEAD, PROGRAM])
)


@given(a_click, st.lists(a_click, max_size=8), moments)
def test_nothing_that_speaks_for_a_machine_is_ever_called_a_person(
    click: Click, others: list[Click], accepted_at: datetime
) -> None:
    found = classed(click, neighbours=[*others, click], accepted_at=accepted_at)

    near = {other.link for other in others if abs(other.at - click.at) <= SWEEP} | {click.link}
    suspicious = click.trait or click.at - accepted_at < AT_ONCE or len(near) >= 3
    assert (found.reader is Reader.machine) is bool(suspicious)
