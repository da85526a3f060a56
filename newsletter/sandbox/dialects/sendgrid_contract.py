"""What SendGrid's v3 mail send allows: the published shapes, the documented limits, the error bodies."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import orjson

from newsletter.sandbox.dialects import Answer, Incoming, Refused, Wire, answer_json
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
from newsletter.sandbox.letters import is_address

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
        "to": each(_ADDRESS),
        "cc": each(_ADDRESS),
        "bcc": each(_ADDRESS),
        "from": _ADDRESS,
        "subject": str,
        "headers": texts,
        "substitutions": texts,
        "dynamic_template_data": unmodelled,
        "custom_args": texts,
        "send_at": int,
    },
    required=["to"],
)
_MAIL: Final = fields(
    {
        "personalizations": each(_PERSONALIZATION),
        "from": _ADDRESS,
        "reply_to": _ADDRESS,
        "reply_to_list": unmodelled,
        "subject": str,
        "content": each(fields({"type": str, "value": str}, required=["type", "value"])),
        "attachments": unmodelled,
        "template_id": unmodelled,
        "headers": texts,
        "categories": each(str),
        # Typed as a string in the published contract, where an object is meant:
        # only the personalizations' own custom_args satisfy every reader of it.
        "custom_args": str,
        "send_at": int,
        "batch_id": str,
        "asm": unmodelled,
        "ip_pool_name": str,
        "mail_settings": fields(
            {
                "bypass_list_management": _SWITCH,
                "bypass_spam_management": _SWITCH,
                "bypass_bounce_management": _SWITCH,
                "bypass_unsubscribe_management": _SWITCH,
                "footer": unmodelled,
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
                "ganalytics": unmodelled,
            }
        ),
    },
    required=["personalizations", "from"],
)


def checked(call: Incoming) -> Wire:
    """The mail of a call; raise Refused, in SendGrid's words, at whatever the contract forbids."""
    try:
        mail: Wire = parsed(call.body)
        hold(mail, _MAIL)
    except Drift as drift:
        raise refused(400, _sentence(drift), drift.where or None) from None
    _check_whole(mail, call.now)
    _check_people(mail["personalizations"], call)
    return mail


def _check_whole(mail: Wire, now: datetime) -> None:
    """What the contract says beyond types, for what is the same for everybody."""
    if not is_address(mail["from"]["email"]):
        raise refused(400, "The from email does not contain a valid address.", "from.email")
    if (reply := mail.get("reply_to")) and not is_address(reply["email"]):
        raise refused(400, "The reply_to email does not contain a valid address.", "reply_to.email")
    content: list[Wire] = mail.get("content", [])
    if not content:
        raise refused(
            400,
            "Unless a valid template_id is provided, the content parameter is required. "
            "There must be at least one defined content block.",
            "content",
        )
    if any(not part["value"] for part in content):
        raise refused(
            400,
            "The content value must be a string at least one character in length.",
            "content.0.value",
        )
    if [part["type"] for part in content] not in (
        ["text/plain"],
        ["text/html"],
        ["text/plain", "text/html"],
    ):
        raise refused(
            400,
            "If present, text/plain and text/html may only be provided once, "
            "text/plain first, followed by text/html.",
            "content",
        )
    categories: list[str] = mail.get("categories", [])
    if len(categories) > _MAX_CATEGORIES or len(set(categories)) != len(categories):
        raise refused(400, "There may be at most 10 categories, each of them once.", "categories")
    if any(len(category) > _MAX_CATEGORY for category in categories):
        raise refused(400, "A category may have at most 255 characters.", "categories")
    if (send_at := mail.get("send_at")) and send_at > (now + _FURTHEST_SEND).timestamp():
        raise refused(400, "Scheduling more than 72 hours in advance is forbidden.", "send_at")
    _check_headers(mail.get("headers", {}), "headers")


def _check_people(people: Sequence[Wire], call: Incoming) -> None:
    if not people:
        raise refused(
            400,
            "The personalizations field is required and must have at least one personalization.",
            "personalizations",
        )
    everybody = sum(len(p["to"]) + len(p.get("cc", ())) + len(p.get("bcc", ())) for p in people)
    if len(people) > _MAX_RECIPIENTS or everybody > _MAX_RECIPIENTS:
        raise refused(
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
            raise refused(
                400,
                "Each email address in the personalization block should be unique "
                "between to, cc, and bcc. We found the first duplicate instance of "
                f"[{address}] in the {where}.to field.",
                "personalizations",
            )
        else:
            seen.add(plain)
    if invalid:
        raise Refused(errors(400, invalid))


def _check_person(person: Wire, where: str) -> None:
    if len(person["to"]) != 1 or "cc" in person or "bcc" in person:
        raise refused(
            400,
            "The sandbox takes one recipient for each personalization: more would "
            "see each other's addresses.",
            f"{where}.to",
        )
    for name in ("substitutions", "custom_args"):
        if (values := person.get(name)) and _weight(values) > _MAX_BYTES:
            raise refused(400, f"The {name} may have at most 10000 bytes.", f"{where}.{name}")
    if headers := person.get("headers"):
        _check_headers(headers, f"{where}.headers")


def _check_headers(headers: Mapping[str, str], where: str) -> None:
    for name, value in headers.items():
        if name.lower() in _RESERVED:
            raise refused(400, f"The header {name} is reserved.", f"{where}.{name}")
        if not name.isascii() or breaks_a_line(name) or breaks_a_line(value) or ":" in name:
            raise refused(400, f"The header {name!r} is not one line of text.", where)


def _weight(values: Mapping[str, str]) -> int:
    # Characters first: only a large one needs counting in bytes.
    rough = sum(map(len, values)) + sum(map(len, values.values()))
    return rough if rough * 4 <= _MAX_BYTES else len(orjson.dumps(values))


def _sentence(drift: Drift) -> str:
    return f"Bad Request: {drift.where} {drift.why}" if drift.where else "Bad Request"


def refused(status: int, message: str, field: str | None = None) -> Refused:
    """One error as a refusal of the whole call."""
    return Refused(errors(status, [(message, field)]))


def errors(status: int, errors: Sequence[tuple[str, str | None]]) -> Answer:
    """SendGrid's error body: messages with the fields they concern."""
    return answer_json(
        status,
        {
            "errors": [
                {"message": message, "field": field, "help": _HELP + field if field else None}
                for message, field in errors
            ]
        },
    )
