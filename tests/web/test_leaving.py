"""Leaving from the mail: a page that asks, its button, and RFC 8058's one click."""

import re
import string
from datetime import datetime, timedelta

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from sqlmodel import col, select
from starlette.testclient import TestClient

from newsletter import links
from newsletter.clock import utc_now
from newsletter.database import reading
from newsletter.links import Purpose
from subscribers.models import Consent, Subscriber
from tests.support.effort import examples
from tests.web.scene import Sent, erase, on_both, seen, status_of

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
URLENCODED = ("application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click")
FRONTIER = b"--frontier"
FIELD = b'Content-Disposition: form-data; name="List-Unsubscribe"'
MULTIPART = (
    "multipart/form-data; boundary=frontier",
    b"\r\n".join([FRONTIER, FIELD, b"", b"One-Click", FRONTIER + b"--", b""]),
)
ALPHABET = string.ascii_letters + string.digits + "-_"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_opening_the_link_only_asks(web: TestClient, sent: Sent, method: str) -> None:
    answer = web.request(method, f"/u/{sent.unsubscribe}")

    assert answer.status_code == 200
    assert status_of(sent.ada) == "active"


def test_the_page_says_what_will_happen_and_shows_whose_mail_it_is(
    web: TestClient, sent: Sent
) -> None:
    page = web.get(f"/u/{sent.unsubscribe}").text

    assert "Leave Weekly AI Tool Verdicts?" in page
    assert "a…@readers.example" in page
    assert "ada@readers.example" not in page
    assert re.search(r'<button [^>]*type="submit">Unsubscribe</button>', page)


@pytest.mark.parametrize("form", [MULTIPART, URLENCODED], ids=["multipart", "urlencoded"])
def test_one_click_works_in_both_encodings_without_cookies_or_redirects(
    web: TestClient, sent: Sent, form: tuple[str, bytes]
) -> None:
    kind, body = form

    answer = web.post(f"/u/{sent.unsubscribe}", content=body, headers={"content-type": kind})

    assert (answer.status_code, answer.text) == (200, "You are unsubscribed.\n")
    assert "set-cookie" not in answer.headers
    assert status_of(sent.ada) == "unsubscribed"
    assert status_of(sent.grace) == "active"
    with reading() as session:
        assert session.get_one(Subscriber, sent.ada).left_how == "one-click unsubscribe"


@on_both
def test_one_click_is_kept_against_the_person_and_the_digest_once(
    web: TestClient, sent: Sent, app: FastAPI, now: datetime
) -> None:
    for minutes in (0, 5, 60):
        app.dependency_overrides[utc_now] = lambda late=minutes: now + timedelta(minutes=late)
        assert web.post(f"/u/{sent.unsubscribe}", data=ONE_CLICK).status_code == 200

    with reading() as session:
        person = session.get_one(Subscriber, sent.ada)
        consents = session.exec(
            select(Consent.kind).where(col(Consent.subscriber_id) == sent.ada).order_by("id")
        ).all()
        assert (person.left_at, person.left_how) == (now, "one-click unsubscribe")
        assert person.left_digest_id == sent.digest_id
    assert list(consents) == ["joined", "confirmed", "left"]
    assert [event.subscriber_id for event in seen(sent.digest_id, "unsubscribed")] == [sent.ada]


@on_both
def test_the_buttons_answer_is_a_page(web: TestClient, sent: Sent) -> None:
    form = _form_on(web.get(f"/u/{sent.unsubscribe}").text)

    answer = web.post(f"/u/{sent.unsubscribe}", data=form)

    assert answer.status_code == 200
    assert "<h1>You are unsubscribed</h1>" in answer.text
    assert status_of(sent.ada) == "unsubscribed"
    with reading() as session:
        assert session.get_one(Subscriber, sent.ada).left_how == "the unsubscribe page"


def test_a_page_opened_again_after_leaving_has_no_button(web: TestClient, sent: Sent) -> None:
    web.post(f"/u/{sent.unsubscribe}", data=ONE_CLICK)

    page = web.get(f"/u/{sent.unsubscribe}").text

    assert "No mail goes to you" in page
    assert "<button" not in page


def test_one_click_of_somebody_erased_meanwhile_is_answered_like_any_other(
    web: TestClient, sent: Sent
) -> None:
    erase(sent.ada)

    assert web.get(f"/u/{sent.unsubscribe}").status_code == 200
    assert web.post(f"/u/{sent.unsubscribe}", data=ONE_CLICK).status_code == 200
    assert "a…@" not in web.post(f"/u/{sent.unsubscribe}", data={"page": "yes"}).text


