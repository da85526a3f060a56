"""What the service's adapters post is what the contracts allow, and what comes back is understood.

The sandbox knows nothing of the service; this is the one place where the two meet.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from newsletter.clock import utc_now
from newsletter.esp import (
    Accepted,
    Content,
    Copy,
    Esp,
    EventKind,
    Found,
    Mailing,
    NotTaken,
    Unknown,
)
from newsletter.esp.brevo.adapter import Brevo
from newsletter.esp.mailgun.adapter import Mailgun
from newsletter.esp.postmark.adapter import Postmark
from newsletter.esp.resend.adapter import Resend
from newsletter.esp.sendgrid.adapter import SendGrid
from newsletter.esp.ses.adapter import Ses
from newsletter.sandbox.config import Keys
from tests.sandbox.conftest import Hook, Sandboxes, WaitUntil

ADAPTERS: dict[str, Callable[[Keys, str], Esp]] = {
    "sendgrid": lambda k, url: SendGrid(
        api_key=k.sendgrid_api_key, webhook_key=k.sendgrid_public_key, base_url=url
    ),
    "resend": lambda k, url: Resend(
        api_key=k.resend_api_key, webhook_key=k.resend_webhook_secret, base_url=url
    ),
    "mailgun": lambda k, url: Mailgun(
        api_key=k.mailgun_api_key,
        webhook_key=k.mailgun_signing_key,
        domain="shiporskip.example",
        base_url=url,
    ),
    "postmark": lambda k, url: Postmark(
        api_key=k.postmark_server_token,
        webhook_user=k.postmark_webhook_user,
        webhook_key=k.postmark_webhook_password,
        base_url=url,
    ),
    "ses": lambda k, url: Ses(
        key_id=k.ses_access_key_id,
        api_key=k.ses_secret_access_key,
        region=k.ses_region,
        topics=[k.ses_topic_arn],
        origins=[url],
        base_url=url,
    ),
    "brevo": lambda k, url: Brevo(
        api_key=k.brevo_api_key,
        webhook_user=k.brevo_webhook_user,
        webhook_key=k.brevo_webhook_password,
        base_url=url,
    ),
}
#: The only kinds a provider has no word for, of those that happen by themselves.
SILENT = {"postmark": {EventKind.accepted}}


@dataclass
class Meeting:
    """A sandbox that calls back, and an adapter that speaks to it."""

    http: httpx.Client
    esp: Esp
    hook: Hook

    def events(self) -> list[Any]:
        return [
            event
            for _, headers, body in list(self.hook.heard)
            for event in self.esp.events(headers, body, now=utc_now())
        ]

    def kept(self) -> list[dict[str, Any]]:
        listed = self.http.get("/sandbox/mailbox.json", params={"after": 0}).json()["messages"]
        return [self.http.get(f"/sandbox/messages/{one['id']}.json").json() for one in listed]


@pytest.fixture(params=list(ADAPTERS))
def meeting(
    request: pytest.FixtureRequest, running: Sandboxes, hook: Hook, keys: Keys
) -> Iterator[Meeting]:
    http = running(webhook_url=hook.url + "/webhooks/{provider}")
    esp = ADAPTERS[request.param](keys, str(http.base_url).rstrip("/"))
    yield Meeting(http, esp, hook)
    esp.close()


def a_mailing(*copies: Copy) -> Mailing:
    return Mailing(
        batch="b-2026-W48-7",
        key=str(uuid4()),
        sender_name="Ship or Skip",
        sender_address="verdicts@shiporskip.example",
        reply_to="editors@shiporskip.example",
        content=Content(
            subject="Who pays for a 2B model? é — [%edition%]",
            html='<html><head></head><body><h1>Ship & skip</h1><p>"Quoted" {curly} — 75 % [%edition%]</p>'
            '<a href="http://127.0.0.1:8000/leave/[%token%]">Leave</a></body></html>',
            text="Ship & skip: “75 %” [%edition%]\nLeave: http://127.0.0.1:8000/leave/[%token%]\n",
            fields=("token", "edition"),
            headers=(
                ("List-Unsubscribe", "<http://127.0.0.1:8000/leave/[%token%]>"),
                ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
                ("List-Id", "Weekly AI Tool Verdicts <weekly.shiporskip.example>"),
            ),
        ),
        copies=copies or (a_copy(1), a_copy(2)),
    )


def a_copy(number: int, address: str | None = None) -> Copy:
    return Copy(
        ref=f"d-{number}",
        address=address or f"reader{number}@example.com",
        values=(f"token-{number}", "2026-W48"),
    )


def test_every_reader_gets_exactly_the_mail_that_was_meant(meeting: Meeting) -> None:
    outcome = meeting.esp.send(meeting.esp.encode(a_mailing()))

    assert isinstance(outcome, Accepted), outcome
    for number, mail in enumerate(meeting.kept(), start=1):
        headers = {name.lower(): value for name, value in mail["headers"]}
        assert mail["recipient"] == f"reader{number}@example.com"
        assert mail["subject"] == "Who pays for a 2B model? é — 2026-W48"
        assert mail["html"] == (
            '<html><head></head><body><h1>Ship & skip</h1><p>"Quoted" {curly} — 75 % 2026-W48</p>'
            f'<a href="http://127.0.0.1:8000/leave/token-{number}">Leave</a></body></html>'
        )
        assert mail["text"] == (
            f"Ship & skip: “75 %” 2026-W48\nLeave: http://127.0.0.1:8000/leave/token-{number}\n"
        )
        assert headers["list-unsubscribe"] == f"<http://127.0.0.1:8000/leave/token-{number}>"
        assert headers["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
        assert headers["reply-to"] == "editors@shiporskip.example"
        assert "Ship or Skip" in headers["from"]
        assert mail["ref"] == f"d-{number}"
        assert mail["batch"] == "b-2026-W48-7"
        source = meeting.http.get(f"/sandbox/messages/{mail['id']}.eml").content
        assert f"<http://127.0.0.1:8000/leave/token-{number}>".encode() in source


def test_its_webhooks_are_genuine_and_name_the_delivery(
    meeting: Meeting, wait_until: WaitUntil
) -> None:
    meeting.esp.send(meeting.esp.encode(a_mailing()))
    told = {EventKind.accepted, EventKind.delivered} - SILENT.get(meeting.esp.name, set())

    wait_until(lambda: len(meeting.events()) == 2 * len(told))

    events = meeting.events()
    assert {(e.delivery, e.kind) for e in events} == {(d, k) for d in ("d-1", "d-2") for k in told}
    assert {e.batch for e in events} == {"b-2026-W48-7"}
    assert len({e.key for e in events}) == len(events)
    assert {path for path, _, _ in meeting.hook.heard} == {f"/webhooks/{meeting.esp.name}"}


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("bounce", EventKind.hard_bounced),
        ("softbounce", EventKind.soft_bounced),
        ("defer", EventKind.deferred),
        ("complain", EventKind.complained),
        ("open", EventKind.opened),
    ],
)
def test_what_becomes_of_a_mail_is_understood(
    meeting: Meeting, wait_until: WaitUntil, word: str, kind: EventKind
) -> None:
    copy = a_copy(1, f"{word}+1@example.com")

    meeting.esp.send(meeting.esp.encode(a_mailing(copy)))
    meeting.http.post("/sandbox/webhooks/hurry")

    kinds = (
        {EventKind.soft_bounced, EventKind.deferred} if word in {"softbounce", "defer"} else {kind}
    )
    wait_until(lambda: kinds & {event.kind for event in meeting.events()})


def test_a_refused_address_is_told_from_its_neighbours(meeting: Meeting) -> None:
    copies = (a_copy(1), a_copy(2, "refuse+2@example.com"), a_copy(3))

    outcome = meeting.esp.send(meeting.esp.encode(a_mailing(*copies)))

    assert isinstance(outcome, Accepted | NotTaken)
    assert set(outcome.refused) == {1}
    assert len(meeting.kept()) == (2 if isinstance(outcome, Accepted) else 0)


def test_a_lost_answer_is_cleared_up_by_whatever_the_provider_offers(meeting: Meeting) -> None:
    meeting.http.put("/sandbox/faults", json={"rules": [{"kind": "lose_answer", "times": 1}]})
    request = meeting.esp.encode(a_mailing())
    began = utc_now()

    outcome = meeting.esp.send(request)
    assert isinstance(outcome, Unknown)

    if meeting.esp.traits.key_lives is not None:
        assert isinstance(meeting.esp.send(request), Accepted)
    elif meeting.esp.traits.search_lag is not None:
        found = meeting.esp.find("b-2026-W48-7", since=began, now=utc_now())
        assert isinstance(found, Found), found
    assert len(meeting.kept()) == 2


def test_a_batch_that_never_came_is_not_found(meeting: Meeting) -> None:
    found = meeting.esp.find("b-of-nobody", since=utc_now() - timedelta(minutes=1), now=utc_now())

    assert not isinstance(found, Found)


@pytest.mark.parametrize("kind", ["too_many", "unavailable", "error", "reset"])
def test_nothing_is_lost_when_nothing_was_taken(meeting: Meeting, kind: str) -> None:
    meeting.http.put("/sandbox/faults", json={"rules": [{"kind": kind, "retry_after": 2}]})

    outcome = meeting.esp.send(meeting.esp.encode(a_mailing()))

    assert not isinstance(outcome, Accepted)
    assert meeting.kept() == []
