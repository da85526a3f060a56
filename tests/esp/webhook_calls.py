"""Webhook calls as the providers make them, signed with keys of our own."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from newsletter.esp import Esp
from newsletter.esp.ses.sns import SIGNED
from tests.esp.mailings import NOW
from tests.esp.providers import MAKES

Call = tuple[dict[str, str], bytes]

SENDGRID_KEY: Final = ec.generate_private_key(ec.SECP256R1())
RESEND_SECRET: Final = b"thirty-two bytes of a secret 123"
SNS_KEY: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
TOPIC: Final = "arn:aws:sns:eu-central-1:123456789012:newsletter"
CERTIFICATE_URL: Final = (
    "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
)


@lru_cache
def certificate(*, expires: datetime = NOW + timedelta(days=365)) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(SNS_KEY.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=365))
        .not_valid_after(expires)
        .sign(SNS_KEY, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM)


def serving(body: bytes, status: int = 200) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(status, content=body))


def listener(name: str, **more: Any) -> Esp:
    """The adapter with the secrets that these calls are signed with."""
    secrets: Mapping[str, dict[str, Any]] = {
        "sendgrid": {
            "webhook_key": base64.b64encode(
                SENDGRID_KEY.public_key().public_bytes(
                    Encoding.DER, PublicFormat.SubjectPublicKeyInfo
                )
            ).decode()
        },
        "resend": {"webhook_key": "whsec_" + base64.b64encode(RESEND_SECRET).decode()},
        "mailgun": {"webhook_key": "mailgun-signing-key"},
        "postmark": {"webhook_key": "a password"},
        "ses": {"topics": [TOPIC]},
        "brevo": {"webhook_key": "a password"},
    }
    return MAKES[name](**({"transport": serving(certificate())} | secrets[name] | more))


def by_sendgrid(events: Any, *, at: datetime = NOW) -> Call:
    body = json.dumps(events, separators=(",", ":")).encode() + b"\r\n"
    timestamp = str(int(at.timestamp()))
    signature = SENDGRID_KEY.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {
        "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
        "x-twilio-email-event-webhook-timestamp": timestamp,
    }, body


def by_resend(event: Any, *, call: str = "msg_1", at: datetime = NOW) -> Call:
    body, timestamp = json.dumps(event).encode(), str(int(at.timestamp()))
    signed = f"{call}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(RESEND_SECRET, signed, hashlib.sha256)).decode()
    headers = {"svix-id": call, "svix-timestamp": timestamp, "svix-signature": f"v1,{signature}"}
    return headers, body


def by_mailgun(event: Any, *, token: str = "t" * 50, at: datetime = NOW) -> Call:
    timestamp = str(int(at.timestamp()))
    signature = hmac.digest(b"mailgun-signing-key", (timestamp + token).encode(), hashlib.sha256)
    signed = {"timestamp": timestamp, "token": token, "signature": signature.hex()}
    return {}, json.dumps({"signature": signed, "event-data": event}).encode()


def by_password(event: Any) -> Call:
    """Postmark and Brevo."""
    credentials = base64.b64encode(b"newsletter:a password").decode()
    return {"authorization": f"Basic {credentials}"}, json.dumps(event).encode()


@dataclass(frozen=True)
class Notice:
    """One SNS message before it is signed."""

    message: str = "{}"
    type: str = "Notification"
    topic: str = TOPIC
    id: str = "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324"
    subject: str | None = None
    version: str = "2"
    certificate_url: str = CERTIFICATE_URL
    subscribe_url: str = (
        "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=abc"
    )
    at: datetime = NOW

    def call(self, **changes: str) -> Call:
        """Signed; *changes* are made afterwards, as a forger would."""
        told = {
            "Type": self.type,
            "MessageId": self.id,
            "TopicArn": self.topic,
            "Message": self.message,
            "Timestamp": f"{self.at:%Y-%m-%dT%H:%M:%S}.000Z",
            "SignatureVersion": self.version,
            "SigningCertURL": self.certificate_url,
        }
        if self.subject is not None:
            told["Subject"] = self.subject
        if self.type != "Notification":
            told |= {"Token": "abc", "SubscribeURL": self.subscribe_url}
        text = "".join(f"{k}\n{told[k]}\n" for k in SIGNED[self.type] if k in told)
        algorithm = hashes.SHA1() if self.version == "1" else hashes.SHA256()  # noqa: S303 - v1's
        signature = SNS_KEY.sign(text.encode(), padding.PKCS1v15(), algorithm)
        told["Signature"] = base64.b64encode(signature).decode()
        return {}, json.dumps(told | changes).encode()


def by_ses(event: Any, **more: Any) -> Call:
    return Notice(message=json.dumps(event), **more).call()
