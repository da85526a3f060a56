"""Joining: confirmed by its owner, the same answer for everybody, and a record of what was agreed to."""

import re
from datetime import datetime, timedelta
from urllib.parse import quote

import pytest
from sqlmodel import col, select
from starlette.testclient import TestClient

from digests.models import Digest
from newsletter import tickets
from newsletter.database import reading, unit_of_work
from newsletter.posting.composing import Composed, compose
from newsletter.readers import joining
from newsletter.service_mail import Kind, ServiceMail
from newsletter.settings import settings
from subscribers.joining import forget_the_unconfirmed
from subscribers.models import Consent, Subscriber, SubscriberStatus, Suppression
from subscribers.subscription import find, leave
from tests.conftest import Configure
from tests.support.processes import wait_until
from tests.web.scene import Sent, on_both

NEW = "Grete.Hermann@readers.example"
PAGE = "shiporskip.example/compare/cursor-vs-zed"


def join(web: TestClient, address: str = NEW, **more: str) -> int:
    return web.post("/join", data={"address": address, "page": PAGE, **more}).status_code


def letters(kind: Kind | None = None) -> list[ServiceMail]:
    with reading() as session:
        rows = session.exec(select(ServiceMail).order_by(col(ServiceMail.id))).all()
        return [row for row in rows if kind is None or row.kind == kind]


def confirmation() -> str:
    """Where the last confirmation letter leads; it is written once the answer has left."""
    wait_until(lambda: letters(Kind.confirm), within=20, what="a confirmation letter")
    values = letters(Kind.confirm)[-1].values
    assert values is not None
    return str(values["confirm_path"])


def person(address: str = NEW) -> Subscriber | None:
    with reading() as session:
        return find(session, address, secret=settings().suppression_secret.get_secret_value())


def consents() -> list[tuple[str, str]]:
    with reading() as session:
        found = session.exec(select(Consent).order_by(col(Consent.id))).all()
        return [(row.kind, row.page) for row in found]


@on_both
class TestTheWayIn:
    def test_a_letter_comes_first_and_only_the_button_behind_its_link_makes_a_reader(
        self, web: TestClient
    ) -> None:
        assert join(web) == 200
        known = person()
        assert known is not None
        assert (known.status, known.address) == (SubscriberStatus.pending, NEW)

        opened = web.get(confirmation())
        assert "Nothing has been changed yet." in opened.text
        assert "G…@readers.example" in opened.text
        assert person().status is SubscriberStatus.pending  # type: ignore[union-attr]  # as above

        pressed = web.post(confirmation())

        assert "You are on the list" in pressed.text
        known = person()
        assert known is not None
        assert known.status is SubscriberStatus.active
        assert consents() == [("joined", PAGE), ("confirmed", "the confirmation page")]
        assert [one.kind for one in letters()] == [Kind.confirm, Kind.welcome]

    def test_pressed_or_opened_again_the_link_says_so_again_and_does_nothing(
        self, web: TestClient
    ) -> None:
        join(web)
        for _ in range(2):
            assert web.post(confirmation()).status_code == 200
            assert "You are on the list" in web.get(confirmation()).text

        assert [kind for kind, _ in consents()] == ["joined", "confirmed"]
        assert len(letters(Kind.welcome)) == 1

    def test_the_record_keeps_the_page_and_the_wording_and_a_second_try_adds_to_it(
        self, web: TestClient
    ) -> None:
        join(web)
        join(web)

        with reading() as session:
            records = session.exec(select(Consent)).all()
        assert [record.wording for record in records] == [joining.wording()] * 2
        assert {record.page for record in records} == {PAGE}

    @pytest.mark.parametrize(
        ("page", "kept"),
        [
            ("https://blog.example/a?email=grete@x.example#form", "https://blog.example/a"),
            ("blog.example/for/grete%40x.example", "[address]"),
            ("a conference, asked by grete@x.example", "a conference, asked by [address]"),
            ("blog.example/%00a\0", "blog.example/a"),
        ],
    )
    def test_of_the_page_nothing_is_kept_that_may_be_somebodys_own(
        self, web: TestClient, page: str, kept: str
    ) -> None:
        join(web, page=page)
        asked = {"address": NEW, "name": "Gre\0te", "page": page}
        assert web.post("/api/subscribers", json=asked).status_code == 202

        assert consents() == [("joined", kept)] * 2

    def test_one_mailbox_is_one_person_however_it_is_spelled_and_the_spelling_stays(
        self, web: TestClient
    ) -> None:
        join(web, "  grete.hermann@READERS.example ")
        join(web)

        with reading() as session:
            assert [one.address for one in session.exec(select(Subscriber)).all()] == [
                "grete.hermann@READERS.example"
            ]

    def test_an_internationalised_address_joins(self, web: TestClient) -> None:
        assert join(web, "grête@bücher.example") == 200

        assert person("grête@xn--bcher-kva.example") is not None

    def test_the_letters_are_written_and_lead_where_they_say(
        self, web: TestClient, now: datetime, configure: Configure
    ) -> None:
        configure(joining_welcome="latest")
        join(web, name="Grete")
        web.post(confirmation())
        join(web)

        assert [one.kind for one in letters()] == [Kind.confirm, Kind.welcome, Kind.on_the_list]
        for letter in letters():
            with reading() as session:
                composed = compose(session, letter, now=now)
            assert isinstance(composed, Composed)
            content = composed.mailing.content
            for path in re.findall(r"http://127\.0\.0\.1:8000(/[^\s\"<]+)", content.text):
                assert web.get(path).status_code == 200, path
            assert "Grete" in content.html or letter.kind != Kind.welcome

    def test_the_welcome_brings_what_the_latest_edition_brought(
        self, web: TestClient, sent: Sent, now: datetime, configure: Configure
    ) -> None:
        configure(joining_welcome="latest")
        join(web)
        web.post(confirmation())

        [welcome] = [one for one in letters() if one.kind == Kind.welcome]
        with reading() as session:
            composed = compose(session, welcome, now=now)
            digest = session.get_one(Digest, sent.digest_id)
        assert isinstance(composed, Composed)
        for part in (composed.mailing.content.html, composed.mailing.content.text):
            assert digest.subject in part
            assert part.count("/compare/") == 3


