"""SendGrid v3: up to 1,000 personalizations a call, merged by the provider, no idempotency key."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

import orjson
from typing_extensions import override

from newsletter.sandbox.config import SandboxConfig
from newsletter.sandbox.dialects import Answer, Arrival, Copy, Dialect, Incoming, Wire, named
from newsletter.sandbox.dialects.sendgrid_contract import checked, errors, refused
from newsletter.sandbox.dialects.sendgrid_events import SendGridEvents
from newsletter.sandbox.dialects.sendgrid_search import Search
from newsletter.sandbox.letters import Letter, mailbox
from newsletter.sandbox.mailbox import Mailbox


class SendGrid(Dialect):
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

    def __init__(self, config: SandboxConfig, mailbox: Mailbox) -> None:
        self._keys = config.keys
        self._search = Search(mailbox, self, index_after=config.delays.index)
        self.webhooks = SendGridEvents(config.keys.sendgrid_private_key)

    @override
    def authorise(self, call: Incoming) -> None:
        given = call.headers.get("authorization", "")
        if not secrets.compare_digest(
            given.encode(), f"Bearer {self._keys.sendgrid_api_key}".encode()
        ):
            raise refused(401, "The provided authorization grant is invalid, expired, or revoked")

    @override
    def read(self, call: Incoming) -> Arrival:
        mail = checked(call)
        people: list[Wire] = mail.pop("personalizations")
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

    @override
    def failure(self, status: int, *, retry_after: float | None, now: datetime) -> Answer:
        del now
        words = {
            413: "The JSON payload you have included in your request is too large.",
            429: "too many requests",
            500: "Internal Server Error",
            503: "Service Unavailable",
        }
        answer = errors(status, [(words.get(status, "error"), None)])
        # SendGrid documents no Retry-After; one that is ordered is still sent.
        headers = {"retry-after": f"{retry_after:g}"} if retry_after is not None else {}
        return Answer(status, answer.body, {**answer.headers, **headers})

    @override
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

    @override
    def question(self, call: Incoming) -> Answer:
        return self._search.answer(call)
