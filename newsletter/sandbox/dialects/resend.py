"""Resend: up to 100 whole messages a call, an idempotency key that lives for a day, Svix signatures."""

import re
import secrets
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Final
from urllib.parse import parse_qs

import orjson
from standardwebhooks import Webhook

from newsletter.sandbox.config import SandboxConfig
from newsletter.sandbox.delta import restore, shrink
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
    Either,
    Shape,
    Texts,
    Unmodelled,
    breaks_a_line,
    fields,
    hold,
    parsed,
)
from newsletter.sandbox.events import REASONS, Kind
from newsletter.sandbox.letters import Letter, bare, is_address
from newsletter.sandbox.mailbox import Mailbox, Stored

_MOST: Final = 100
_LONGEST_KEY: Final = 256
_TAG: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_ADDRESSES: Final = Either(str, Each(str))
_EMAIL_FIELDS: Final[Mapping[str, Shape]] = {
    "from": str,
    "to": _ADDRESSES,
    "subject": str,
    "bcc": Unmodelled(),
    "cc": Unmodelled(),
    "reply_to": _ADDRESSES,
    "html": str,
    "text": str,
    "headers": Texts(),
    "scheduled_at": Unmodelled(),
    "attachments": Unmodelled(),
    "tags": Each(fields({"name": str, "value": str}, required=["name", "value"])),
    "template": Unmodelled(),
    "topic_id": str,
}
_EMAIL: Final = fields(_EMAIL_FIELDS, required=["from", "to", "subject"])

_WORDS: Final[Mapping[Kind, str]] = {
    Kind.processed: "email.sent",
    Kind.delivered: "email.delivered",
    Kind.deferred: "email.delivery_delayed",
    Kind.bounced: "email.bounced",
    Kind.soft_bounced: "email.bounced",
    Kind.dropped: "email.suppressed",
    Kind.complained: "email.complained",
    Kind.opened: "email.opened",
    Kind.machine_opened: "email.opened",
    Kind.clicked: "email.clicked",
}
_SECOND: Final = 1.0
_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_RETRIES: Final = (
    *(5 * _SECOND, 5 * _MINUTE, 30 * _MINUTE),
    *(2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 10 * _HOUR),
)


