"""Resend: up to 100 whole messages a call, an idempotency key that lives for a day, Svix signatures."""

import secrets
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar
from urllib.parse import parse_qs

import orjson
from typing_extensions import override

from newsletter.sandbox.config import SandboxConfig
from newsletter.sandbox.delta import restore, shrink
from newsletter.sandbox.dialects import (
    Answer,
    Arrival,
    Copy,
    Dialect,
    Incoming,
    Wire,
    answer_json,
    named,
)
from newsletter.sandbox.dialects.resend_contract import (
    BATCH,
    LONGEST_KEY,
    MOST,
    emails_of,
    error,
    refused,
    sorted_out,
)
from newsletter.sandbox.dialects.resend_events import ResendEvents, iso
from newsletter.sandbox.letters import Letter, bare
from newsletter.sandbox.mailbox import Mailbox, Stored


class Resend(Dialect):
    """https://api.resend.com as far as a newsletter needs it."""

    name: ClassVar[str] = "resend"
    sends: ClassVar[Sequence[str]] = ("/emails/batch", "/emails")
    asks: ClassVar[Sequence[tuple[str, str]]] = (("GET", "/emails"), ("GET", "/emails/{email_id}"))
    max_body: ClassVar[int] = 40 * 1024 * 1024
    key_lives: ClassVar[timedelta | None] = timedelta(hours=24)

    def __init__(self, config: SandboxConfig, mailbox: Mailbox) -> None:
        self._keys = config.keys
        self._limit = config.rate_limits.get("resend")
        self._mailbox = mailbox
        self.webhooks = ResendEvents(config.keys.resend_webhook_secret)

    @override
    def authorise(self, call: Incoming) -> None:
        given = call.headers.get("authorization", "")
        if not given:
            raise refused(401, "missing_api_key", "Missing API Key")
        if not secrets.compare_digest(
            given.encode(), f"Bearer {self._keys.resend_api_key}".encode()
        ):
            raise refused(403, "invalid_api_key", "API key is invalid")

    @override
    def read(self, call: Incoming) -> Arrival:
        key = call.headers.get("idempotency-key")
        if key is not None and not 1 <= len(key) <= LONGEST_KEY:
            raise refused(
                400,
                "invalid_idempotency_key",
                "The idempotency key must be between 1-256 characters.",
            )
        good, errors = sorted_out(emails_of(call), call)
        return self._arrival(good, errors, call, key)

    def _arrival(
        self, good: Sequence[Wire], errors: Sequence[Wire], call: Incoming, key: str | None
    ) -> Arrival:
        batch = call.path == BATCH
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

    @override
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
        answer = error(status, name, message)
        headers = {**answer.headers, **self._rate_headers(left=0 if status == 429 else None)}  # noqa: PLR2004 - HTTP
        if retry_after is not None:
            headers["retry-after"] = f"{retry_after:g}"
        return Answer(status, answer.body, headers)

    @override
    def answer_in_flight(self) -> Answer:
        words = "Same idempotency key used while original request is still in progress."
        return error(409, "concurrent_idempotent_requests", words)

    @override
    def answer_again(self, first: Answer, *, same_body: bool) -> Answer:
        if same_body:
            return first
        words = "Same idempotency key used with a different request payload."
        return error(409, "invalid_idempotent_request", words)

    @override
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

    @override
    def question(self, call: Incoming) -> Answer:
        match call.method, call.path.split("/")[1:]:
            case "GET", ["emails"]:
                return self._listed(parse_qs(call.query))
            case "GET", ["emails", email_id]:
                one = self._mailbox.by_provider_id("resend", email_id)
                if one is None:
                    return error(404, "not_found", "Email not found")
                letter = self.letter(one.shared, one.own, one.recipient)
                tags = [{"name": name, "value": value} for name, value in letter.meta.items()]
                whole = {**_in_short(one), "object": "email", "html": letter.html}
                return answer_json(
                    200, {**whole, "text": letter.text, "tags": tags}, self._rate_headers()
                )
        return error(404, "not_found", "The requested endpoint does not exist.")

    def _listed(self, asked: Mapping[str, Sequence[str]]) -> Answer:
        limit = asked.get("limit", ["20"])[0]
        if not limit.isdecimal() or not 1 <= int(limit) <= MOST:
            return error(422, "validation_error", "The limit must be between 1 and 100.")
        before: int | None = None
        if after := asked.get("after"):
            anchor = self._mailbox.by_provider_id("resend", after[0])
            if anchor is None:
                return error(404, "not_found", "The email to list after does not exist.")
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


def _in_short(one: Stored) -> Wire:
    own = one.own
    return {
        "id": one.provider_id,
        "to": own["to"],
        "from": own["from"],
        "created_at": iso(one.accepted_at),
        "subject": own["subject"],
        "bcc": None,
        "cc": None,
        "reply_to": own.get("reply_to"),
        "last_event": {"bounce": "bounced", "softbounce": "bounced", "drop": "suppressed"}.get(
            one.fate or "", "delivered"
        ),
        "scheduled_at": None,
    }
