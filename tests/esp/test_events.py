"""What providers tell us becomes our events: the right kind, whose copy, when, and each once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.esp import Event, EventKind
from tests.esp.mailings import NOW
from tests.esp.webhook_calls import (
    Call,
    Notice,
    by_mailgun,
    by_password,
    by_resend,
    by_sendgrid,
    by_ses,
    listener,
)

K = EventKind
THEN = datetime(2026, 11, 27, 8, 59, 30, tzinfo=UTC)
EPOCH = int(THEN.timestamp())


def told(name: str, call: Call, *, now: datetime = NOW) -> list[Event]:
    return list(listener(name).events(*call, now=now))


def sendgrid(**more: Any) -> dict[str, Any]:
    return {
        "email": "reader@example.com",
        "event": "delivered",
        "timestamp": EPOCH,
        "sg_event_id": "ev-1",
        "sg_message_id": "sg-1.recvd",
        "category": ["b-1"],
        "watv_delivery": "d-1",
        "watv_batch": "b-1",
    } | more


def resend(kind: str = "email.delivered", **more: Any) -> dict[str, Any]:
    data = {
        "email_id": "re-1",
        "to": ["reader@example.com"],
        "tags": {"delivery": "d-1", "batch": "b-1"},
    }
    return {"type": kind, "created_at": "2026-11-27T08:59:30.000Z", "data": data | more}


def mailgun(event: str = "delivered", **more: Any) -> dict[str, Any]:
    return {
        "event": event,
        "id": "mg-1",
        "timestamp": EPOCH + 0.0,
        "recipient": "reader@example.com",
        "user-variables": {"delivery": "d-1", "batch": "b-1"},
        "message": {"headers": {"message-id": "1@mg.example.com"}},
    } | more


def postmark(record: str = "Delivery", **more: Any) -> dict[str, Any]:
    moment = {"Bounce": "BouncedAt", "SpamComplaint": "BouncedAt", "Delivery": "DeliveredAt"}
    return {
        "RecordType": record,
        "MessageID": "pm-1",
        "Recipient": "reader@example.com",
        "Tag": "b-1",
        "Metadata": {"delivery": "d-1", "batch": "b-1"},
        moment.get(record, "ReceivedAt"): "2026-11-27T03:59:30-05:00",
    } | more


def ses(event: str = "Delivery", detail: str = "delivery", **more: Any) -> dict[str, Any]:
    return {
        "eventType": event,
        "mail": {
            "messageId": "ses-1",
            "timestamp": "2026-11-27T08:00:00.000Z",
            "destination": ["reader@example.com"],
            "tags": {"delivery": ["d-1"], "batch": ["b-1"], "ses:caller-identity": ["x"]},
        },
        detail: {"timestamp": "2026-11-27T08:59:30.000Z"} | more,
    }


def brevo(event: str = "delivered", **more: Any) -> dict[str, Any]:
    return {
        "event": event,
        "email": "reader@example.com",
        "id": 7,
        "ts_event": EPOCH,
        "ts_epoch": EPOCH * 1000,
        "message-id": "<br-1@brevo>",
        "tags": ["b-1"],
        "X-Mailin-custom": "delivery:d-1|batch:b-1",
    } | more


SHAPES: dict[str, Callable[[], Call]] = {
    "sendgrid": lambda: by_sendgrid([sendgrid()]),
    "resend": lambda: by_resend(resend()),
    "mailgun": lambda: by_mailgun(mailgun()),
    "postmark": lambda: by_password(postmark()),
    "ses": lambda: by_ses(ses()),
    "brevo": lambda: by_password(brevo()),
}
IDS = {
    "sendgrid": "sg-1.recvd",
    "resend": "re-1",
    "mailgun": "1@mg.example.com",
    "postmark": "pm-1",
    "ses": "ses-1",
    "brevo": "<br-1@brevo>",
}


@pytest.mark.parametrize("name", list(SHAPES))
def test_an_event_names_its_copy_its_batch_and_its_moment(name: str) -> None:
    (event,) = told(name, SHAPES[name]())

    assert event.kind is K.delivered
    assert (event.delivery, event.batch) == ("d-1", "b-1")
    assert event.address == "reader@example.com"
    assert event.message_id == IDS[name]
    assert event.occurred_at == THEN
    assert event.occurred_at.tzinfo is UTC
    assert event.key.startswith(f"{name}:")


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"event": "processed"}, K.accepted),
        ({"event": "dropped", "reason": "Bounced Address"}, K.dropped),
        ({"event": "deferred", "attempt": "2"}, K.deferred),
        ({"event": "bounce", "type": "bounce", "status": "5.1.1"}, K.hard_bounced),
        ({"event": "bounce", "type": "blocked", "status": "4.7.1"}, K.soft_bounced),
        ({"event": "open"}, K.opened),
        ({"event": "click", "url": "https://example.com/"}, K.clicked),
        ({"event": "spamreport"}, K.complained),
        ({"event": "unsubscribe"}, K.unsubscribed),
        ({"event": "group_unsubscribe"}, K.unsubscribed),
        ({"event": "group_resubscribe"}, K.resubscribed),
        ({"event": "something_new"}, K.unknown),
        ({"event": None}, K.unknown),
    ],
)
def test_sendgrids_kinds(entry: dict[str, Any], kind: EventKind) -> None:
    (event,) = told("sendgrid", by_sendgrid([sendgrid(**entry)]))

    assert event.kind is kind
    assert event.raw_kind == (entry["event"] or "")


@pytest.mark.parametrize(
    ("kind", "more", "expected"),
    [
        ("email.sent", {}, K.accepted),
        ("email.delivery_delayed", {}, K.deferred),
        ("email.bounced", {"bounce": {"type": "Permanent", "message": "no"}}, K.hard_bounced),
        ("email.bounced", {"bounce": {"type": "Transient", "message": "no"}}, K.soft_bounced),
        ("email.bounced", {"bounce": {"type": "Undetermined", "message": "no"}}, K.soft_bounced),
        ("email.complained", {}, K.complained),
        ("email.opened", {}, K.opened),
        ("email.clicked", {"click": {"link": "https://example.com/"}}, K.clicked),
        ("email.failed", {"failed": {"reason": "no"}}, K.dropped),
        ("email.suppressed", {"suppressed": {"reason": "no"}}, K.dropped),
        ("email.scheduled", {}, K.unknown),
        ("contact.created", {}, K.unknown),
    ],
)
def test_resends_kinds(kind: str, more: dict[str, Any], expected: EventKind) -> None:
    (event,) = told("resend", by_resend(resend(kind, **more)))

    assert event.kind is expected
    assert event.reason == ("no" if "no" in str(more) else None)


@pytest.mark.parametrize(
    ("event", "more", "expected"),
    [
        ("accepted", {}, K.accepted),
        ("rejected", {"reject": {"reason": "no"}}, K.dropped),
        ("failed", {"severity": "temporary", "reason": "no"}, K.deferred),
        ("failed", {"severity": "permanent", "reason": "bounce"}, K.hard_bounced),
        ("failed", {"severity": "permanent", "reason": "generic"}, K.soft_bounced),
        ("failed", {"severity": "permanent", "reason": "suppress-bounce"}, K.dropped),
        ("unsubscribed", {}, K.unsubscribed),
        ("complained", {}, K.complained),
        ("opened", {}, K.opened),
        ("clicked", {"url": "https://example.com/"}, K.clicked),
        ("stored", {}, K.unknown),
    ],
)
def test_mailguns_kinds(event: str, more: dict[str, Any], expected: EventKind) -> None:
    (one,) = told("mailgun", by_mailgun(mailgun(event, **more)))

    assert one.kind is expected


@pytest.mark.parametrize(
    ("record", "more", "expected"),
    [
        ("Bounce", {"ID": 1, "Type": "HardBounce", "Email": "reader@example.com"}, K.hard_bounced),
        ("Bounce", {"ID": 1, "Type": "SoftBounce"}, K.soft_bounced),
        ("Bounce", {"ID": 1, "Type": "Transient"}, K.deferred),
        ("Bounce", {"ID": 1, "Type": "SpamNotification"}, K.soft_bounced),
        ("Bounce", {"ID": 1, "Type": "AutoResponder"}, K.unknown),
        ("SpamComplaint", {"ID": 2, "TypeCode": 100001}, K.complained),
        ("Open", {"FirstOpen": True, "UserAgent": "Mail"}, K.opened),
        ("Click", {"OriginalLink": "https://example.com/"}, K.clicked),
        (
            "SubscriptionChange",
            {"SuppressSending": True, "SuppressionReason": "ManualSuppression"},
            K.unsubscribed,
        ),
        (
            "SubscriptionChange",
            {"SuppressSending": True, "SuppressionReason": "SpamComplaint"},
            K.complained,
        ),
        ("SubscriptionChange", {"SuppressSending": False, "MessageID": None}, K.resubscribed),
        ("Inbound", {}, K.unknown),
    ],
)
def test_postmarks_kinds(record: str, more: dict[str, Any], expected: EventKind) -> None:
    (event,) = told("postmark", by_password(postmark(record, **more)))

    assert event.kind is expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (ses("Send", "send"), K.accepted),
        (ses("DeliveryDelay", "deliveryDelay", delayType="MailboxFull"), K.deferred),
        (ses("Bounce", "bounce", bounceType="Permanent", bounceSubType="General"), K.hard_bounced),
        (ses("Bounce", "bounce", bounceType="Transient", bounceSubType="General"), K.soft_bounced),
        (ses("Bounce", "bounce", bounceType="Undetermined"), K.soft_bounced),
        (
            ses(
                "Bounce", "bounce", bounceType="Permanent", bounceSubType="OnAccountSuppressionList"
            ),
            K.dropped,
        ),
        (ses("Complaint", "complaint", complaintFeedbackType="abuse"), K.complained),
        (ses("Reject", "reject", reason="Bad content"), K.dropped),
        (ses("Rendering Failure", "failure", errorMessage="missing"), K.dropped),
        (ses("Open", "open", userAgent="Mail"), K.opened),
        (ses("Click", "click", link="https://example.com/"), K.clicked),
        (
            ses("Subscription", "subscription", newTopicPreferences={"unsubscribeAll": True}),
            K.unsubscribed,
        ),
        (ses("Subscription", "subscription", source="UnsubscribeHeader"), K.unsubscribed),
        (ses("Subscription", "subscription", newTopicPreferences={}), K.unknown),
        (ses("Something New", "x"), K.unknown),
    ],
)
def test_sess_kinds(call: dict[str, Any], expected: EventKind) -> None:
    (event,) = told("ses", by_ses(call))

    assert event.kind is expected
    assert event.raw_kind == call["eventType"]
    assert event.delivery == "d-1"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("request", K.accepted),
        ("deferred", K.deferred),
        ("soft_bounce", K.soft_bounced),
        ("hard_bounce", K.hard_bounced),
        ("invalid_email", K.hard_bounced),
        ("blocked", K.dropped),
        ("error", K.dropped),
        ("spam", K.complained),
        ("unsubscribe", K.unsubscribed),
        ("unsubscribed", K.unsubscribed),
        ("opened", K.opened),
        ("unique_opened", K.opened),
        ("proxy_open", K.opened),
        ("unique_proxy_open", K.opened),
        ("click", K.clicked),
        ("list_addition", K.unknown),
    ],
)
def test_brevos_kinds(event: str, expected: EventKind) -> None:
    (one,) = told("brevo", by_password(brevo(event)))

    assert one.kind is expected


@pytest.mark.parametrize(
    ("name", "call", "machine"),
    [
        ("sendgrid", by_sendgrid([sendgrid(event="open", sg_machine_open=True)]), True),
        ("sendgrid", by_sendgrid([sendgrid(event="open", sg_machine_open=False)]), False),
        ("sendgrid", by_sendgrid([sendgrid(event="open")]), None),
        ("mailgun", by_mailgun(mailgun("opened", **{"client-info": {"bot": "apple"}})), True),
        ("mailgun", by_mailgun(mailgun("clicked", **{"client-info": {"bot": ""}})), False),
        ("mailgun", by_mailgun(mailgun("opened", **{"client-info": {}})), None),
        ("brevo", by_password(brevo("proxy_open")), True),
        ("brevo", by_password(brevo("opened")), False),
        ("brevo", by_password(brevo("click")), None),
        ("postmark", by_password(postmark("Open")), None),
        ("ses", by_ses(ses("Open", "open")), None),
        ("resend", by_resend(resend("email.opened")), None),
    ],
)
def test_a_machines_opening_is_known_where_the_provider_says_so(
    name: str, call: Call, machine: bool | None
) -> None:
    (event,) = told(name, call)

    assert event.machine is machine


def test_a_reason_outlives_the_person_and_so_holds_no_address() -> None:
    words = "550 5.1.1 <reader@example.com>: Recipient\n address rejected " + "x" * 500

    (event,) = told("sendgrid", by_sendgrid([sendgrid(event="bounce", reason=words)]))

    assert event.reason is not None
    assert event.reason.startswith("550 5.1.1 <[address]>: Recipient address rejected xxx")
    assert len(event.reason) == 300


def keys(name: str, *calls: Call) -> int:
    return len({event.key for call in calls for event in told(name, call)})


def test_sendgrids_retries_are_one_event_even_under_another_id() -> None:
    first, again = sendgrid(sg_event_id="ev-1"), sendgrid(sg_event_id="ev-2")

    assert keys("sendgrid", by_sendgrid([first]), by_sendgrid([again, again])) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"event": "deferred"},
        {"timestamp": EPOCH + 1},
        {"watv_delivery": "d-2"},
        {"url": "https://example.com/"},
        {"useragent": "Mail"},
        {"sg_machine_open": True},
    ],
)
def test_sendgrids_events_that_differ_are_two(change: dict[str, Any]) -> None:
    assert keys("sendgrid", by_sendgrid([sendgrid(), sendgrid(**change)])) == 2


def test_resends_calls_are_told_apart_by_their_id_whatever_they_hold() -> None:
    later = NOW + timedelta(minutes=1)
    retry = by_resend(resend(), call="msg_1", at=later)

    assert keys("resend", by_resend(resend(), call="msg_1"), retry) == 1
    assert keys("resend", by_resend(resend(), call="msg_1"), by_resend(resend(), call="msg_2")) == 2


def test_mailguns_ids_hold_for_a_day_and_its_tokens_for_one_event() -> None:
    same_day = by_mailgun(mailgun(timestamp=EPOCH + 10.5), token="u" * 50)
    next_day = by_mailgun(mailgun(timestamp=EPOCH + 86_400.0))

    assert keys("mailgun", by_mailgun(mailgun()), same_day) == 1
    assert keys("mailgun", by_mailgun(mailgun()), next_day) == 2
    (event,) = told("mailgun", same_day)
    assert event.token == "u" * 50


def test_postmarks_second_opening_is_not_swallowed_by_the_first() -> None:
    first, second = postmark("Open"), postmark("Open", ReceivedAt="2026-11-27T04:10:00-05:00")

    assert keys("postmark", by_password(first), by_password(first)) == 1
    assert keys("postmark", by_password(first), by_password(second)) == 2


def test_a_notification_is_one_event_by_its_message_id() -> None:
    assert keys("ses", by_ses(ses(), id="a"), by_ses(ses(), id="a", subject="x")) == 1
    assert keys("ses", by_ses(ses(), id="a"), by_ses(ses(), id="b")) == 2


def test_brevos_first_opening_told_twice_is_one() -> None:
    both = by_password([brevo("opened"), brevo("unique_opened", id=8)])

    assert keys("brevo", both) == 1
    assert keys("brevo", by_password([brevo("opened"), brevo("proxy_open")])) == 2
    assert keys("brevo", by_password([brevo(), brevo(ts_epoch=EPOCH * 1000 + 1)])) == 2


def test_one_odd_event_does_not_hold_up_its_neighbours() -> None:
    odd = [5, None, {}, {"timestamp": "soon"}, {"timestamp": 1e300}, {"email": ["a"]}]

    events = told("sendgrid", by_sendgrid([*odd, sendgrid()]))

    assert [event.kind for event in events] == [K.unknown] * len(odd) + [K.delivered]
    assert events[0].occurred_at == NOW


def test_the_first_notification_after_a_confirmation_is_kept() -> None:
    words = "Successfully validated SNS topic for Amazon SES event publishing."

    (event,) = told("ses", Notice(message=words).call())

    assert (event.kind, event.raw_kind) == (K.unknown, "text")


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers()
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
SIGNS: dict[str, tuple[Callable[..., Any], Callable[[Any], Call]]] = {
    "sendgrid": (sendgrid, lambda event: by_sendgrid([event])),
    "resend": (resend, by_resend),
    "mailgun": (mailgun, by_mailgun),
    "postmark": (postmark, by_password),
    "ses": (ses, by_ses),
    "brevo": (brevo, by_password),
}


@pytest.mark.parametrize("name", list(SIGNS))
@given(data=st.data())
def test_a_signed_event_of_any_shape_is_kept_and_never_a_crash(
    name: str, data: st.DataObject
) -> None:
    shape, sign = SIGNS[name]
    entry = shape()
    for part in data.draw(st.lists(st.sampled_from(sorted(entry)), max_size=4)):
        entry[part] = data.draw(anything)
        if isinstance(inner := shape()[part], dict) and inner and data.draw(st.booleans()):
            entry[part] = inner | {data.draw(st.sampled_from(sorted(inner))): data.draw(anything)}

    (event,) = told(name, sign(entry))

    assert len(event.key) <= 200
    assert event.occurred_at.tzinfo is UTC
    assert isinstance(event.delivery, str | None)
    assert isinstance(event.address, str | None)


def test_a_long_event_id_is_hashed_to_fit() -> None:
    (event,) = told("resend", by_resend(resend(), call="m" * 500))

    assert len(event.key) <= 200
    assert (
        keys("resend", by_resend(resend(), call="m" * 500), by_resend(resend(), call="m" * 499))
        == 2
    )