class Resend:
    """https://api.resend.com as far as a newsletter needs it."""

    name: ClassVar[str] = "resend"
    sends: ClassVar[Sequence[str]] = ("/emails/batch", "/emails")
    asks: ClassVar[Sequence[tuple[str, str]]] = (("GET", "/emails"), ("GET", "/emails/{email_id}"))
    max_body: ClassVar[int] = 40 * 1024 * 1024
    key_lives: ClassVar[timedelta | None] = timedelta(hours=24)
    key_binds_body: ClassVar[bool] = True
    batch_bytes: ClassVar[int] = 0

    def __init__(self, config: SandboxConfig, mailbox: Mailbox) -> None:
        self._keys = config.keys
        self._limit = config.rate_limits.get("resend")
        self._mailbox = mailbox
        self._signer = Webhook(config.keys.resend_webhook_secret)

    def authorise(self, call: Incoming) -> None:
        given = call.headers.get("authorization", "")
        if not given:
            raise _refused(401, "missing_api_key", "Missing API Key")
        if not secrets.compare_digest(
            given.encode(), f"Bearer {self._keys.resend_api_key}".encode()
        ):
            raise _refused(403, "invalid_api_key", "API key is invalid")

    def read(self, call: Incoming) -> Arrival:
        key = call.headers.get("idempotency-key")
        if key is not None and not 1 <= len(key) <= _LONGEST_KEY:
            raise _refused(
                400,
                "invalid_idempotency_key",
                "The idempotency key must be between 1-256 characters.",
            )
        try:
            body = parsed(call.body)
        except Drift as drift:
            raise _refused(400, "validation_error", drift.why) from None
        batch = call.path == "/emails/batch"
        if batch and not isinstance(body, list):
            raise _refused(422, "validation_error", "The batch must be a list of emails.")
        emails: list[object] = body if batch else [body]
        if not 1 <= len(emails) <= _MOST:
            raise _refused(422, "validation_error", "A batch holds between 1 and 100 emails.")
        good, errors = self._sorted(emails, call, batch=batch)
        return self._arrival(good, errors, call, key, batch=batch)

    def _sorted(
        self, emails: Sequence[object], call: Incoming, *, batch: bool
    ) -> tuple[list[Wire], list[Wire]]:
        """The valid emails and what is wrong with the others; strict mode refuses all for one."""
        mode = call.headers.get("x-batch-validation", "strict")
        if mode not in {"strict", "permissive"}:
            raise _refused(
                400, "validation_error", "x-batch-validation must be strict or permissive."
            )
        good: list[Wire] = []
        errors: list[Wire] = []
        for index, item in enumerate(emails):
            try:
                good.append(_checked(item, str(index) if batch else "", call))
            except Drift as drift:
                if mode == "strict" or not batch:
                    name = "missing_required_field" if drift.missing else "validation_error"
                    raise _refused(422, name, drift.why) from None
                errors.append({"index": index, "message": drift.why})
        return good, errors

    def _arrival(
        self,
        good: Sequence[Wire],
        errors: Sequence[Wire],
        call: Incoming,
        key: str | None,
        *,
        batch: bool,
    ) -> Arrival:
        first: Wire = good[0] if good else {}
        base_html, base_text = first.get("html", ""), first.get("text", "")
        copies = []
        for email in good:
            meta = {tag["name"]: tag["value"] for tag in email.get("tags", ())}
            own = {
                **email,
                "html": shrink(base_html, email.get("html", "")),
                "text": shrink(base_text, email.get("text", "")),
            }
            copies.append(
                Copy(
                    bare(email["to"][0]),
                    str(uuid.uuid4()),
                    named(meta, "delivery"),
                    orjson.dumps(own),
                )
            )
        ids = [{"id": copy.provider_id} for copy in copies]
        permissive = call.headers.get("x-batch-validation") == "permissive"
        answered: Wire = {"data": ids} if batch else ids[0]
        if batch and permissive:
            answered["errors"] = list(errors)
        meta = {tag["name"]: tag["value"] for tag in first.get("tags", ())}
        return Arrival(
            shared={"html": base_html, "text": base_text},
            copies=copies,
            answer=answer_json(200, answered, self._rate_headers()),
            subject=first.get("subject", ""),
            batch=named(meta, "batch"),
            tags=[value for name, value in meta.items() if "delivery" not in name.lower()],
            key=key,
        )

    def failure(self, status: int, *, retry_after: float | None, now: datetime) -> Answer:
        del now
        name, message = {
            413: ("validation_error", "The request is too large."),
            429: (
                "rate_limit_exceeded",
                "Too many requests. You can only make a limited number of requests per second.",
            ),
            503: ("service_unavailable", "The service is unavailable."),
        }.get(status, ("application_error", "An unexpected error occurred."))
        answer = _error(status, name, message)
        headers = {**answer.headers, **self._rate_headers(left=0 if status == 429 else None)}  # noqa: PLR2004 - HTTP
        if retry_after is not None:
            headers["retry-after"] = f"{retry_after:g}"
        return Answer(status, answer.body, headers)

    def key_conflict(self, *, in_flight: bool) -> Answer:
        if in_flight:
            return _error(
                409,
                "concurrent_idempotent_requests",
                "Same idempotency key used while original request is still in progress.",
            )
        return _error(
            409,
            "invalid_idempotent_request",
            "Same idempotency key used with a different request payload.",
        )

    def letter(self, shared: Wire, own: Wire, recipient: str) -> Letter:
        del recipient
        reply = own.get("reply_to")
        return Letter(
            sender=own["from"],
            recipient=own["to"][0],
            subject=own["subject"],
            html=restore(shared["html"], own["html"]),
            text=restore(shared["text"], own["text"]),
            reply_to=", ".join(reply) if isinstance(reply, list) else reply,
            headers=tuple(own.get("headers", {}).items()),
            meta={tag["name"]: tag["value"] for tag in own.get("tags", ())},
        )

    def tells(self, kind: Kind) -> bool:
        return kind in _WORDS

    def event(self, happening: Happening) -> bytes:
        own, kind = happening.own, happening.kind
        data: Wire = {
            "email_id": happening.provider_id,
            "created_at": _iso(happening.accepted_at),
            "from": own["from"],
            "to": own["to"],
            "subject": own["subject"],
            "tags": {tag["name"]: tag["value"] for tag in own.get("tags", ())},
            "headers": [{"name": n, "value": v} for n, v in own.get("headers", {}).items()],
        }
        match kind:
            case Kind.bounced | Kind.soft_bounced:
                hard = kind is Kind.bounced
                data["bounce"] = {
                    "type": "Permanent" if hard else "Transient",
                    "subType": "General" if hard else "MailboxFull",
                    "message": REASONS[kind],
                    "diagnosticCode": [f"smtp; {REASONS[kind]}"],
                }
            case Kind.dropped:
                data["suppressed"] = {"reason": "previous_bounce"}
            case Kind.clicked:
                data["click"] = {
                    "link": happening.link or "",
                    "timestamp": _iso(happening.at),
                    "ipAddress": "192.0.2.1",
                    "userAgent": "Mozilla/5.0",
                }
        return to_json({"type": _WORDS[kind], "created_at": _iso(happening.at), "data": data})

    def dress(
        self, body: bytes, *, token: str, attempt: int, now: datetime
    ) -> tuple[bytes, Mapping[str, str]]:
        """Signed as Svix does: the id stays, the timestamp is this attempt's."""
        del attempt
        message_id = f"msg_{token}"
        return body, {
            "content-type": "application/json",
            "user-agent": "Svix-Webhooks",
            "svix-id": message_id,
            "svix-timestamp": str(int(now.timestamp())),
            "svix-signature": self._signer.sign(message_id, now, body.decode()),
        }

    def retry_in(self, kind: str, attempt: int, status: int | None) -> float | None:
        del kind, status
        return _RETRIES[attempt - 1] if attempt <= len(_RETRIES) else None

    def question(self, call: Incoming) -> Answer:
        match call.method, call.path.split("/")[1:]:
            case "GET", ["emails"]:
                return self._listed(parse_qs(call.query))
            case "GET", ["emails", email_id]:
                one = self._mailbox.by_provider_id("resend", email_id)
                if one is None:
                    return _error(404, "not_found", "Email not found")
                letter = self.letter(one.shared, one.own, one.recipient)
                tags = [{"name": name, "value": value} for name, value in letter.meta.items()]
                whole = {**_in_short(one), "object": "email", "html": letter.html}
                return answer_json(
                    200, {**whole, "text": letter.text, "tags": tags}, self._rate_headers()
                )
        return _error(404, "not_found", "The requested endpoint does not exist.")

    def _listed(self, asked: Mapping[str, Sequence[str]]) -> Answer:
        limit = asked.get("limit", ["20"])[0]
        if not limit.isdecimal() or not 1 <= int(limit) <= _MOST:
            return _error(422, "validation_error", "The limit must be between 1 and 100.")
        before: int | None = None
        if after := asked.get("after"):
            anchor = self._mailbox.by_provider_id("resend", after[0])
            if anchor is None:
                return _error(404, "not_found", "The email to list after does not exist.")
            before = anchor.id
        found = self._mailbox.search(
            where={"dialect": "resend"}, before=before, limit=int(limit) + 1
        )
        page = found[: int(limit)]
        return answer_json(
            200,
            {
                "object": "list",
                "has_more": len(found) > len(page),
                "data": [_in_short(one) for one in page],
            },
            self._rate_headers(),
        )

    def _rate_headers(self, *, left: int | None = None) -> dict[str, str]:
        limit = int(self._limit or 1000)
        return {
            "ratelimit-limit": str(limit),
            "ratelimit-remaining": str(limit - 1 if left is None else left),
            "ratelimit-reset": "1",
        }


