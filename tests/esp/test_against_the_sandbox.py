"""Every adapter against the sandbox provider, over real HTTP and with the sandbox's own webhooks."""

from datetime import timedelta

import pytest

from newsletter.clock import utc_now
from newsletter.esp import (
    Absent,
    Accepted,
    Copy,
    Event,
    EventKind,
    Found,
    NotTaken,
    ShakesHands,
    Unknown,
)
from newsletter.sandbox.config import DIALECTS
from tests.esp.mailings import A_CONTENT, a_mailing, some_copies
from tests.esp.providers import MAKES
from tests.esp.sandboxes import Sandbox, a_free_port, wait_until

everywhere = pytest.mark.parametrize("name", [name for name in DIALECTS if name in MAKES])
searched = pytest.mark.parametrize("name", ["sendgrid", "mailgun", "postmark", "brevo"])
K = EventKind


@everywhere
def test_each_reader_finds_their_own_copy_in_the_inbox(name: str, sandbox: Sandbox) -> None:
    esp = sandbox.adapter(name)

    outcome = esp.send(esp.encode(a_mailing(3, reply_to="desk@example.com")))

    assert isinstance(outcome, Accepted), outcome
    assert len(outcome.message_ids) == (1 if name in ("sendgrid", "mailgun") else 3)
    messages = sandbox.messages(batch="b-0001")
    assert [message["ref"] for message in messages] == ["d-000000", "d-000001", "d-000002"]
    first = messages[0]
    headers = {header.lower(): value for header, value in dict(first["headers"]).items()}
    assert first["recipient"] == "reader0@example.com"
    assert first["subject"] == "Cursor or Copilot, v1-0"
    assert first["html"] == A_CONTENT.html.replace("[%token%]", "v0-0")
    assert first["text"] == A_CONTENT.text.replace("[%token%]", "v0-0")
    assert first["from"] == "Ship or Skip <verdicts@example.com>"
    assert headers["list-unsubscribe"] == "<https://news.example.com/u/v0-0>"
    assert headers["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    assert headers["reply-to"] == "desk@example.com"


@everywhere
def test_a_full_call_is_taken(name: str, sandbox: Sandbox) -> None:
    esp = sandbox.adapter(name)
    most = esp.traits.copies_per_call

    assert isinstance(esp.send(esp.encode(a_mailing(most))), Accepted)

    assert sandbox.http.get("/sandbox/health").json()["messages"] == most


@everywhere
def test_an_address_that_is_refused_is_named_and_the_others_get_theirs(
    name: str, sandbox: Sandbox
) -> None:
    esp = sandbox.adapter(name)
    good = some_copies(2)
    bad = Copy("d-000009", "refuse+me@example.com", ("t", "e"))

    outcome = esp.send(esp.encode(a_mailing([good[0], bad, good[1]])))

    assert isinstance(outcome, Accepted | NotTaken), outcome
    assert list(outcome.refused) == [1]
    if isinstance(outcome, NotTaken):
        assert not outcome.final
        key = "0d9c53b4-6b0f-4c1e-8a5f-b7c3b1f7e000"
        assert isinstance(esp.send(esp.encode(a_mailing(good, key=key))), Accepted)
    assert [message["ref"] for message in sandbox.messages()] == ["d-000000", "d-000001"]


@everywhere
def test_foreign_credentials_wait_for_an_operator(name: str, sandbox: Sandbox) -> None:
    esp = sandbox.adapter(name, api_key="another")

    outcome = esp.send(esp.encode(a_mailing()))

    assert isinstance(outcome, NotTaken)
    assert outcome.final


@everywhere
def test_a_sandbox_told_to_slow_us_down_names_the_wait(name: str, sandbox: Sandbox) -> None:
    esp = sandbox.adapter(name)
    sandbox.order("too_many", retry_after=7)

    outcome = esp.send(esp.encode(a_mailing()))

    assert isinstance(outcome, NotTaken)
    assert not outcome.final
    # Mailgun names a moment, in whole seconds as the Date beside it, which lags by up to one more.
    assert outcome.retry_after is not None
    assert 5 < outcome.retry_after < 10


@everywhere
@pytest.mark.parametrize("kind", ["error", "unavailable", "reset", "lose_answer", "error_after"])
def test_trouble_on_the_way_means_that_nobody_knows(name: str, kind: str, sandbox: Sandbox) -> None:
    esp = sandbox.adapter(name)
    sandbox.order(kind)

    assert isinstance(esp.send(esp.encode(a_mailing())), Unknown)


@everywhere
def test_without_a_listener_nothing_was_taken(name: str, sandbox: Sandbox) -> None:
    esp = sandbox.adapter(name, base_url=f"http://127.0.0.1:{a_free_port()}")

    assert isinstance(esp.send(esp.encode(a_mailing())), NotTaken)


@searched
def test_a_call_whose_answer_was_lost_is_found(name: str, sandbox: Sandbox) -> None:
    esp, since = sandbox.adapter(name), utc_now()
    sandbox.order("lose_answer")

    assert isinstance(esp.send(esp.encode(a_mailing(3))), Unknown)

    finding = esp.find("b-0001", since=since, now=utc_now())
    assert isinstance(finding, Found), finding
    if name == "postmark":
        assert sorted(finding.refs) == ["d-000000", "d-000001", "d-000002"]
    assert isinstance(esp.find("b-0002", since=since, now=utc_now()), Absent)


@pytest.mark.parametrize("name", ["resend", "brevo"])
def test_a_call_whose_answer_was_lost_is_asked_for_again_and_sent_once(
    name: str, sandbox: Sandbox
) -> None:
    esp = sandbox.adapter(name)
    request = esp.encode(a_mailing(3))
    sandbox.order("lose_answer", times=1)

    first, second = esp.send(request), esp.send(request)

    assert isinstance(first, Unknown)
    assert isinstance(second, Accepted)
    assert len(sandbox.messages()) == 3


@pytest.mark.parametrize("name", ["resend", "brevo"])
def test_a_known_key_under_other_bytes_proves_the_first_attempt(
    name: str, sandbox: Sandbox
) -> None:
    esp = sandbox.adapter(name)
    sandbox.order("lose_answer", times=1)
    esp.send(esp.encode(a_mailing(3)))

    outcome = esp.send(esp.encode(a_mailing(2)))

    assert isinstance(outcome, Accepted)
    assert outcome.reason
    assert len(sandbox.messages()) == 3


#: Who reacts how, by the sandbox's address patterns, and what each provider can tell of it.
FATES: dict[str, tuple[EventKind, set[str]]] = {
    "reader": (K.delivered, set(DIALECTS)),
    "bounce": (K.hard_bounced, set(DIALECTS)),
    "softbounce": (K.soft_bounced, {"sendgrid", "resend", "postmark", "ses", "brevo"}),
    "drop": (K.dropped, {"sendgrid", "resend", "mailgun", "ses", "brevo"}),
    "complain": (K.complained, set(DIALECTS)),
    "unsubscribe": (K.unsubscribed, {"sendgrid", "mailgun", "postmark", "ses", "brevo"}),
    "open": (K.opened, set(DIALECTS)),
    "machineopen": (K.opened, set(DIALECTS)),
    "click": (K.clicked, set(DIALECTS)),
}


@everywhere
def test_what_becomes_of_each_copy_comes_back_signed(name: str, sandbox: Sandbox) -> None:
    esp = sandbox.adapter(name)
    copies = [Copy(f"d-{who}", f"{who}+1@example.com", ("t", "e")) for who in FATES]
    wanted = {(f"d-{who}", kind) for who, (kind, tell) in FATES.items() if name in tell}

    assert isinstance(esp.send(esp.encode(a_mailing(copies))), Accepted)

    def told() -> dict[str, Event]:
        sandbox.http.post("/sandbox/webhooks/hurry")
        posts = [(headers, body) for path, headers, body in list(sandbox.heard) if path == name]
        events = [e for h, body in posts for e in esp.events(h, body, now=utc_now())]
        return {event.key: event for event in events}

    wait_until(lambda: wanted <= {(e.delivery, e.kind) for e in told().values()})
    for event in told().values():
        assert event.kind is not K.unknown, event.raw_kind
        assert event.batch == "b-0001"
        assert event.address == f"{(event.delivery or '').removeprefix('d-')}+1@example.com"
        assert timedelta(minutes=-1) < utc_now() - event.occurred_at < timedelta(minutes=1)
    machines = {e.delivery: e.machine for e in told().values() if e.kind is K.opened}
    if name in ("sendgrid", "mailgun", "brevo"):
        assert (machines["d-open"], machines["d-machineopen"]) == (False, True)
    else:
        assert set(machines.values()) == {None}


def test_the_sandboxs_topic_is_confirmed_by_hand(sandbox: Sandbox) -> None:
    esp = sandbox.adapter("ses")
    assert isinstance(esp, ShakesHands)
    sandbox.http.post("/sandbox/sns/subscription").raise_for_status()
    wait_until(lambda: sandbox.heard)
    _, headers, body = sandbox.heard[0]

    handshake = esp.handshake(headers, body, now=utc_now())

    assert handshake is not None
    assert sandbox.http.get("/sandbox/sns/subscription").json() == {"confirmed": False}
    assert esp.confirm(handshake) is True
    assert sandbox.http.get("/sandbox/sns/subscription").json() == {"confirmed": True}
