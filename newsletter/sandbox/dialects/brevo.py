"""Brevo: up to 1,000 versions of a mail a call, merged by the caller, a key that lives for minutes."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final
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
    Refused,
    Wire,
    answer_json,
    named,
)
from newsletter.sandbox.dialects.basic import is_same
from newsletter.sandbox.dialects.brevo_contract import checked, error
from newsletter.sandbox.dialects.brevo_events import CUSTOM, BrevoEvents, reported
from newsletter.sandbox.letters import Letter, mailbox
from newsletter.sandbox.mailbox import Mailbox

_MOST: Final = 2500  # events in one report
_LONGEST: Final = timedelta(days=90)
_ASKED: Final = frozenset(
    {
        *("limit", "offset", "startDate", "endDate", "days", "email", "event", "tags"),
        *("messageId", "sort"),
    }
)


class Brevo(Dialect):
    """https://api.brevo.com as far as a newsletter needs it."""

    name: ClassVar[str] = "brevo"
    sends: ClassVar[Sequence[str]] = ("/v3/smtp/email",)
    asks: ClassVar[Sequence[tuple[str, str]]] = (("GET", "/v3/smtp/statistics/events"),)
    max_body: ClassVar[int] = 20 * 1024 * 1024
    #: The guide says thirty minutes, the note at the launch fifteen: callers must plan for less.
    key_lives: ClassVar[timedelta | None] = timedelta(minutes=15)

    def __init__(self, config: SandboxConfig, mailbox: Mailbox) -> None:
        keys = config.keys
        self._key = keys.brevo_api_key
        self._mailbox = mailbox
        self._delays = config.delays
        self.webhooks = BrevoEvents(keys.brevo_webhook_user, keys.brevo_webhook_password)

    @override
    def authorise(self, call: Incoming) -> None:
        if not is_same(call.headers.get("api-key", ""), self._key):
            raise Refused(error(401, "unauthorized", "Key not found"))

    @override
    def read(self, call: Incoming) -> Arrival:
        mail, versions = checked(call)
        headers: dict[str, str] = mail.get("headers", {})
        key = headers.pop("idempotencyKey", None)
        base_html = versions[0].get("htmlContent") or mail["htmlContent"]
        base_text = versions[0].get("textContent") or mail.get("textContent", "")
        copies = []
        for version in versions:
            own = {
                **version,
                "htmlContent": shrink(base_html, version.get("htmlContent") or mail["htmlContent"]),
                "textContent": shrink(
                    base_text, version.get("textContent") or mail.get("textContent", "")
                ),
            }
            meta = custom_of({**headers, **version.get("headers", {})})
            copies.append(
                Copy(
                    version["to"][0]["email"],
                    f"{call.now:%Y%m%d%H%M}.{secrets.token_hex(8)}@smtp-relay.sandbox",
                    named(meta, "delivery"),
                    orjson.dumps(own),
                )
            )
        ids = [f"<{copy.provider_id}>" for copy in copies]
        many = "messageVersions" in mail
        tags: list[str] = mail.get("tags", [])
        shared = {n: v for n, v in mail.items() if n not in {"messageVersions", "to"}}
        return Arrival(
            shared={**shared, "htmlContent": base_html, "textContent": base_text},
            copies=copies,
            answer=answer_json(201, {"messageIds": ids} if many else {"messageId": ids[0]}),
            subject=versions[0].get("subject") or mail.get("subject", ""),
            batch=next(iter(tags), None),
            tags=tags,
            key=key,
        )

    @override
    def failure(self, status: int, *, retry_after: float | None, now: datetime) -> Answer:
        del now
        code, words = {
            413: ("invalid_parameter", "The request is too large"),
            429: ("too_many_requests", "The expected rate limit is exceeded."),
            503: ("service_unavailable", "Service unavailable"),
        }.get(status, ("internal_error", "Internal server error"))
        headers = {}
        if retry_after is not None:
            headers = {
                "x-sib-ratelimit-limit": "100",
                "x-sib-ratelimit-remaining": "0",
                "x-sib-ratelimit-reset": f"{retry_after:g}",
            }
        return error(status, code, words, headers)

    @override
    def answer_in_flight(self) -> Answer:
        # What Brevo says meanwhile is not documented; this promises nothing either way.
        return error(409, "document_conflict", "A request with this key is being processed")

    @override
    def answer_again(self, first: Answer, *, same_body: bool) -> Answer:
        del first, same_body
        return error(400, "duplicate_parameter", "The idempotencyKey was used before")

    @override
    def letter(self, shared: Wire, own: Wire, recipient: str) -> Letter:
        sender: Wire = shared["sender"]
        reply: Wire | None = own.get("replyTo") or shared.get("replyTo")
        headers = {**shared.get("headers", {}), **own.get("headers", {})}
        return Letter(
            sender=mailbox(sender.get("name"), sender["email"]),
            recipient=mailbox(own["to"][0].get("name"), recipient),
            subject=own.get("subject") or shared.get("subject", ""),
            html=restore(shared["htmlContent"], own["htmlContent"]),
            text=restore(shared["textContent"], own["textContent"]),
            reply_to=mailbox(reply.get("name"), reply["email"]) if reply else None,
            headers=tuple((_recased(name), value) for name, value in headers.items()),
            meta=custom_of(headers),
            tags=tuple(shared.get("tags", ())),
        )

    @override
    def question(self, call: Incoming) -> Answer:
        asked = {name: values[0] for name, values in parse_qs(call.query).items()}
        if unknown := asked.keys() - _ASKED:
            return error(400, "invalid_parameter", f"{min(unknown)} is not a parameter")
        try:
            limit, offset = int(asked.get("limit", "2500")), int(asked.get("offset", "0"))
            where = self._where(asked, call.now)
        except ValueError as problem:
            return error(400, "invalid_parameter", str(problem))
        if not 1 <= limit <= _MOST or offset < 0:
            return error(400, "invalid_parameter", "limit must be from 1 to 2500")
        events = [
            event
            for one in self._mailbox.search(where=where, limit=offset + limit)
            for event in reported(one, self._delays, now=call.now)
            if asked.get("event") in {None, event["event"]}
        ]
        page = events[offset : offset + limit]
        return answer_json(200, {"events": page} if page else {})

    def _where(self, asked: Mapping[str, str], now: datetime) -> dict[str, object]:
        where: dict[str, object] = {
            "dialect": self.name,
            "recipient": asked.get("email"),
            "provider_id": asked.get("messageId", "").strip("<>"),
            "seen_by": now.timestamp() - self._delays.index,
        }
        if "tags" in asked:
            tags = orjson.loads(asked["tags"])
            if not isinstance(tags, list) or len(tags) != 1:
                raise ValueError("the sandbox looks for one tag at a time, as a JSON list")
            where["tag"] = tags[0]
        if "days" in asked:
            days = int(asked["days"])
            if not 0 < days <= _LONGEST.days or "startDate" in asked:
                raise ValueError("days may be 1 to 90, and not beside startDate and endDate")
            today = now.replace(hour=0, minute=0, second=0, microsecond=0)
            where["since"] = (today - timedelta(days=days - 1)).timestamp()
        if ("startDate" in asked) != ("endDate" in asked):
            raise ValueError("startDate and endDate go together")
        if "startDate" in asked:
            start = datetime.fromisoformat(asked["startDate"]).replace(tzinfo=UTC)
            end = datetime.fromisoformat(asked["endDate"]).replace(tzinfo=UTC) + timedelta(days=1)
            if not timedelta(0) < end - start <= _LONGEST + timedelta(days=1):
                raise ValueError("startDate and endDate may be at most 90 days apart")
            where |= {"since": start.timestamp(), "until": end.timestamp()}
        return where


def custom_of(headers: Mapping[str, str]) -> dict[str, str]:
    """The pairs in X-Mailin-custom, ``name:value`` joined by bars."""
    value = next((v for name, v in headers.items() if name.lower() == CUSTOM.lower()), "")
    pairs = (part.partition(":") for part in value.split("|") if ":" in part)
    return {name: rest for name, _, rest in pairs}


def _recased(name: str) -> str:
    """Brevo writes every header's name in title case."""
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))
