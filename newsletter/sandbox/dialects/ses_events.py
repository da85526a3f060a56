"""SES events as Amazon SNS brings them: an envelope around each, signed with the topic's RSA key."""

import base64
import hashlib
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import ClassVar, Final

import orjson
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from typing_extensions import override

from newsletter.sandbox.dialects import Happening, Webhooks, Wire, to_json
from newsletter.sandbox.events import REASONS, Kind, agent_of

#: Where the sandbox serves the certificate of its topic, and where a subscription is confirmed.
CERTIFICATE: Final = "/SimpleNotificationService-sandbox.pem"
CONFIRMATION: Final = "/sns/confirmation"
#: The kind of post that asks for a subscription.
SUBSCRIPTION: Final = "subscription"

_WORDS: Final[Mapping[Kind, str]] = {
    Kind.processed: "Send",
    Kind.delivered: "Delivery",
    Kind.deferred: "DeliveryDelay",
    Kind.bounced: "Bounce",
    Kind.soft_bounced: "Bounce",
    Kind.dropped: "Bounce",
    Kind.complained: "Complaint",
    Kind.unsubscribed: "Subscription",
    Kind.opened: "Open",
    Kind.machine_opened: "Open",
    Kind.clicked: "Click",
}
_SIGNED: Final = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        *("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    ),
}
_RETRIES: Final = (20.0, 20.0, 20.0)  # seconds, SNS's default policy
_SLOW_DOWN: Final = 429


class SesEvents(Webhooks):
    """Three retries, none after a 4xx; then a notification is lost, as it is without a queue."""

    batch_bytes: ClassVar[int] = 0

    def __init__(self, private_key: str, topic: str, certificate_url: str) -> None:
        self._pem, self._topic, self._certificate_url = private_key, topic, certificate_url

    @cached_property
    def _private_key(self) -> rsa.RSAPrivateKey:
        """Reading it takes a twentieth of a second: only a sandbox of Amazon's events does."""
        key = serialization.load_pem_private_key(self._pem.encode(), None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError("The SNS topic's key must be an RSA key.")
        return key

    @override
    def tells(self, kind: Kind) -> bool:
        return kind in _WORDS

    @override
    def event(self, happening: Happening) -> bytes:
        message = to_json(_message(happening)).decode()
        return to_json(self._envelope("Notification", message, happening.token, happening.at))

    def subscription(self, token: str, confirm_url: str, now: datetime) -> bytes:
        """The envelope that asks an endpoint to confirm its subscription."""
        words = f"You have chosen to subscribe to the topic {self._topic}."
        envelope = self._envelope("SubscriptionConfirmation", words, token, now)
        return to_json(envelope | {"Token": token, "SubscribeURL": confirm_url})

    @override
    def dress(
        self, body: bytes, *, token: str, attempt: int, now: datetime
    ) -> tuple[bytes, Mapping[str, str]]:
        """Signed with SHA-256 (signature version 2); retries carry the same MessageId."""
        del token, attempt, now
        envelope: dict[str, str] = orjson.loads(body)
        names = _SIGNED[envelope["Type"]]
        text = "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope)
        signature = self._private_key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        envelope |= {
            "SignatureVersion": "2",
            "Signature": base64.b64encode(signature).decode(),
            "SigningCertURL": self._certificate_url,
        }
        return to_json(envelope), {
            "content-type": "text/plain; charset=UTF-8",
            "user-agent": "Amazon Simple Notification Service Agent",
            "x-amz-sns-message-type": envelope["Type"],
            "x-amz-sns-message-id": envelope["MessageId"],
            "x-amz-sns-topic-arn": self._topic,
            "x-amz-sns-subscription-arn": f"{self._topic}:sandbox",
        }

    @override
    def retry_in(self, kind: str, attempt: int, status: int | None) -> float | None:
        del kind
        refused = status is not None and 400 <= status < 500 and status != _SLOW_DOWN  # noqa: PLR2004 - HTTP
        return None if refused or attempt > len(_RETRIES) else _RETRIES[attempt - 1]

    def _envelope(self, kind: str, message: str, token: str, at: datetime) -> dict[str, str]:
        digest = hashlib.sha256(token.encode()).digest()
        return {
            "Type": kind,
            "MessageId": str(uuid.UUID(bytes=digest[:16], version=4)),
            "TopicArn": self._topic,
            "Message": message,
            "Timestamp": _iso(at),
        }


def _message(happening: Happening) -> Wire:
    """What SES says inside the envelope."""
    own, shared = happening.own, happening.shared
    pairs = [*shared.get("DefaultEmailTags", ()), *own.get("ReplacementTags", ())]
    tags = {pair["Name"]: [pair["Value"]] for pair in pairs}
    if name := shared.get("ConfigurationSetName"):
        tags["ses:configuration-set"] = [name]
    word = _WORDS[happening.kind]
    return {
        "eventType": word,
        "mail": {
            "timestamp": _iso(happening.accepted_at),
            "source": shared["FromEmailAddress"],
            "messageId": happening.provider_id,
            "destination": [happening.recipient],
            "headersTruncated": False,
            "headers": [
                {"name": pair["Name"], "value": pair["Value"]}
                for pair in own.get("ReplacementHeaders", ())
            ],
            "tags": tags,
        },
        word[:1].lower() + word[1:]: _details(happening),
    }


def _details(happening: Happening) -> Wire:
    """What only this kind of event carries."""
    kind, at = happening.kind, _iso(happening.at)
    who = {"emailAddress": happening.recipient}
    match kind:
        case Kind.delivered:
            return {"timestamp": at, "recipients": [happening.recipient], "smtpResponse": "250 OK"}
        case Kind.bounced | Kind.soft_bounced | Kind.dropped:
            hard = kind is not Kind.soft_bounced
            subtype = {Kind.bounced: "General", Kind.dropped: "OnAccountSuppressionList"}
            reason = {"diagnosticCode": f"smtp; {REASONS[kind]}", "action": "failed"}
            return {
                "bounceType": "Permanent" if hard else "Transient",
                "bounceSubType": subtype.get(kind, "MailboxFull"),
                "bouncedRecipients": [who | {"status": "5.1.1" if hard else "4.2.2"} | reason],
                "timestamp": at,
                "feedbackId": f"feedback-{happening.token}",
            }
        case Kind.deferred:
            delayed = who | {"status": "4.2.1", "diagnosticCode": REASONS[kind]}
            return {
                "delayType": "TransientCommunicationFailure",
                "delayedRecipients": [delayed],
            } | {"timestamp": at}
        case Kind.unsubscribed:
            return {"contactList": "newsletter", "timestamp": at, "source": "UnsubscribeHeader"}
        case Kind.complained:
            report = {"complaintFeedbackType": "abuse", "feedbackId": f"feedback-{happening.token}"}
            return {"complainedRecipients": [who], "timestamp": at, **report}
    return _seen(happening, at)


def _seen(happening: Happening, at: str) -> Wire:
    """What is told of an open or a click; of sending there is nothing more to tell."""
    kind = happening.kind
    seen = {"timestamp": at, "userAgent": agent_of(kind), "ipAddress": "192.0.2.1"}
    if kind is Kind.clicked:
        return seen | {"link": happening.link or "", "linkTags": {}}
    return seen if kind in {Kind.opened, Kind.machine_opened} else {}


def _iso(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
