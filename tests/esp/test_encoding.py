"""Every provider gets a request that its contract allows, and every reader the same mail."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.esp import Content, Copy, Unsendable
from newsletter.esp.room import room
from tests.esp.mailings import A_CONTENT, a_mailing
from tests.esp.providers import DELIVERS, MAKES, Mail
from tests.esp.test_merging import plainly, texts, tokens

everywhere = pytest.mark.parametrize("name", list(MAKES))
ADAPTERS = {name: make() for name, make in MAKES.items()}


@everywhere
def test_each_reader_gets_their_own_copy(name: str) -> None:
    esp = ADAPTERS[name]

    first, second = DELIVERS[name](esp.encode(a_mailing(2, reply_to="desk@example.com")))

    assert first == Mail(
        to="reader0@example.com",
        subject="Cursor or Copilot, v1-0",
        html=A_CONTENT.html.replace("[%token%]", "v0-0"),
        text=A_CONTENT.text.replace("[%token%]", "v0-0"),
        headers={
            "List-Unsubscribe": "<https://news.example.com/u/v0-0>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "List-Id": "Weekly AI Tool Verdicts <weekly.example.com>",
        },
        delivery="d-000000",
        batch="b-0001",
    )
    assert (second.to, second.delivery) == ("reader1@example.com", "d-000001")
    assert second.html == A_CONTENT.html.replace("[%token%]", "v0-1")


@everywhere
@given(html=texts, text=texts, subject=texts, values=st.tuples(tokens, tokens))
def test_whatever_the_content_holds_arrives_unchanged(
    name: str, html: str, text: str, subject: str, values: tuple[str, str]
) -> None:
    subject = "".join(c for c in "Re " + subject if c.isprintable())
    content = Content(subject, "<p>" + html, "T" + text, fields=("token", "a"))
    mailing = a_mailing(content=content, copies=(Copy("d-1", "a@example.com", values),))

    if name == "brevo" and any("{{" in part or "{%" in part for part in (subject, html, text)):
        with pytest.raises(Unsendable, match="Brevo's templates might fill in"):
            ADAPTERS[name].encode(mailing)
        return
    (mail,) = DELIVERS[name](ADAPTERS[name].encode(mailing))
    known = dict(zip(("token", "a"), values, strict=True))
    assert mail.subject == plainly(subject, known)
    assert mail.html == plainly("<p>" + html, known)
    assert mail.text == plainly("T" + text, known)


@pytest.mark.parametrize(
    ("name", "opens", "clicks"),
    [
        ("sendgrid", b'"open_tracking":{"enable":true}', b'"click_tracking":{"enable":true,'),
        ("mailgun", b'"o:tracking-opens"\r\n\r\nyes', b'"o:tracking-clicks"\r\n\r\nyes'),
        ("postmark", b'"TrackOpens":true', b'"TrackLinks":"HtmlOnly"'),
    ],
)
def test_the_provider_counts_what_it_is_asked_to_where_a_request_can_ask(
    name: str, opens: bytes, clicks: bytes
) -> None:
    esp = ADAPTERS[name]
    quiet = esp.encode(a_mailing()).body
    by_opens = esp.encode(a_mailing(track_opens=True)).body
    by_both = esp.encode(a_mailing(track_opens=True, track_clicks=True)).body

    assert (opens in quiet, clicks in quiet) == (False, False)
    assert (opens in by_opens, clicks in by_opens) == (True, False)
    assert (opens in by_both, clicks in by_both) == (True, True)
    if name == "sendgrid":
        assert b'"subscription_tracking":{"enable":false}' in by_both
    if name == "mailgun":
        assert b'"o:tracking"\r\n\r\nyes' in by_opens


@pytest.mark.parametrize("name", ["resend", "ses", "brevo"])
def test_where_a_request_cannot_ask_it_stays_the_same(name: str) -> None:
    esp = ADAPTERS[name]

    assert esp.encode(a_mailing(track_opens=True, track_clicks=True)) == esp.encode(a_mailing())


@everywhere
def test_equal_mailings_give_equal_bytes(name: str) -> None:
    esp = ADAPTERS[name]

    assert esp.encode(a_mailing(3)) == MAKES[name]().encode(a_mailing(3))
    assert esp.encode(a_mailing(3)).body != esp.encode(a_mailing(3, batch="b-0002")).body


@everywhere
def test_a_full_call_is_within_the_contract_and_one_more_is_not(name: str) -> None:
    esp = ADAPTERS[name]
    most = esp.traits.copies_per_call

    assert len(DELIVERS[name](esp.encode(a_mailing(most)))) == most
    with pytest.raises(Unsendable, match=f"a call takes 1 to {most}"):
        esp.encode(a_mailing(most + 1))


@everywhere
def test_a_call_never_weighs_more_than_the_provider_takes(name: str) -> None:
    esp = MAKES[name]()
    heavy = dataclasses.replace(A_CONTENT, html="<p>" + "x" * 300_000 + "[%token%]")
    size = room(esp, heavy)

    assert 1 <= size <= esp.traits.copies_per_call
    assert len(esp.encode(a_mailing(size, content=heavy)).body) <= esp.traits.bytes_per_call
    esp.traits = dataclasses.replace(esp.traits, bytes_per_call=300_000)
    with pytest.raises(Unsendable, match="300,000 bytes"):
        esp.encode(a_mailing(1, content=heavy))


@everywhere
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"content": Content("", "<p>", "t")}, "no subject or no body"),
        ({"content": Content("s", "", "")}, "no subject or no body"),
        ({"content": Content("a\r\nBcc: b@example.com", "<p>", "t")}, "control character"),
        ({"content": Content("s", "<p>\ufffe", "t")}, "no character"),
        ({"sender_name": "a\r\nBcc: b@example.com"}, "control character"),
        ({"content": Content("s", "<p>", "t", headers=(("Reply-To", "a"),))}, "makes the header"),
        ({"content": Content("s", "<p>", "t", headers=(("X Y", "a"),))}, "malformed"),
        ({"content": Content("s", "<p>", "t", headers=(("X", "a\nb"),))}, "malformed"),
        ({"content": Content("s", "<p>", "t", headers=(("X", "a"), ("x", "b")))}, "twice"),
    ],
)
def test_a_mail_that_could_be_forged_or_is_none_is_not_encoded(
    name: str, changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(Unsendable, match=why):
        ADAPTERS[name].encode(a_mailing(2, **changes))


@everywhere
def test_foreign_letters_reach_headers_as_encoded_words(name: str) -> None:
    headers = (("List-Id", "Wöchentliche Ürteile jetzt <weekly.example.com>"),)
    content = dataclasses.replace(A_CONTENT, headers=headers)

    (mail,) = DELIVERS[name](ADAPTERS[name].encode(a_mailing(1, content=content)))

    encoded = "=?utf-8?q?W=C3=B6chentliche_=C3=9Crteile?= jetzt <weekly.example.com>"
    assert mail.headers == {"List-Id": encoded}


@everywhere
def test_foreign_letters_beside_a_placeholder_in_a_header_are_refused(name: str) -> None:
    content = dataclasses.replace(A_CONTENT, headers=(("X-For", "é[%token%]"),))

    with pytest.raises(Unsendable, match="joins a placeholder to foreign letters"):
        ADAPTERS[name].encode(a_mailing(1, content=content))


@pytest.mark.parametrize(
    ("name", "content", "value", "why"),
    [
        ("sendgrid", A_CONTENT, "v" * 5000, "10,000 bytes"),
        ("ses", A_CONTENT, "v" * 140_000, "262,144 characters"),
        ("ses", dataclasses.replace(A_CONTENT, headers=(("X-Word", "w" * 991),)), "v", "too long"),
        (
            "mailgun",
            dataclasses.replace(A_CONTENT, headers=(("X-Word", "w" * 16_000),)),
            "v",
            "16,000",
        ),
    ],
)
def test_what_a_vendor_limits_for_one_reader_is_kept_before_anything_is_posted(
    name: str, content: Content, value: str, why: str
) -> None:
    copies = (Copy("d-1", "a@example.com", (value, value)),)

    with pytest.raises(Unsendable, match=why):
        ADAPTERS[name].encode(a_mailing(copies, content=content))


@pytest.mark.parametrize(
    "mark",
    ["%recipient.name%", "%unsubscribe_url%", "%unsubscribe_email%", "%mailing_list_email%"],
)
def test_mailgun_is_never_given_what_it_would_fill_in_itself(mark: str) -> None:
    content = dataclasses.replace(A_CONTENT, text=f"Write {mark} in your template")

    with pytest.raises(Unsendable, match="Mailgun would fill in"):
        ADAPTERS["mailgun"].encode(a_mailing(content=content))


def test_resend_is_given_the_batchs_key_and_told_to_take_what_is_good() -> None:
    request = ADAPTERS["resend"].encode(a_mailing(1, key="k" * 36))

    assert request.headers["Idempotency-Key"] == "k" * 36
    assert request.headers["x-batch-validation"] == "permissive"


def test_brevo_is_given_the_batchs_key_in_the_body_and_only_as_a_uuid() -> None:
    request = ADAPTERS["brevo"].encode(a_mailing(1))

    assert json.loads(request.body)["headers"] == {
        "idempotencyKey": "6d9c53b4-6b0f-4c1e-8a5f-b7c3b1f7e000"
    }
    with pytest.raises(Unsendable, match="not a UUID"):
        ADAPTERS["brevo"].encode(a_mailing(1, key="again"))


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("resend", '"Tools, Café" <verdicts@example.com>'),
        ("ses", "=?utf-8?b?VG9vbHMsIENhZsOp?= <verdicts@example.com>"),
    ],
)
def test_the_senders_name_is_quoted_as_the_provider_reads_it(name: str, written: str) -> None:
    body = json.loads(ADAPTERS[name].encode(a_mailing(1, sender_name="Tools, Café")).body)

    assert (body[0]["from"] if name == "resend" else body["FromEmailAddress"]) == written
