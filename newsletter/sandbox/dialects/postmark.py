"""Postmark: up to 500 whole messages a call, an answer for each of them, no idempotency key."""

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

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
from newsletter.sandbox.dialects.contract import (
    Drift,
    breaks_a_line,
    each,
    fields,
    hold,
    parsed,
    texts,
    unmodelled,
)
from newsletter.sandbox.dialects.postmark_events import PostmarkEvents
from newsletter.sandbox.letters import Letter, bare, is_address
from newsletter.sandbox.mailbox import Mailbox, Stored

_MOST: Final = 500
_FURTHEST: Final = 10_000  # messages that a search reaches
_BODY: Final = 5 * 1024 * 1024  # bytes of one body
_TAG: Final = 1000  # characters
_LINKS: Final = frozenset({"None", "HtmlAndText", "HtmlOnly", "TextOnly"})
#: Dates in searches are in Postmark's own zone.
_EASTERN: Final = ZoneInfo("America/New_York")
_METADATA: Final = re.compile(r"metadata_(.+)")
_BAD_JSON, _INVALID, _INACTIVE, _TOO_MANY = 402, 300, 406, 410

_MESSAGE: Final = fields(
    {
        "From": str,
        "To": str,
        "Cc": unmodelled,
        "Bcc": unmodelled,
        "Subject": str,
        "Tag": str,
        "HtmlBody": str,
        "TextBody": str,
        "ReplyTo": str,
        "Headers": each(fields({"Name": str, "Value": str}, required=["Name", "Value"])),
        "Metadata": texts,
        "TrackOpens": bool,
        "TrackLinks": str,
        "Attachments": unmodelled,
        "MessageStream": str,
    },
    required=["From", "To"],
)


class Postmark(Dialect):
    """https://api.postmarkapp.com as far as a newsletter needs it."""

    name: ClassVar[str] = "postmark"
    sends: ClassVar[Sequence[str]] = ("/email/batch", "/email")
    asks: ClassVar[Sequence[tuple[str, str]]] = (("GET", "/messages/outbound"),)
    max_body: ClassVar[int] = 50 * 1024 * 1024

    def __init__(self, config: SandboxConfig, mailbox: Mailbox) -> None:
        keys = config.keys
        self._token = keys.postmark_server_token
        self._mailbox = mailbox
        self._index_after = config.delays.index
        self.webhooks = PostmarkEvents(keys.postmark_webhook_user, keys.postmark_webhook_password)

    @override
    def authorise(self, call: Incoming) -> None:
        if not is_same(call.headers.get("x-postmark-server-token", ""), self._token):
            words = "No Account or Server API tokens were supplied, or the token is not valid."
            raise _refused(401, 10, words)

    @override
    def read(self, call: Incoming) -> Arrival:
        batch = call.path == "/email/batch"
        try:
            body = parsed(call.body)
            messages: list[Wire] = body if batch else [body]
            hold(messages, each(_MESSAGE))
        except Drift as drift:
            raise _refused(422, _INVALID if drift.where else _BAD_JSON, str(drift)) from None
        if len(messages) > _MOST:
            raise _refused(422, _TOO_MANY, "A batch may hold at most 500 messages.")
        base = messages[0] if messages else {}
        results: list[Wire] = []
        copies: list[Copy] = []
        for message in messages:
            if (wrong := _wrong_with(message, call)) is not None:
                results.append({"ErrorCode": wrong[0], "Message": wrong[1]})
                continue
            copies.append(_copy(message, base))
            results.append(
                {
                    "To": message["To"],
                    "SubmittedAt": call.now.isoformat(),
                    "MessageID": copies[-1].provider_id,
                    "ErrorCode": 0,
                    "Message": "OK",
                }
            )
        meta: Mapping[str, str] = base.get("Metadata", {})
        if not batch and not copies:
            raise _refused(422, results[0]["ErrorCode"], results[0]["Message"])
        return Arrival(
            shared={"html": base.get("HtmlBody", ""), "text": base.get("TextBody", "")},
            copies=copies,
            answer=answer_json(200, results if batch else results[0]),
            subject=base.get("Subject", ""),
            batch=named(meta, "batch") or base.get("Tag"),
            tags=[base["Tag"]] if base.get("Tag") else [],
        )

    @override
    def failure(self, status: int, *, retry_after: float | None, now: datetime) -> Answer:
        del now
        words = {
            413: "The request is too large.",
            429: "Rate limit exceeded.",
            503: "Service unavailable.",
        }
        headers = {"retry-after": f"{retry_after:g}"} if retry_after is not None else {}
        return _error(status, status, words.get(status, "Internal server error."), headers)

    @override
    def letter(self, shared: Wire, own: Wire, recipient: str) -> Letter:
        del recipient
        return Letter(
            sender=own["From"],
            recipient=own["To"],
            subject=own.get("Subject", ""),
            html=restore(shared["html"], own["HtmlBody"]),
            text=restore(shared["text"], own["TextBody"]),
            reply_to=own.get("ReplyTo"),
            headers=tuple((header["Name"], header["Value"]) for header in own.get("Headers", ())),
            meta=own.get("Metadata", {}),
            tags=(own["Tag"],) if own.get("Tag") else (),
        )

    @override
    def question(self, call: Incoming) -> Answer:
        asked = {name: values[0] for name, values in parse_qs(call.query).items()}
        where: dict[str, object] = {
            "dialect": self.name,
            "seen_by": call.now.timestamp() - self._index_after,
        }
        wanted: dict[str, str] = {}
        try:
            count, offset = int(asked.pop("count")), int(asked.pop("offset"))
            for name, value in asked.items():
                if found := _METADATA.fullmatch(name):
                    wanted[found[1]] = value
                else:
                    where |= _filter(name, value)
        except KeyError:
            return _error(422, _INVALID, "Parameters 'count' and 'offset' are required.")
        except ValueError as problem:
            return _error(422, _INVALID, str(problem))
        if not 1 <= count <= _MOST or offset < 0 or count + offset > _FURTHEST:
            return _error(422, _INVALID, "Count is at most 500, and count plus offset 10000.")
        if len(wanted) > 1:
            return _error(422, _INVALID, "One metadata field can be asked for at a time.")
        if (batch := named(wanted, "batch")) is not None:
            where["batch"] = batch  # the index knows it, which spares a walk through everything
        found_all = [
            one
            for one in self._mailbox.search(where=where, limit=_FURTHEST)
            if wanted.items() <= one.own.get("Metadata", {}).items()
        ]
        page = [_in_short(one) for one in found_all[offset : offset + count]]
        return answer_json(200, {"TotalCount": len(found_all), "Messages": page})


