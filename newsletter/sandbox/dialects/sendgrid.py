"""SendGrid v3: up to 1,000 personalizations a call, merged by the provider, no idempotency key."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Final

import orjson
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from newsletter.sandbox.config import SandboxConfig
from newsletter.sandbox.dialects import (
    Answer,
    Arrival,
    Copy,
    Happening,
    Incoming,
    Refused,
    Wire,
    answer_json,
    named,
    to_json,
)
from newsletter.sandbox.dialects.contract import (
    Drift,
    Each,
    Texts,
    Unmodelled,
    breaks_a_line,
    fields,
    hold,
    parsed,
)
from newsletter.sandbox.dialects.sendgrid_search import Search
from newsletter.sandbox.events import REASONS, Kind
from newsletter.sandbox.letters import Letter, is_address, mailbox
from newsletter.sandbox.mailbox import Mailbox

_HELP: Final = "http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html#message."
_MAX_RECIPIENTS: Final = 1000
_MAX_BYTES: Final = 10_000  # of substitutions and of custom_args, for one personalization
_MAX_CATEGORIES: Final = 10
_MAX_CATEGORY: Final = 255
_FURTHEST_SEND: Final = timedelta(hours=72)
_RESERVED: Final = frozenset(
    {
        *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type"),
        *("content-transfer-encoding", "to", "from", "subject", "reply-to", "cc", "bcc"),
    }
)

_ADDRESS: Final = fields({"email": str, "name": str}, required=["email"])
_SWITCH: Final = fields({"enable": bool})
_PERSONALIZATION: Final = fields(
    {
        "to": Each(_ADDRESS),
        "cc": Each(_ADDRESS),
        "bcc": Each(_ADDRESS),
        "from": _ADDRESS,
        "subject": str,
        "headers": Texts(),
        "substitutions": Texts(),
        "dynamic_template_data": Unmodelled(),
        "custom_args": Texts(),
        "send_at": int,
    },
    required=["to"],
)
_MAIL: Final = fields(
    {
        "personalizations": Each(_PERSONALIZATION),
        "from": _ADDRESS,
        "reply_to": _ADDRESS,
        "reply_to_list": Unmodelled(),
        "subject": str,
        "content": Each(fields({"type": str, "value": str}, required=["type", "value"])),
        "attachments": Unmodelled(),
        "template_id": Unmodelled(),
        "headers": Texts(),
        "categories": Each(str),
        # Typed as a string in the published contract, where an object is meant:
        # only the personalizations' own custom_args satisfy every reader of it.
        "custom_args": str,
        "send_at": int,
        "batch_id": str,
        "asm": Unmodelled(),
        "ip_pool_name": str,
        "mail_settings": fields(
            {
                "bypass_list_management": _SWITCH,
                "bypass_spam_management": _SWITCH,
                "bypass_bounce_management": _SWITCH,
                "bypass_unsubscribe_management": _SWITCH,
                "footer": Unmodelled(),
                "sandbox_mode": _SWITCH,
            }
        ),
        "tracking_settings": fields(
            {
                "click_tracking": fields({"enable": bool, "enable_text": bool}),
                "open_tracking": fields({"enable": bool, "substitution_tag": str}),
                "subscription_tracking": fields(
                    {"enable": bool, "text": str, "html": str, "substitution_tag": str}
                ),
                "ganalytics": Unmodelled(),
            }
        ),
    },
    required=["personalizations", "from"],
)

_WORDS: Final[Mapping[Kind, str]] = {
    Kind.processed: "processed",
    Kind.delivered: "delivered",
    Kind.deferred: "deferred",
    Kind.bounced: "bounce",
    Kind.soft_bounced: "bounce",
    Kind.dropped: "dropped",
    Kind.complained: "spamreport",
    Kind.unsubscribed: "unsubscribe",
    Kind.opened: "open",
    Kind.machine_opened: "open",
    Kind.clicked: "click",
}
_BY_PEOPLE: Final = frozenset({Kind.opened, Kind.machine_opened, Kind.clicked})


class SendGrid:
    """https://api.sendgrid.com as far as a newsletter needs it."""

    name: ClassVar[str] = "sendgrid"
    sends: ClassVar[Sequence[str]] = ("/v3/mail/send",)
    asks: ClassVar[Sequence[tuple[str, str]]] = (
        ("POST", "/v3/logs"),
        ("GET", "/v3/logs/{message_id}"),
        ("GET", "/v3/messages"),
        ("GET", "/v3/messages/{message_id}"),
    )
    max_body: ClassVar[int] = 30 * 1024 * 1024
    key_lives: ClassVar[timedelta | None] = None
    key_binds_body: ClassVar[bool] = False
    batch_bytes: ClassVar[int] = 768 * 1024

    def __init__(self, config: SandboxConfig, mailbox: Mailbox) -> None:
        self._keys = config.keys
        self._search = Search(mailbox, self, index_after=config.delays.index)
        key = serialization.load_pem_private_key(config.keys.sendgrid_private_key.encode(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("The SendGrid webhook key must be an EC P-256 key.")
        self._private_key = key

    def authorise(self, call: Incoming) -> None:
        given = call.headers.get("authorization", "")
        if not secrets.compare_digest(
            given.encode(), f"Bearer {self._keys.sendgrid_api_key}".encode()
        ):
            raise _refused(401, "The provided authorization grant is invalid, expired, or revoked")

    def read(self, call: Incoming) -> Arrival:
        try:
            mail = parsed(call.body)
            hold(mail, _MAIL)
        except Drift as drift:
            raise _refused(400, _sentence(drift), drift.where or None) from None
        _check_whole(mail, call.now)
        people: list[Wire] = mail.pop("personalizations")
        _check_people(people, call)
        if mail.get("mail_settings", {}).get("sandbox_mode", {}).get("enable"):
            return Arrival(shared={}, copies=(), answer=Answer(200))
        message_id = secrets.token_urlsafe(16)
        categories: list[str] = mail.get("categories", [])
        copies = [
            Copy(
                person["to"][0]["email"],
                f"{message_id}.recvd-sandbox-{position}",
                named(person.get("custom_args", {}), "delivery"),
                orjson.dumps(person),
            )
            for position, person in enumerate(people)
        ]
        return Arrival(
            shared=mail,
            copies=copies,
            answer=Answer(202, b"", {"x-message-id": message_id}),
            subject=mail.get("subject") or people[0].get("subject", ""),
            batch=named(people[0].get("custom_args", {}), "batch")
            or (categories[0] if categories else None),
            tags=categories,
        )

    def failure(self, status: int, *, retry_after: float | None, now: datetime) -> Answer:
        del now
        words = {
            413: "The JSON payload you have included in your request is too large.",
            429: "too many requests",
            500: "Internal Server Error",
            503: "Service Unavailable",
        }
        answer = _errors(status, [(words.get(status, "error"), None)])
        # SendGrid documents no Retry-After; one that is ordered is still sent.
        headers = {"retry-after": f"{retry_after:g}"} if retry_after is not None else {}
        return Answer(status, answer.body, {**answer.headers, **headers})

    def key_conflict(self, *, in_flight: bool) -> Answer:
        raise NotImplementedError("SendGrid knows no idempotency keys.")

    def letter(self, shared: Wire, own: Wire, recipient: str) -> Letter:
        """One copy, merged: tags are replaced as plain text in subject, reply-to and content."""
        values: Mapping[str, str] = own.get("substitutions", {})

        def merged(text: str) -> str:
            for tag, value in values.items():
                text = text.replace(tag, value)
            return text

        content = {part["type"]: part["value"] for part in shared.get("content", [])}
        sender: Wire = own.get("from") or shared["from"]
        reply: Wire | None = shared.get("reply_to")
        to: Wire = own["to"][0]
        return Letter(
            sender=mailbox(sender.get("name"), sender["email"]),
            recipient=mailbox(to.get("name"), recipient),
            subject=merged(own.get("subject") or shared.get("subject", "")),
            html=merged(content.get("text/html", "")),
            text=merged(content.get("text/plain", "")),
            reply_to=merged(mailbox(reply.get("name"), reply["email"])) if reply else None,
            headers=tuple({**shared.get("headers", {}), **own.get("headers", {})}.items()),
            meta=own.get("custom_args", {}),
            tags=tuple(shared.get("categories", ())),
        )

    def tells(self, kind: Kind) -> bool:
        return kind in _WORDS

    def event(self, happening: Happening) -> bytes:
        kind = happening.kind
        event: Wire = {
            "email": happening.recipient,
            "timestamp": int(happening.at.timestamp()),
            "event": _WORDS[kind],
            "sg_event_id": happening.token,
            "sg_message_id": happening.provider_id,
        }
        if categories := happening.shared.get("categories"):
            event["category"] = categories
        match kind:
            case Kind.delivered:
                event["response"] = REASONS[kind]
            case Kind.deferred:
                event |= {"response": REASONS[kind], "attempt": "1"}
            case Kind.bounced:
                event |= {"type": "bounce", "status": "5.1.1", "reason": REASONS[kind]}
                event["bounce_classification"] = "Invalid Address"
            case Kind.soft_bounced:
                event |= {"type": "blocked", "status": "4.2.2", "reason": REASONS[kind]}
                event["bounce_classification"] = "Mailbox Unavailable"
            case Kind.dropped:
                event |= {"reason": REASONS[kind], "status": "5.0.0"}
            case Kind.opened | Kind.machine_opened:
                event |= {"sg_machine_open": kind is Kind.machine_opened, "sg_content_type": "html"}
            case Kind.clicked:
                event |= {"url": happening.link or "", "url_offset": {"index": 0, "type": "html"}}
        if kind in _BY_PEOPLE:
            event |= {"useragent": "Mozilla/5.0", "ip": "192.0.2.1"}
        elif kind is not Kind.complained:
            event["smtp-id"] = f"<{happening.provider_id}@sandbox>"
        # Our own arguments are flattened into the event, as the vendor does.
        return to_json({**happening.own.get("custom_args", {}), **event})

    def dress(
        self, body: bytes, *, token: str, attempt: int, now: datetime
    ) -> tuple[bytes, Mapping[str, str]]:
        """Signed with ECDSA over the timestamp and the raw body, which ends in CRLF."""
        del token, attempt
        raw, timestamp = body + b"\r\n", str(int(now.timestamp()))
        signature = self._private_key.sign(timestamp.encode() + raw, ec.ECDSA(hashes.SHA256()))
        return raw, {
            "content-type": "application/json",
            "user-agent": "SendGrid Event API",
            "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
            "x-twilio-email-event-webhook-timestamp": timestamp,
        }

    def retry_in(self, kind: str, attempt: int, status: int | None) -> float | None:
        """Growing intervals until a day has passed; the vendor does not publish them."""
        del kind, status
        return 60.0 * 2 ** (attempt - 1) if attempt <= 10 else None  # noqa: PLR2004 - 2^10 minutes are 17 hours

    def question(self, call: Incoming) -> Answer:
        return self._search.answer(call)


def _check_whole(mail: Wire, now: datetime) -> None:
    """What the contract says beyond types, for what is the same for everybody."""
    if not is_address(mail["from"]["email"]):
        raise _refused(400, "The from email does not contain a valid address.", "from.email")
    if (reply := mail.get("reply_to")) and not is_address(reply["email"]):
        raise _refused(
            400, "The reply_to email does not contain a valid address.", "reply_to.email"
        )
    content: list[Wire] = mail.get("content", [])
    if not content:
        raise _refused(
            400,
            "Unless a valid template_id is provided, the content parameter is required. "
            "There must be at least one defined content block.",
            "content",
        )
    if any(not part["value"] for part in content):
        raise _refused(
            400,
            "The content value must be a string at least one character in length.",
            "content.0.value",
        )
    if [part["type"] for part in content] not in (
        ["text/plain"],
        ["text/html"],
        ["text/plain", "text/html"],
    ):
        raise _refused(
            400,
            "If present, text/plain and text/html may only be provided once, "
            "text/plain first, followed by text/html.",
            "content",
        )
    categories: list[str] = mail.get("categories", [])
    if len(categories) > _MAX_CATEGORIES or len(set(categories)) != len(categories):
        raise _refused(400, "There may be at most 10 categories, each of them once.", "categories")
    if any(len(category) > _MAX_CATEGORY for category in categories):
        raise _refused(400, "A category may have at most 255 characters.", "categories")
    if (send_at := mail.get("send_at")) and send_at > (now + _FURTHEST_SEND).timestamp():
        raise _refused(400, "Scheduling more than 72 hours in advance is forbidden.", "send_at")
    _check_headers(mail.get("headers", {}), "headers")


def _check_people(people: Sequence[Wire], call: Incoming) -> None:
    if not people:
        raise _refused(
            400,
            "The personalizations field is required and must have at least one personalization.",
            "personalizations",
        )
    everybody = sum(len(p["to"]) + len(p.get("cc", ())) + len(p.get("bcc", ())) for p in people)
    if len(people) > _MAX_RECIPIENTS or everybody > _MAX_RECIPIENTS:
        raise _refused(
            400, "The maximum number of recipients of a call is 1000.", "personalizations"
        )
    seen: set[str] = set()
    invalid: list[tuple[str, str | None]] = []
    for position, person in enumerate(people):
        where = f"personalizations.{position}"
        _check_person(person, where)
        address: str = person["to"][0]["email"]
        if not is_address(address) or call.refuses(address):
            invalid.append(("Does not contain a valid address.", f"{where}.to.0.email"))
        elif (plain := address.lower()) in seen:
            raise _refused(
                400,
                "Each email address in the personalization block should be unique "
                "between to, cc, and bcc. We found the first duplicate instance of "
                f"[{address}] in the {where}.to field.",
                "personalizations",
            )
        else:
            seen.add(plain)
    if invalid:
        raise Refused(_errors(400, invalid))


def _check_person(person: Wire, where: str) -> None:
    if len(person["to"]) != 1 or "cc" in person or "bcc" in person:
        raise _refused(
            400,
            "The sandbox takes one recipient for each personalization: more would "
            "see each other's addresses.",
            f"{where}.to",
        )
    for name in ("substitutions", "custom_args"):
        if (values := person.get(name)) and _weight(values) > _MAX_BYTES:
            raise _refused(400, f"The {name} may have at most 10000 bytes.", f"{where}.{name}")
    if headers := person.get("headers"):
        _check_headers(headers, f"{where}.headers")


def _check_headers(headers: Mapping[str, str], where: str) -> None:
    for name, value in headers.items():
        if name.lower() in _RESERVED:
            raise _refused(400, f"The header {name} is reserved.", f"{where}.{name}")
        if not name.isascii() or breaks_a_line(name) or breaks_a_line(value) or ":" in name:
            raise _refused(400, f"The header {name!r} is not one line of text.", where)


def _weight(values: Mapping[str, str]) -> int:
    # Characters first: only a large one needs counting in bytes.
    rough = sum(map(len, values)) + sum(map(len, values.values()))
    return rough if rough * 4 <= _MAX_BYTES else len(orjson.dumps(values))


def _sentence(drift: Drift) -> str:
    return f"Bad Request: {drift.where} {drift.why}" if drift.where else "Bad Request"


def _refused(status: int, message: str, field: str | None = None) -> Refused:
    return Refused(_errors(status, [(message, field)]))


def _errors(status: int, errors: Sequence[tuple[str, str | None]]) -> Answer:
    return answer_json(
        status,
        {
            "errors": [
                {"message": message, "field": field, "help": _HELP + field if field else None}
                for message, field in errors
            ]
        },
    )