@on_both
class TestTheSameForEverybody:
    def test_the_answer_does_not_tell_who_is_on_the_list(self, web: TestClient, sent: Sent) -> None:
        assert sent
        pages = set()
        for address in (NEW, "ada@readers.example"):
            answer = web.post("/join", data={"address": address})
            said = answer.text.replace(address, "").replace(quote(address), "")
            pages.add((answer.status_code, said))
        programs = {
            (answer.status_code, answer.text)
            for address in (NEW, "ada@readers.example")
            for answer in [web.post("/api/subscribers", json={"address": address})]
        }

        assert len(pages) == len(programs) == 1

    def test_a_reader_who_asks_again_is_told_once_a_day(self, web: TestClient, sent: Sent) -> None:
        assert sent
        for _ in range(3):
            join(web, "ada@readers.example")

        assert len(letters(Kind.on_the_list)) == 1
        assert letters(Kind.confirm) == []

    def test_whoever_left_comes_back_by_their_own_confirmation_alone(
        self, web: TestClient, sent: Sent, now: datetime
    ) -> None:
        with unit_of_work() as session:
            leave(session, sent.ada, how="one-click", digest_id=None, now=now)
        join(web, "ada@readers.example")
        assert person("ada@readers.example").status is SubscriberStatus.unsubscribed  # type: ignore[union-attr]  # she exists

        web.post(confirmation())

        known = person("ada@readers.example")
        assert known is not None
        assert (known.status, known.left_at) == (SubscriberStatus.active, None)

    @pytest.mark.parametrize(("reason", "comes_back"), [("hard bounce", True), ("operator", False)])
    def test_their_own_word_lifts_a_suppression_save_an_operators(
        self, web: TestClient, sent: Sent, now: datetime, reason: str, comes_back: bool
    ) -> None:
        with unit_of_work() as session:
            key = session.get_one(Subscriber, sent.ada).address_key
            assert key is not None
            session.add(Suppression(address_key=key, reason=reason, since=now))
            leave(session, sent.ada, how="a bounce", digest_id=None, now=now)
        join(web, "ada@readers.example")

        if comes_back:
            web.post(confirmation())
        with reading() as session:
            assert (session.get(Suppression, key) is None) is comes_back
        assert len(letters(Kind.confirm)) == comes_back


