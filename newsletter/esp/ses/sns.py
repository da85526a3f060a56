"""Amazon SNS: whether a notification is genuine, of a topic of ours, and what it asks."""

import re
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from newsletter.esp import BadSignature, CannotVerify, Handshake
from newsletter.esp.webhooks import check_age, decoded, from_iso, parsed

#: What is signed, in this order; the subject only where there is one.
_NOTIFICATION: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION: Final = (
    *("Message", "MessageId", "SubscribeURL", "Timestamp"),
    *("Token", "TopicArn", "Type"),
)
SIGNED: Final[Mapping[str, tuple[str, ...]]] = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
# SHA-1 is what a topic signs with unless it is told otherwise; its forgery would
# need a collision with a text that only Amazon writes.
_HASHES: Final = {"1": SHA1(), "2": SHA256()}  # noqa: S303

_HOST: Final = re.compile(r"sns\.[a-z0-9-]{3,}\.amazonaws\.com(?:\.cn)?")
_CERTIFICATE: Final = re.compile(r"/(?:[A-Za-z0-9_-]+/)*[A-Za-z0-9_-]+\.pem")
_LARGEST: Final = 65_536  # bytes of a certificate
_KEPT: Final = 8  # certificates; Amazon uses one for months
#: SNS gives up after an hour; the other hour is for clocks and queues on the way.
_OLDEST: Final = timedelta(hours=2)

Envelope = Mapping[str, str]


class Gate:
    """Lets in what Amazon signed for *topics*.

    *origins* (``scheme://host:port``) are trusted beside Amazon's own hosts:
    the sandbox's, never anything in production.
    """

    def __init__(
        self, http: httpx.Client, *, topics: Collection[str], origins: Collection[str] = ()
    ) -> None:
        self._http, self._topics, self._origins = http, frozenset(topics), frozenset(origins)
        self._keys: dict[str, tuple[rsa.RSAPublicKey, datetime]] = {}

    def opened(self, body: bytes, *, now: datetime) -> Envelope:
        """The texts of a genuine notification. Raises BadSignature, CannotVerify, BadPayload.

        Every AWS customer can have messages validly signed, so the topic
        decides first, and the certificate is fetched only for one of ours.
        """
        envelope = _texts(body)
        if envelope.get("TopicArn") not in self._topics:
            raise BadSignature("SNS", "its topic is not on the allow-list")
        names = SIGNED.get(envelope.get("Type", ""))
        algorithm = _HASHES.get(envelope.get("SignatureVersion", ""))
        signature = decoded(envelope.get("Signature", ""))
        if names is None or algorithm is None or not signature:
            raise BadSignature("SNS", "it is not signed in a way we know")
        if missing := [name for name in names if name not in envelope and name != "Subject"]:
            raise BadSignature("SNS", f"its {missing[0]} is missing")
        text = "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope)
        try:
            self._key(envelope.get("SigningCertURL", ""), now=now).verify(
                signature, text.encode("utf-8", "surrogatepass"), padding.PKCS1v15(), algorithm
            )
        except InvalidSignature:
            raise BadSignature("SNS", "its signature is wrong") from None
        sent_at = from_iso(envelope["Timestamp"])
        check_age(sent_at, provider="SNS", now=now, at_most=_OLDEST)
        return envelope

    def handshake(self, envelope: Envelope) -> Handshake | None:
        """What a genuine *envelope* asks us to confirm, if that is its purpose."""
        if envelope["Type"] != "SubscriptionConfirmation":
            return None
        if not self._trusts(split := _split(envelope["SubscribeURL"])) or not split.query:
            raise BadSignature("SNS", "the address to confirm at is not Amazon's")
        return Handshake(topic=envelope["TopicArn"], url=envelope["SubscribeURL"])

    def confirm(self, handshake: Handshake) -> bool:
        """Fetch the address of a handshake; False when Amazon did not take it."""
        if not self._trusts(_split(handshake.url)):
            return False
        try:
            return self._http.get(handshake.url).is_success
        except httpx.HTTPError:
            return False

    def _key(self, url: str, *, now: datetime) -> rsa.RSAPublicKey:
        split = _split(url)
        if not (self._trusts(split) and _CERTIFICATE.fullmatch(split.path)) or split.query:
            raise BadSignature("SNS", "its certificate is not at Amazon's")
        if url not in self._keys:
            if len(self._keys) >= _KEPT:
                self._keys.clear()
            self._keys[url] = self._fetched(url)
        key, expires_at = self._keys[url]
        if now > expires_at:
            raise BadSignature("SNS", "its certificate has expired")
        return key

    def _fetched(self, url: str) -> tuple[rsa.RSAPublicKey, datetime]:
        try:
            answer = self._http.get(url)
        except httpx.HTTPError:
            answer = None
        if answer is None or not answer.is_success or len(answer.content) > _LARGEST:
            raise CannotVerify("SNS", "the certificate could not be fetched")
        try:
            certificate = x509.load_pem_x509_certificate(answer.content)
            key = certificate.public_key()
        except ValueError:
            key = None
        if not isinstance(key, rsa.RSAPublicKey):
            raise CannotVerify("SNS", "the certificate could not be read")
        return key, certificate.not_valid_after_utc

    def _trusts(self, split: SplitResult) -> bool:
        if f"{split.scheme}://{split.netloc}" in self._origins:
            return True
        # The whole of netloc: a user, or a port, would make it another place.
        return split.scheme == "https" and bool(_HOST.fullmatch(split.netloc))


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")


def _texts(body: bytes) -> Envelope:
    """The outer object's texts; other kinds of values are never signed."""
    told = parsed(body, "SNS")
    if not isinstance(told, dict):
        raise BadSignature("SNS", "it is not a notification")
    return {name: value for name, value in told.items() if isinstance(value, str)}