def _copy(message: Wire, base: Wire) -> Copy:
    own = {
        **message,
        "HtmlBody": shrink(base.get("HtmlBody", ""), message.get("HtmlBody", "")),
        "TextBody": shrink(base.get("TextBody", ""), message.get("TextBody", "")),
    }
    meta: Mapping[str, str] = message.get("Metadata", {})
    return Copy(bare(message["To"]), str(uuid.uuid4()), named(meta, "delivery"), orjson.dumps(own))


def _wrong_with(message: Wire, call: Incoming) -> tuple[int, str] | None:  # noqa: PLR0911 - one for each rule
    """The error of one message, which leaves the others as they are, or None."""
    address = bare(message["To"])
    if not is_address(address):
        return _INVALID, "Invalid 'To' address."
    if call.refuses(address):
        words = "You tried to send to a recipient that has been marked as inactive."
        return _INACTIVE, words
    if not is_address(bare(message["From"])):
        return _INVALID, "Invalid 'From' address."
    if not message.get("HtmlBody") and not message.get("TextBody"):
        return _INVALID, "Provide either email TextBody or HtmlBody or both."
    if any(len(message.get(part, "")) > _BODY for part in ("HtmlBody", "TextBody")):
        return _INVALID, "A body may have at most 5 MB."
    if len(message.get("Tag", "")) > _TAG or message.get("TrackLinks", "None") not in _LINKS:
        return _INVALID, "The 'Tag' or the 'TrackLinks' value is not valid."
    for header in message.get("Headers", ()):
        if breaks_a_line(header["Name"] + header["Value"]) or ":" in header["Name"]:
            return _INVALID, f"The header {header['Name']!r} is not one line of text."
    return None


def _filter(name: str, value: str) -> Wire:
    """One search parameter as a condition on the mailbox; raise ValueError for an unknown one."""
    if name in {"tag", "recipient", "subject"}:
        return {name: value}
    if name in {"fromdate", "todate"}:
        moment = datetime.fromisoformat(value).replace(tzinfo=_EASTERN)
        if name == "todate" and len(value) == len("2026-11-23"):
            moment += timedelta(days=1)
        return {"since" if name == "fromdate" else "until": moment.timestamp()}
    if name in {"messagestream", "status", "fromemail"}:
        return {}
    raise ValueError(f"{name} is not a parameter of this search")


def _in_short(one: Stored) -> Wire:
    own: dict[str, Any] = one.own
    return {
        "Tag": own.get("Tag", ""),
        "MessageID": one.provider_id,
        "To": [{"Email": one.recipient, "Name": None}],
        "Cc": [],
        "Bcc": [],
        "Recipients": [one.recipient],
        "ReceivedAt": one.accepted_at.astimezone(_EASTERN).isoformat(),
        "From": own["From"],
        "Subject": own.get("Subject", ""),
        "Attachments": [],
        "Status": "Sent",
        "TrackOpens": own.get("TrackOpens", False),
        "TrackLinks": own.get("TrackLinks", "None"),
        "Metadata": own.get("Metadata", {}),
        "MessageStream": own.get("MessageStream", "outbound"),
    }


def _refused(status: int, code: int, message: str) -> Refused:
    return Refused(_error(status, code, message))


def _error(
    status: int, code: int, message: str, headers: Mapping[str, str] | None = None
) -> Answer:
    return answer_json(status, {"ErrorCode": code, "Message": message}, headers)
