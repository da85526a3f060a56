"""What one sandbox needs to know: where it listens and keeps its mail, its keys, its pace."""

import base64
import dataclasses
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from newsletter.clock import utc_now
from newsletter.sandbox.faults import FaultPlan

#: The dialects by the name that ``{provider}`` takes in a webhook address.
DIALECTS: Final = ("sendgrid", "resend", "mailgun", "postmark", "ses", "brevo")


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials the sandbox expects in calls, and the secrets it signs webhooks with.

    Both halves of each key pair are here, so that a service can be configured
    to match: ``sendgrid_public_key`` is base64 of the SPKI DER, as the vendor
    shows it; ``ses_certificate`` is what the sandbox serves itself. Mailgun,
    Postmark and Brevo have one webhook secret each.
    """

    sendgrid_api_key: str = field(repr=False)
    sendgrid_private_key: str = field(repr=False)  # EC P-256, PEM
    sendgrid_public_key: str
    resend_api_key: str = field(repr=False)
    resend_webhook_secret: str = field(repr=False)  # whsec_...
    mailgun_api_key: str = field(repr=False)
    mailgun_signing_key: str = field(repr=False)
    postmark_server_token: str = field(repr=False)
    postmark_webhook_user: str
    postmark_webhook_password: str = field(repr=False)
    brevo_api_key: str = field(repr=False)
    brevo_webhook_user: str
    brevo_webhook_password: str = field(repr=False)
    ses_access_key_id: str
    ses_secret_access_key: str = field(repr=False)
    ses_region: str
    ses_private_key: str = field(repr=False)  # RSA 2048, PEM
    ses_certificate: str  # self-signed, PEM
    ses_topic_arn: str

    def as_dict(self) -> dict[str, str]:
        """Every key by name, to be kept in a file; ``Keys(**kept)`` reads it back."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds from the acceptance of a message until its events fall due, and until searches see it."""

    processed: float = 0.2
    delivered: float = 1.0
    deferred: float = 1.0
    failed: float = 1.5  # bounces and drops
    reaction: float = 3.0  # complaints, unsubscribes, opens and clicks by address pattern
    index: float = 2.0  # until the provider's search endpoints show a message


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """One sandbox.

    *webhook_url* may hold ``{provider}``; None sends no webhooks and keeps no
    events. *retry_scale* multiplies the providers' retry intervals, so that a
    day of retries can pass in a minute. *batch_interval*: seconds during which
    events gather into one post where the provider batches (SendGrid: 30).
    *rate_limits*: calls a second by dialect, enforced only where named.
    *public_url* is where others reach the sandbox, when that is not host and port. *domain* is
    the one that accounts have verified.
    """

    store: Path
    keys: Keys
    host: str = "127.0.0.1"
    port: int = 8025
    webhook_url: str | None = None
    public_url: str = ""
    domain: str = "shiporskip.example"
    delays: Delays = field(default_factory=Delays)
    faults: FaultPlan = field(default_factory=FaultPlan)
    retry_scale: float = 1.0
    batch_interval: float = 1.0
    webhook_timeout: float = 10.0  # seconds
    rate_limits: Mapping[str, float] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where others reach the sandbox, without a trailing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in {"127.0.0.1", "::1", "localhost"}

    def webhook_for(self, dialect: str) -> str | None:
        """Where *dialect*'s events go, or None."""
        return self.webhook_url.replace("{provider}", dialect) if self.webhook_url else None


def fresh_keys() -> Keys:
    """A new set of keys, both halves of each pair."""
    sendgrid = ec.generate_private_key(ec.SECP256R1())
    ses = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return Keys(
        sendgrid_api_key=f"SG.{secrets.token_urlsafe(16)}.{secrets.token_urlsafe(32)}",
        sendgrid_private_key=_pem(sendgrid),
        sendgrid_public_key=base64.b64encode(
            sendgrid.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        ).decode(),
        resend_api_key=f"re_{secrets.token_urlsafe(24)}",
        resend_webhook_secret="whsec_" + base64.b64encode(secrets.token_bytes(24)).decode(),
        mailgun_api_key=secrets.token_hex(24),
        mailgun_signing_key=secrets.token_hex(16),
        postmark_server_token=secrets.token_hex(18),
        postmark_webhook_user="newsletter",
        postmark_webhook_password=secrets.token_urlsafe(24),
        brevo_api_key=f"xkeysib-{secrets.token_hex(32)}",
        brevo_webhook_user="newsletter",
        brevo_webhook_password=secrets.token_urlsafe(24),
        ses_access_key_id=f"AKIA{secrets.token_hex(8).upper()}",
        ses_secret_access_key=secrets.token_urlsafe(30),
        ses_region="eu-central-1",
        ses_private_key=_pem(ses),
        ses_certificate=certificate_for(ses),
        ses_topic_arn="arn:aws:sns:eu-central-1:000000000000:sandbox",
    )


def certificate_for(key: rsa.RSAPrivateKey) -> str:
    """A self-signed certificate for *key* as PEM, good for ten years."""
    now = utc_now()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.sandbox.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