def test_one_click_for_a_row_that_is_gone_is_answered_like_any_other(
    web: TestClient, sent: Sent
) -> None:
    gone = links.token(links.signer().all_for(sent.digest_id, 999_999), Purpose.unsubscribe)

    assert web.post(f"/u/{gone}", data=ONE_CLICK).status_code == 200


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b""),
        ("multipart/form-data; boundary=x", b"this is no multipart body"),
        ("multipart/form-data", b"nor this, without a boundary"),
        ("application/octet-stream", b"\x00\xff"),
    ],
)
def test_a_clumsy_mail_programs_post_still_lets_its_reader_go(
    web: TestClient, sent: Sent, kind: str, body: bytes
) -> None:
    answer = web.post(f"/u/{sent.unsubscribe}", content=body, headers={"content-type": kind})

    assert answer.status_code == 200
    assert status_of(sent.ada) == "unsubscribed"


def test_a_body_that_is_no_form_at_all_is_refused_for_its_size(web: TestClient, sent: Sent) -> None:
    answer = web.post(
        f"/u/{sent.unsubscribe}", data={"List-Unsubscribe": "One-Click", "more": "x" * 100_000}
    )

    assert answer.status_code == 413
    assert status_of(sent.ada) == "active"


@effort(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(place=st.integers(0, 27), other=st.sampled_from(ALPHABET))
def test_any_other_character_anywhere_makes_it_nobodys_link(
    web: TestClient, sent: Sent, place: int, other: str
) -> None:
    for kind, token in (("u", sent.unsubscribe), ("p", sent.preferences), ("v", sent.view)):
        if token[place] == other:
            continue
        forged = token[:place] + other + token[place + 1 :]

        assert web.get(f"/{kind}/{forged}").status_code == 404
    assert status_of(sent.ada) == "active"


@pytest.mark.parametrize(
    "damage",
    [
        lambda token: token[:-1],
        lambda token: token + "=",
        lambda token: token + "A",
        lambda token: token[:12] + "." + token[13:],
        lambda token: token[:12] + "%C3%A9" + token[13:],
        lambda token: token[:0] + "%00" * 28,
        lambda token: token[::-1],
        lambda token: token.swapcase(),
    ],
)
def test_a_damaged_link_is_told_in_one_calm_sentence(
    web: TestClient, sent: Sent, damage: "type[str]"
) -> None:
    for answer in (
        web.get(f"/u/{damage(sent.unsubscribe)}"),
        web.post(f"/u/{damage(sent.unsubscribe)}", data=ONE_CLICK),
    ):
        assert answer.status_code == 404
        assert "This link is not complete, or it is not one of ours." in answer.text
    assert status_of(sent.ada) == "active"


@pytest.mark.parametrize("purpose", ["preferences", "view", "open", "click"])
def test_a_link_for_something_else_cannot_unsubscribe(
    web: TestClient, sent: Sent, purpose: str
) -> None:
    answer = web.post(f"/u/{getattr(sent, purpose)}", data=ONE_CLICK)

    assert answer.status_code == 404
    assert status_of(sent.ada) == "active"


def _form_on(page: str) -> dict[str, str]:
    """The hidden fields of the page's form, as a browser would send them."""
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page))


@on_both
def test_why_somebody_leaves_is_kept_in_their_words_and_without_addresses(
    web: TestClient, sent: Sent
) -> None:
    words = {"page": "yes", "reason": "It comes too often", "words": "bob@readers.example reads it"}

    web.post(f"/u/{sent.unsubscribe}", data=words)

    with reading() as session:
        left = select(Consent.wording).where(col(Consent.kind) == "left")
        assert session.exec(left).all() == ["It comes too often: [address] reads it"]


@on_both
def test_a_nul_among_the_words_keeps_nobody_on_the_list(web: TestClient, sent: Sent) -> None:
    answer = web.post(f"/u/{sent.unsubscribe}", data={"page": "yes", "words": "too\0 often"})

    assert answer.status_code == 200
    assert status_of(sent.ada) == "unsubscribed"


def test_nobody_has_to_say_why(web: TestClient, sent: Sent) -> None:
    web.post(f"/u/{sent.unsubscribe}", data={"page": "yes"})

    with reading() as session:
        assert session.exec(select(Consent.wording).where(col(Consent.kind) == "left")).one() == ""
