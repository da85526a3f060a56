"""What Resend's API allows in an email and in a batch, and its error bodies."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from newsletter.sandbox.dialects import Answer, Incoming, Refused, Wire, answer_json
from newsletter.sandbox.dialects.contract import (
    Drift,
    Shape,
    breaks_a_line,
    each,
    either,
    fields,
    hold,
    parsed,
    texts,
    unmodelled,
)
from newsletter.sandbox.letters import bare, is_address

BATCH: Final = "/emails/batch"
MOST: Final = 100
LONGEST_KEY: Final = 256
_TAG: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_ADDRESSES: Final = either(str, each(str))
_EMAIL_FIELDS: Final[Mapping[str, Shape]] = {
    "from": str,
    "to": _ADDRESSES,
    "subject": str,
    "bcc": unmodelled,
    "cc": unmodelled,
    "reply_to": _ADDRESSES,
    "html": str,
    "text": str,
    "headers": texts,
    "scheduled_at": unmodelled,
    "attachments": unmodelled,
    "tags": each(fields({"name": str, "value": str}, required=["name", "value"])),
    "template": unmodelled,
    "topic_id": str,
}
_EMAIL: Final = fields(_EMAIL_FIELDS, required=["from", "to", "subject"])


def emails_of(call: Incoming) -> list[object]:
    """The emails of a call, one or a batch; raise Refused when there are too many or none."""
    try:
        body = parsed(call.body)
    except Drift as drift:
        raise refused(400, "validation_error", drift.why) from None
    batch = call.path == BATCH
    if batch and not isinstance(body, list):
        raise refused(422, "validation_error", "The batch must be a list of emails.")
    emails: list[object] = body if batch else [body]
    if not 1 <= len(emails) <= MOST:
        raise refused(422, "validation_error", "A batch holds between 1 and 100 emails.")
    return emails


def sorted_out(emails: Sequence[object], call: Incoming) -> tuple[list[Wire], list[Wire]]:
    """The valid emails, and what is wrong with the others; strict mode refuses all for one.

    A field that Resend does not know refuses the call in either mode: it is
    the caller's mistake and no recipient's.
    """
    mode = call.headers.get("x-batch-validation", "strict")
    if mode not in {"strict", "permissive"}:
        raise refused(400, "validation_error", "x-batch-validation must be strict or permissive.")
    permissive = mode == "permissive" and call.path == BATCH
    good: list[Wire] = []
    errors: list[Wire] = []
    for index, item in enumerate(emails):
        try:
            good.append(_checked(item, str(index) if call.path == BATCH else "", call))
        except Drift as drift:
            if not permissive:
                name = "missing_required_field" if drift.missing else "validation_error"
                raise refused(422, name, drift.why) from None
            errors.append({"index": index, "message": drift.why})
    return good, errors


def _checked(email: object, where: str, call: Incoming) -> Wire:
    """One email of a call, its recipients as a list; raise Drift with the vendor's words."""
    try:
        hold(email, _EMAIL, where)
    except Drift as drift:
        if not drift.missing:
            raise refused(422, "validation_error", str(drift)) from None
        raise _missing(drift.where.rpartition(".")[2], where) from None
    if not isinstance(email, dict):
        raise refused(422, "validation_error", "An email must be an object.")
    to: list[str] = [email["to"]] if isinstance(email["to"], str) else email["to"]
    if len(to) != 1:
        words = "The sandbox takes one recipient for each email: events do not say which one."
        raise refused(422, "validation_error", words)
    if not email.get("html") and not email.get("text"):
        raise _missing("html` or `text", where)
    if not is_address(bare(to[0])) or call.refuses(bare(to[0])):
        raise _invalid("to", where)
    if not is_address(bare(email["from"])):
        raise _invalid("from", where)
    _check_lines(email, where)
    return {**email, "to": to}


def _check_lines(email: Wire, where: str) -> None:
    """Tags, headers and subject must stay what they are: words and single lines."""
    for tag in email.get("tags", ()):
        if not _TAG.fullmatch(tag["name"]) or not _TAG.fullmatch(tag["value"]):
            words = "Tags should only contain ASCII letters, numbers, underscores, or dashes."
            raise Drift(where, words)
    for name, value in email.get("headers", {}).items():
        if breaks_a_line(name) or breaks_a_line(value) or ":" in name:
            raise Drift(where, f"The header {name!r} is not one line of text.")
    if breaks_a_line(email["subject"]):
        raise Drift(where, "The `subject` must be one line.")


def _missing(field: str, where: str) -> Drift:
    return Drift(where, f"Missing `{field}` field.", missing=True)


def _invalid(field: str, where: str) -> Drift:
    return Drift(
        where,
        f"Invalid `{field}` field. The email address needs to follow the "
        "`email@example.com` or `Name <email@example.com>` format.",
    )


def refused(status: int, name: str, message: str) -> Refused:
    """An error as a refusal of the whole call."""
    return Refused(error(status, name, message))


def error(status: int, name: str, message: str) -> Answer:
    """Resend's error body."""
    return answer_json(status, {"statusCode": status, "name": name, "message": message})
