"""Whose notification, under whose certificate, and which subscription we confirm."""

import dataclasses
import json
from datetime import timedelta

import httpx
import pytest

from newsletter.esp import BadSignature, CannotVerify, Handshake, ShakesHands
from newsletter.esp.ses.adapter import Ses
from tests.esp.mailings import NOW, recording
from tests.esp.webhook_calls import Notice, certificate, listener, serving

CONFIRMATION = Notice(type="SubscriptionConfirmation", message="You have chosen to subscribe")


def ses(**more: object) -> Ses:
    esp = listener("ses", **more)
    assert isinstance(esp, Ses)
    return esp


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-central-1.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com.evil.example/a.pem",
        "https://evil.example/sns.eu-central-1.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com@evil.example/a.pem",
        "https://user:pw@sns.eu-central-1.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com:8443/a.pem",
        "https://snsXeu-central-1.amazonaws.com/a.pem",
        "https://s3.amazonaws.com/a.pem",
        "https://sns.eu.central.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com/a.crt",
        "https://sns.eu-central-1.amazonaws.com/?Action=x&y=.pem",
        "https://sns.eu-central-1.amazonaws.com/a.pem?x=1",
        "https://sns.eu-central-1.amazonaws.com/../a.pem",
        "https://[sns.eu-central-1.amazonaws.com/a.pem",
        "file:///etc/ssl/a.pem",
        "",
    ],
)
def test_no_certificate_is_fetched_from_anywhere_but_amazon(url: str) -> None:
    seen: list[httpx.Request] = []
    fetch = recording(seen, lambda _: httpx.Response(200, content=certificate()))

    with pytest.raises(BadSignature, match="certificate is not at Amazon's"):
        ses(transport=fetch).events(*Notice(certificate_url=url).call(), now=NOW)

    assert seen == []


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.us-gov-west-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-1.pem",
    ],
)
def test_amazons_other_partitions_are_amazon(url: str) -> None:
    assert ses().events(*Notice(certificate_url=url).call(), now=NOW)


def test_a_certificate_is_fetched_once() -> None:
    seen: list[httpx.Request] = []
    esp = ses(transport=recording(seen, lambda _: httpx.Response(200, content=certificate())))

    for number in range(3):
        esp.events(*Notice(id=str(number)).call(), now=NOW)

    assert len(seen) == 1


@pytest.mark.parametrize(
    "transport",
    [
        serving(b"", 500),
        serving(b"", 302),
        serving(b"not a certificate"),
        serving(b"x" * 70_000),
    ],
)
def test_a_certificate_that_cannot_be_had_is_asked_for_again(
    transport: httpx.MockTransport,
) -> None:
    with pytest.raises(CannotVerify):
        ses(transport=transport).events(*Notice().call(), now=NOW)


def test_an_expired_certificate_proves_nothing() -> None:
    expired = serving(certificate(expires=NOW - timedelta(days=1)))

    with pytest.raises(BadSignature, match="expired"):
        ses(transport=expired).events(*Notice().call(), now=NOW)


def test_another_topic_is_refused_before_anything_is_fetched() -> None:
    seen: list[httpx.Request] = []
    fetch = recording(seen, lambda _: httpx.Response(200, content=certificate()))
    theirs = Notice(topic="arn:aws:sns:eu-central-1:999999999999:newsletter")

    with pytest.raises(BadSignature, match="allow-list"):
        ses(transport=fetch).events(*theirs.call(), now=NOW)
    with pytest.raises(BadSignature, match="allow-list"):
        ses(transport=fetch, topics=[]).events(*Notice().call(), now=NOW)

    assert seen == []


@pytest.mark.parametrize("version", ["", "0", "3"])
def test_a_signature_of_an_unknown_version_proves_nothing(version: str) -> None:
    with pytest.raises(BadSignature):
        ses().events(*Notice().call(SignatureVersion=version), now=NOW)


def test_a_signature_made_for_one_version_is_none_for_the_other() -> None:
    with pytest.raises(BadSignature, match="signature is wrong"):
        ses().events(*Notice(version="1").call(SignatureVersion="2"), now=NOW)


@pytest.mark.parametrize("part", ["Message", "MessageId", "Timestamp"])
def test_a_notification_without_a_signed_part_is_refused(part: str) -> None:
    headers, body = Notice().call()
    told = json.loads(body)
    del told[part]

    with pytest.raises(BadSignature, match=f"{part} is missing"):
        ses().events(headers, json.dumps(told).encode(), now=NOW)


def test_a_subscription_is_confirmed_when_asked_and_not_before() -> None:
    seen: list[httpx.Request] = []
    esp = ses(transport=recording(seen, lambda _: httpx.Response(200, content=certificate())))

    handshake = esp.handshake(*CONFIRMATION.call(), now=NOW)
    (event,) = esp.events(*CONFIRMATION.call(), now=NOW)

    assert isinstance(esp, ShakesHands)
    assert handshake == Handshake(topic=CONFIRMATION.topic, url=CONFIRMATION.subscribe_url)
    assert (event.kind, event.raw_kind) == ("unknown", "SubscriptionConfirmation")
    assert [request.url.path for request in seen] == [
        "/SimpleNotificationService-0123456789abcdef.pem"
    ]
    assert esp.confirm(handshake) is True
    assert str(seen[-1].url) == CONFIRMATION.subscribe_url


def test_events_ask_for_no_handshake() -> None:
    assert ses().handshake(*Notice().call(), now=NOW) is None
    goodbye = dataclasses.replace(CONFIRMATION, type="UnsubscribeConfirmation")
    assert ses().handshake(*goodbye.call(), now=NOW) is None


def test_a_handshake_of_another_topic_or_a_forged_one_is_refused() -> None:
    theirs = dataclasses.replace(CONFIRMATION, topic="arn:aws:sns:eu-central-1:9:other")

    with pytest.raises(BadSignature, match="allow-list"):
        ses().handshake(*theirs.call(), now=NOW)
    with pytest.raises(BadSignature, match="signature is wrong"):
        ses().handshake(*CONFIRMATION.call(Token="forged"), now=NOW)


def test_a_confirmation_is_never_sent_anywhere_but_to_amazon() -> None:
    seen: list[httpx.Request] = []
    esp = ses(transport=recording(seen, lambda _: httpx.Response(200, content=certificate())))
    elsewhere = "https://evil.example/?Action=ConfirmSubscription"

    with pytest.raises(BadSignature, match="not Amazon's"):
        esp.handshake(*dataclasses.replace(CONFIRMATION, subscribe_url=elsewhere).call(), now=NOW)
    assert esp.confirm(Handshake(topic=CONFIRMATION.topic, url=elsewhere)) is False

    assert len(seen) == 1  # the certificate


@pytest.mark.parametrize("status", [302, 403, 500])
def test_a_confirmation_that_was_not_heard_says_so(status: int) -> None:
    esp = ses(transport=serving(b"", status))

    assert esp.confirm(Handshake("topic", CONFIRMATION.subscribe_url)) is False


def test_an_origin_is_trusted_only_when_it_is_named() -> None:
    own = Notice(certificate_url="http://127.0.0.1:8025/ses/certificate.pem")

    with pytest.raises(BadSignature):
        ses().events(*own.call(), now=NOW)
    with pytest.raises(BadSignature):
        ses(origins=["http://127.0.0.1:80"]).events(*own.call(), now=NOW)
    assert ses(origins=["http://127.0.0.1:8025"]).events(*own.call(), now=NOW)
