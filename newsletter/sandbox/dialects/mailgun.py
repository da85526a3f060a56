"""Mailgun v3: a form for up to 1,000 recipients, merged by the provider, one id for the call."""

import base64
import email.utils
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar
from urllib.parse import parse_qs

import orjson
from typing_extensions import override

from newsletter.sandbox.config import SandboxConfig
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
from newsletter.sandbox.dialects.basic import basic, is_same
from newsletter.sandbox.dialects.mailgun_contract import checked, error, merged, refused
from newsletter.sandbox.dialects.mailgun_events import MailgunEvents, happened_to
from newsletter.sandbox.letters import Letter, mailbox
from newsletter.sandbox.mailbox import Mailbox

_MOST = 300
_ASKED = frozenset(
    {
        *("begin", "end", "ascending", "limit", "event", "tags", "recipient", "subject"),
        *("message-id", "to", "from", "severity"),
    }
)


class Mailgun(Dialect):
    """https://api.mailgun.net as far as a newsletter needs it."""

    name: ClassVar[str] = "mailgun"
    sends: ClassVar[Sequence[str]] = ("/v3/{domain}/messages",)
    asks: ClassVar[Sequence[tuple[str, str]]] = (
        ("GET", "/v3/{domain}/events"),
        ("GET", "/v3/{domain}/events/{page}"),
    )
    max_body: ClassVar[int] = int(52.4 * 1024 * 1024)

    def __init__(self, config: SandboxConfig, mailbox: Mailbox) -> None:
        self._credential = basic("api", config.keys.mailgun_api_key)
        self._mailbox = mailbox
        self._delays = config.delays
        self._url = config.url
        self.webhooks = MailgunEvents(config.keys.mailgun_signing_key)

    @override
    def authorise(self, call: Incoming) -> None:
        if not is_same(call.headers.get("authorization", ""), self._credential):
            raise refused(401, "Invalid private key")

    @override
    def read(self, call: Incoming) -> Arrival:
        domain = call.path.split("/")[2]
        shared, people = checked(call)
        message_id = f"{call.now:%Y%m%d%H%M%S}.{secrets.token_hex(8)}@{domain}"
        answer = answer_json(200, {"id": f"<{message_id}>", "message": "Queued. Thank you."})
        shared["id"], shared["domain"] = message_id, domain
        if shared.pop("testmode"):
            return Arrival(shared={}, copies=(), answer=answer)
        delivery = named(shared["variables"], "delivery") or ""
        copies = [
            Copy(
                person["address"],
                message_id,
                merged(delivery, person["address"], person["values"]) or None,
                orjson.dumps(person),
            )
            for person in people
        ]
        return Arrival(
            shared=shared,
            copies=copies,
            answer=answer,
            subject=shared["subject"],
            batch=named(shared["variables"], "batch") or next(iter(shared["tags"]), None),
            tags=shared["tags"],
        )

    @override
    def failure(self, status: int, *, retry_after: float | None, now: datetime) -> Answer:
        if status == 429:  # noqa: PLR2004 - HTTP
            # When to come back stands in the text; a header is not documented.
            until = email.utils.format_datetime(now + timedelta(seconds=retry_after or 1))
            return error(429, f"Domain is rate limited: request, try again after {until}")
        words = {413: "Request Entity Too Large", 503: "Service Unavailable"}
        headers = {"retry-after": f"{retry_after:g}"} if retry_after is not None else {}
        return error(status, words.get(status, "Internal Server Error"), headers)

    @override
    def letter(self, shared: Wire, own: Wire, recipient: str) -> Letter:
        def filled(text: str) -> str:
            return merged(text, recipient, own["values"])

        headers = {name: filled(value) for name, value in shared["headers"].items()}
        reply_to = next((headers.pop(n) for n in list(headers) if n.lower() == "reply-to"), None)
        variables = {name: filled(value) for name, value in shared["variables"].items()}
        if variables:
            # Recipients can read what a sender keeps in variables.
            headers["X-Mailgun-Variables"] = orjson.dumps(variables).decode()
        return Letter(
            sender=shared["from"],
            recipient=mailbox(own["name"], recipient),
            subject=filled(shared["subject"]),
            html=filled(shared["html"]),
            text=filled(shared["text"]),
            reply_to=reply_to,
            headers=tuple(headers.items()),
            meta=variables,
            tags=tuple(shared["tags"]),
        )

    @override
    def question(self, call: Incoming) -> Answer:
        parts = call.path.split("/")
        asked = {name: values[0] for name, values in parse_qs(call.query).items()}
        after = 0
        if len(parts) == 5:  # noqa: PLR2004 - /v3/domain/events/page
            try:
                page = orjson.loads(base64.urlsafe_b64decode(parts[4]))
                asked, after = page["asked"], page["after"]
            except (ValueError, KeyError, TypeError):
                return error(404, "Page not found")
        if unknown := asked.keys() - _ASKED:
            return error(400, f"{min(unknown)} is not a filter of the events")
        limit = asked.get("limit", "100")
        if not limit.isdecimal() or not 1 <= int(limit) <= _MOST:
            return error(400, "limit must be from 1 to 300")
        items, last = self._events(parts[2], asked, after, int(limit), call.now)
        return answer_json(200, {"items": items, "paging": self._paging(parts[2], asked, last)})

    def _events(
        self, domain: str, asked: dict[str, str], after: int, limit: int, now: datetime
    ) -> tuple[list[Wire], int]:
        """Events that the log shows by now, and the last message they were taken from."""
        where: dict[str, object] = {
            "dialect": self.name,
            "tag": asked.get("tags"),
            "recipient": asked.get("recipient"),
            "provider_id": asked.get("message-id"),
            "subject": asked.get("subject"),
            "since": float(asked["begin"]) if "begin" in asked else None,
            "seen_by": now.timestamp() - self._delays.index,
        }
        items: list[Wire] = []
        last = after
        for one in self._mailbox.search(where=where, after_id=after, limit=limit):
            last = one.id
            if one.shared["domain"] != domain:
                continue
            events = happened_to(one, self._delays, now=now)
            items += [e for e in events if asked.get("event") in {None, e["event"]}]
        return items[:limit], last

    def _paging(self, domain: str, asked: dict[str, str], last: int) -> Wire:
        page = base64.urlsafe_b64encode(orjson.dumps({"asked": asked, "after": last})).decode()
        first = base64.urlsafe_b64encode(orjson.dumps({"asked": asked, "after": 0})).decode()
        url = f"{self._url}/v3/{domain}/events/"
        return {
            "next": url + page,
            "previous": url + first,
            "first": url + first,
            "last": url + page,
        }