def _checked(email: object, where: str, call: Incoming) -> Wire:
    """One email of a call, its recipients as a list; raise Drift with the vendor's words."""
    try:
        hold(email, _EMAIL, where)
    except Drift as drift:
        if drift.missing:
            field = drift.where.rpartition(".")[2]
            raise Drift(drift.where, f"Missing `{field}` field.", missing=True) from None
        raise Drift(drift.where, str(drift)) from None
    if not isinstance(email, dict):
        raise Drift(where, "must be an object")
    checked: Wire = {**email, "to": [email["to"]] if isinstance(email["to"], str) else email["to"]}
    if len(checked["to"]) != 1:
        raise Drift(
            where, "The sandbox takes one recipient for each email: events do not say which one."
        )
    if not email.get("html") and not email.get("text"):
        raise Drift(where, "Missing `html` or `text` field.", missing=True)
    if not is_address(bare(checked["to"][0])) or call.refuses(bare(checked["to"][0])):
        raise Drift(where, _invalid("to"))
    if not is_address(bare(email["from"])):
        raise Drift(where, _invalid("from"))
    for tag in email.get("tags", ()):
        if not _TAG.fullmatch(tag["name"]) or not _TAG.fullmatch(tag["value"]):
            raise Drift(
                where, "Tags should only contain ASCII letters, numbers, underscores, or dashes."
            )
    for name, value in email.get("headers", {}).items():
        if breaks_a_line(name) or breaks_a_line(value) or ":" in name:
            raise Drift(where, f"The header {name!r} is not one line of text.")
    if breaks_a_line(email["subject"]):
        raise Drift(where, "The `subject` must be one line.")
    return checked


def _invalid(field: str) -> str:
    return (
        f"Invalid `{field}` field. The email address needs to follow the "
        "`email@example.com` or `Name <email@example.com>` format."
    )


def _in_short(one: Stored) -> Wire:
    own = one.own
    return {
        "id": one.provider_id,
        "to": own["to"],
        "from": own["from"],
        "created_at": _iso(one.accepted_at),
        "subject": own["subject"],
        "bcc": None,
        "cc": None,
        "reply_to": own.get("reply_to"),
        "last_event": {"bounce": "bounced", "softbounce": "bounced", "drop": "suppressed"}.get(
            one.fate or "", "delivered"
        ),
        "scheduled_at": None,
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _refused(status: int, name: str, message: str) -> Refused:
    return Refused(_error(status, name, message))


def _error(status: int, name: str, message: str) -> Answer:
    return answer_json(status, {"statusCode": status, "name": name, "message": message})
