"""What Brevo's transactional call allows: versions of a mail, ASCII headers, a key in the body."""

import uuid
from collections.abc import Mapping
from typing import Final

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

_VERSIONS: Final = 1000
_PERSON: Final = fields({"email": str, "name": str}, required=["email"])
_VERSION: Final = fields(
    {
        "to": each(_PERSON),
        "cc": unmodelled,
        "bcc": unmodelled,
        "params": unmodelled,
        "subject": str,
        "htmlContent": str,
        "textContent": str,
        "replyTo": _PERSON,
        # Absent from the vendor's schema, but taken in practice.
        "headers": texts,
    },
    required=["to"],
)
_MAIL: Final = fields(
    {
        "sender": _PERSON,
        "to": each(_PERSON),
        "cc": unmodelled,
        "bcc": unmodelled,
        "subject": str,
        "htmlContent": str,
        "textContent": str,
        "templateId": unmodelled,
        "params": unmodelled,
        "replyTo": _PERSON,
        "headers": texts,
        "tags": each(str),
        "attachment": unmodelled,
        "scheduledAt": unmodelled,
        "batchId": str,
        "messageVersions": each(_VERSION),
    },
    required=["sender"],
)


def checked(call: Incoming) -> tuple[Wire, list[Wire]]:
    """The mail and its versions (one, when it has none); raise Refused as Brevo does."""
    try:
        mail: Wire = parsed(call.body)
        hold(mail, _MAIL)
    except Drift as drift:
        code = "missing_parameter" if drift.missing else "invalid_parameter"
        raise Refused(error(400, code, str(drift))) from None
    versions: list[Wire] = mail.get("messageVersions") or [{"to": mail.get("to", [])}]
    if len(versions) > _VERSIONS:
        raise refused("messageVersions may hold at most 1000 versions")
    if not is_address(mail["sender"]["email"]):
        raise refused("valid sender email required")
    if not mail.get("htmlContent"):
        raise Refused(error(400, "missing_parameter", "htmlContent is missing"))
    key = mail.get("headers", {}).get("idempotencyKey")
    if key is not None and not _is_uuid(key):
        raise refused("idempotencyKey must be a UUID")
    _check_headers(mail.get("headers", {}))
    for version in versions:
        _check_version(version, mail, call)
    return mail, versions


def _check_version(version: Wire, mail: Wire, call: Incoming) -> None:
    if len(version["to"]) != 1:
        raise refused("the sandbox takes one recipient for each version")
    address = version["to"][0]["email"]
    if call.refuses(address):
        # Here the sandbox is kinder than Brevo, which does not say which one it was.
        raise refused(f"email is not valid in to: {address}")
    if not is_address(address):
        raise refused("email is not valid in to")
    if not version.get("subject") and not mail.get("subject"):
        raise Refused(error(400, "missing_parameter", "subject is missing"))
    _check_headers(version.get("headers", {}))


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not value.isascii() or breaks_a_line(name + value):
            raise refused(f"the header {name!r} is not one line of ASCII")


def _is_uuid(key: str) -> bool:
    try:
        uuid.UUID(key)
    except ValueError:
        return False
    return True


def refused(message: str) -> Refused:
    """A refusal of the whole call; Brevo knows no other."""
    return Refused(error(400, "invalid_parameter", message))


def error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Brevo's error body."""
    return answer_json(status, {"code": code, "message": message}, headers)