@on_both
class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("address", "words"),
        [
            ("nobody", "That is not an email address"),
            ("", "That is not an email address"),
            ("a@b@c.example", "That is not an email address"),
            ("x@mailinator.com", "lasts for minutes"),
            ("x@in.mailinator.com", "lasts for minutes"),
        ],
    )
    def test_an_address_that_cannot_get_mail_is_told_in_a_sentence_and_stays_in_the_field(
        self, web: TestClient, address: str, words: str
    ) -> None:
        answer = web.post("/join", data={"address": address})

        assert answer.status_code == 422
        assert words in answer.text
        assert f'value="{address}"' in answer.text
        api = web.post("/api/subscribers", json={"address": address})
        assert (api.status_code, words in api.json()["detail"]) == (422, True)
        assert person("x@mailinator.com") is None

    def test_an_operator_may_refuse_addresses_of_many_and_domains_of_their_own(
        self, web: TestClient, configure: Configure
    ) -> None:
        assert join(web, "info@readers.example") == 200
        configure(joining_roles="refuse", joining_also_throwaway="brief.example")

        assert join(web, "info+list@readers.example") == 422
        assert join(web, "x@very.brief.example") == 422
        configure(joining_never_throwaway="mailinator.com")
        assert join(web, "x@mailinator.com") == 200

    def test_a_program_that_fills_in_everything_gets_the_same_answer_and_nothing_happens(
        self, web: TestClient
    ) -> None:
        assert join(web, website="https://spam.example") == 200

        assert person() is None

    def test_an_address_and_a_network_may_ask_only_so_often(
        self, web: TestClient, configure: Configure
    ) -> None:
        configure(joining_per_address=2, joining_per_network=6)

        assert [join(web) for _ in range(3)] == [200, 200, 429]
        others = [join(web, f"reader{n}@readers.example") for n in range(6)]
        assert others[-1] == 429
        assert len(letters(Kind.confirm)) == 2 + others.count(200)

    def test_a_link_that_is_not_ours_or_too_old_is_told_calmly(
        self, web: TestClient, now: datetime
    ) -> None:
        join(web)
        with unit_of_work() as session:
            old = tickets.issue(
                session,
                tickets.Purpose.confirm,
                "1",
                now=now - timedelta(days=30),
                good_for=timedelta(days=14),
            )

        for ticket in ("x", "A" * 43, old):
            for ask in (web.get, web.post):
                assert ask(f"/confirm/{ticket}").status_code in {404, 410}
        assert person().status is SubscriberStatus.pending  # type: ignore[union-attr]  # she exists


@on_both
def test_whoever_never_confirms_is_forgotten_without_a_trace(
    web: TestClient, now: datetime
) -> None:
    join(web)
    older_than = timedelta(days=14)

    for days, gone in ((13, 0), (15, 1)):
        with unit_of_work() as session:
            later = now + timedelta(days=days)
            assert forget_the_unconfirmed(session, older_than=older_than, now=later) == gone

    with reading() as session:
        for table in (Subscriber, Consent, Suppression):
            assert session.exec(select(table)).all() == []


def test_the_sites_own_script_may_ask_and_no_other_page_reads_the_answer(
    web: TestClient, configure: Configure
) -> None:
    configure(site_url="https://shiporskip.example")
    asked = {"address": NEW}

    ours = web.post(
        "/api/subscribers", json=asked, headers={"origin": "https://shiporskip.example"}
    )
    theirs = web.post("/api/subscribers", json=asked, headers={"origin": "https://evil.example"})

    assert ours.headers["access-control-allow-origin"] == "https://shiporskip.example"
    assert "access-control-allow-origin" not in theirs.headers
    allowed = web.options("/api/subscribers", headers={"origin": "https://shiporskip.example"})
    assert allowed.headers["access-control-allow-methods"] == "POST"


def test_without_double_opt_in_the_record_says_which_page_was_enough(
    web: TestClient, configure: Configure
) -> None:
    configure(joining_confirm="false", joining_welcome="nothing")

    join(web)

    assert consents() == [("joined", PAGE), ("confirmed", PAGE)]
    assert letters() == []
