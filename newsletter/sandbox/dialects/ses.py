"""Amazon SES v2: SendBulkEmail with an inline template, 50 entries a call, signed with SigV4."""

import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Final

import orjson
from typing_extensions import override

from newsletter.sandbox.config import SandboxConfig
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
    sigv4,
)
from newsletter.sandbox.dialects.contract import (
    Drift,
    each,
    fields,
    hold,
    parsed,
    unmodelled,
)
from newsletter.sandbox.dialects.ses_events import CERTIFICATE, SesEvents
from newsletter.sandbox.letters import Letter, bare, is_address
from newsletter.sandbox.mailbox import Mailbox

_MOST: Final = 50
_HEADERS: Final = 15
_DATA: Final = 262_144  # characters of TemplateData
_NAME: Final = re.compile(r"[!-9;-@A-~]{1,126}")
_VALUE: Final = re.compile(r"[ -~]{1,995}")
_TAG: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_PLACE: Final = re.compile(r"\{\{\s*([A-Za-z0-9_.-]+)\s*\}\}")
_CLEVER: Final = re.compile(r"\{\{\s*[#/^>&!{]")

_PAIR: Final = fields({"Name": str, "Value": str}, required=["Name", "Value"])
_BULK: Final = fields(
    {
        "FromEmailAddress": str,
        "FromEmailAddressIdentityArn": unmodelled,
        "ReplyToAddresses": each(str),
        "FeedbackForwardingEmailAddress": unmodelled,
        "FeedbackForwardingEmailAddressIdentityArn": unmodelled,
        "DefaultEmailTags": each(_PAIR),
        "DefaultContent": fields(
            {
                "Template": fields(
                    {
                        "TemplateName": unmodelled,
                        "TemplateArn": unmodelled,
                        "TemplateContent": fields({"Subject": str, "Html": str, "Text": str}),
                        "TemplateData": str,
                        "Headers": each(_PAIR),
                        "Attachments": unmodelled,
                    },
                    required=["TemplateContent"],
                )
            },
            required=["Template"],
        ),
        "BulkEmailEntries": each(
            fields(
                {
                    "Destination": fields(
                        {
                            "ToAddresses": each(str),
                            "CcAddresses": unmodelled,
                            "BccAddresses": unmodelled,
                        },
                        required=["ToAddresses"],
                    ),
                    "ReplacementTags": each(_PAIR),
                    "ReplacementEmailContent": fields(
                        {"ReplacementTemplate": fields({"ReplacementTemplateData": str})}
                    ),
                    "ReplacementHeaders": each(_PAIR),
                },
                required=["Destination"],
            )
        ),
        "ConfigurationSetName": str,
        "EndpointId": str,
        "TenantName": str,
    },
    required=["FromEmailAddress", "DefaultContent", "BulkEmailEntries"],
)


class Ses(Dialect):
    """https://email.{region}.amazonaws.com as far as a newsletter needs it, and its SNS topic."""

    name: ClassVar[str] = "ses"
    sends: ClassVar[Sequence[str]] = ("/v2/email/outbound-bulk-emails",)
    asks: ClassVar[Sequence[tuple[str, str]]] = ()
    max_body: ClassVar[int] = 40 * 1024 * 1024

    def __init__(self, config: SandboxConfig, mailbox: Mailbox) -> None:
        del mailbox  # SES cannot be asked what it took
        self._keys = config.keys
        self.webhooks = SesEvents(
            config.keys.ses_private_key, config.keys.ses_topic_arn, config.url + CERTIFICATE
        )

    @override
    def authorise(self, call: Incoming) -> None:
        keys = self._keys
        try:
            sigv4.check(
                call,
                key_id=keys.ses_access_key_id,
                secret=keys.ses_secret_access_key,
                region=keys.ses_region,
                service="ses",
            )
        except sigv4.BadSignature as problem:
            raise Refused(_error(403, problem.kind, problem.why)) from None

    @override
    def read(self, call: Incoming) -> Arrival:
        try:
            bulk: Wire = parsed(call.body)
            hold(bulk, _BULK)
        except Drift as drift:
            raise _refused(str(drift)) from None
        entries: list[Wire] = bulk.pop("BulkEmailEntries")
        template: Wire = bulk["DefaultContent"]["Template"]
        if not 1 <= len(entries) <= _MOST:
            raise _refused("BulkEmailEntries may hold 1 to 50 entries")
        if not is_address(bare(bulk["FromEmailAddress"])):
            raise _refused("FromEmailAddress is not a valid address")
        wanted = _places(template["TemplateContent"])
        default = _data(template.get("TemplateData", "{}"), "TemplateData")
        _check_pairs(
            template.get("Headers", ()), bulk.get("DefaultEmailTags", ()), "DefaultContent"
        )
        results: list[Wire] = []
        copies: list[Copy] = []
        for position, entry in enumerate(entries):
            copy, result = _copy(entry, f"BulkEmailEntries.{position}", wanted, default, call)
            results.append(result)
            if copy is not None:
                copies.append(copy)
        tags = _pairs(entries[0].get("ReplacementTags", ()))
        return Arrival(
            shared=bulk,
            copies=copies,
            answer=answer_json(200, {"BulkEmailEntryResults": results}),
            subject=template["TemplateContent"].get("Subject", ""),
            batch=named(tags, "batch"),
            tags=[value for name, value in tags.items() if "delivery" not in name.lower()],
        )

    @override
    def failure(self, status: int, *, retry_after: float | None, now: datetime) -> Answer:
        del now
        kind, words = {
            413: ("BadRequestException", "The request is too large."),
            429: ("TooManyRequestsException", "Too many requests have been made."),
            503: ("ServiceUnavailableException", "The service is unavailable."),
        }.get(status, ("InternalServiceErrorException", "An internal error occurred."))
        headers = {"retry-after": f"{retry_after:g}"} if retry_after is not None else {}
        return _error(status, kind, words, headers)

    @override
    def letter(self, shared: Wire, own: Wire, recipient: str) -> Letter:
        """One copy: variables are put in as they are, for SES escapes nothing."""
        template: Wire = shared["DefaultContent"]["Template"]
        replaced = own.get("ReplacementEmailContent", {}).get("ReplacementTemplate", {})
        data = {
            **orjson.loads(template.get("TemplateData") or "{}"),
            **orjson.loads(replaced.get("ReplacementTemplateData") or "{}"),
        }

        def filled(part: str) -> str:
            text: str = template["TemplateContent"].get(part, "")
            return _PLACE.sub(lambda found: str(data.get(found[1], "")), text)

        headers = {pair["Name"].lower(): pair for pair in template.get("Headers", ())}
        headers |= {pair["Name"].lower(): pair for pair in own.get("ReplacementHeaders", ())}
        tags = [*shared.get("DefaultEmailTags", ()), *own.get("ReplacementTags", ())]
        return Letter(
            sender=shared["FromEmailAddress"],
            recipient=own["Destination"]["ToAddresses"][0] or recipient,
            subject=filled("Subject"),
            html=filled("Html"),
            text=filled("Text"),
            reply_to=", ".join(shared.get("ReplyToAddresses", ())) or None,
            headers=tuple((pair["Name"], pair["Value"]) for pair in headers.values()),
            meta=_pairs(tags),
        )

    @override
    def question(self, call: Incoming) -> Answer:
        del call
        return _error(404, "NotFoundException", "The resource does not exist.")


def _copy(
    entry: Wire, where: str, wanted: frozenset[str], default: Wire, call: Incoming
) -> tuple[Copy | None, Wire]:
    """One entry as a copy and its result; without a copy when this entry alone is refused."""
    to: list[str] = entry["Destination"]["ToAddresses"]
    if len(to) != 1:
        raise _refused(f"{where}: the sandbox takes one recipient for each entry")
    _check_pairs(entry.get("ReplacementHeaders", ()), entry.get("ReplacementTags", ()), where)
    replaced = entry.get("ReplacementEmailContent", {}).get("ReplacementTemplate", {})
    own = _data(replaced.get("ReplacementTemplateData", "{}"), where)
    if missing := wanted - own.keys() - default.keys():
        # SES would answer SUCCESS, report a rendering failure and send nothing.
        raise _refused(f"{where}: the template's {min(missing)} has no value")
    address = bare(to[0])
    if not is_address(address):
        return None, {"Status": "INVALID_PARAMETER", "Error": "Illegal address"}
    if call.refuses(address):
        return None, {"Status": "MESSAGE_REJECTED", "Error": "Address is on the suppression list"}
    message_id = f"0107{secrets.token_hex(10)}-{secrets.token_hex(4)}-000000"
    tags = _pairs(entry.get("ReplacementTags", ()))
    copy = Copy(address, message_id, named(tags, "delivery"), orjson.dumps(entry))
    return copy, {"Status": "SUCCESS", "MessageId": message_id}


def _places(content: Mapping[str, str]) -> frozenset[str]:
    """The variables of an inline template, which allows simple substitution only."""
    if not content.get("Html") and not content.get("Text"):
        raise _refused("TemplateContent needs Html or Text")
    if any(_CLEVER.search(part) for part in content.values()):
        raise _refused("An inline template may only hold simple substitutions")
    return frozenset(name for part in content.values() for name in _PLACE.findall(part))


def _data(text: str, where: str) -> Wire:
    if len(text) > _DATA:
        raise _refused(f"{where}: TemplateData may have at most 262144 characters")
    try:
        data = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        data = None
    if not isinstance(data, dict):
        raise _refused(f"{where}: TemplateData must be a JSON object in a string")
    return data


def _check_pairs(headers: Sequence[Wire], tags: Sequence[Wire], where: str) -> None:
    if len(headers) > _HEADERS:
        raise _refused(f"{where}: at most 15 headers")
    for pair in headers:
        if not _NAME.fullmatch(pair["Name"]) or not _VALUE.fullmatch(pair["Value"]):
            raise _refused(f"{where}: the header {pair['Name']!r} is not valid")
    for pair in tags:
        if not _TAG.fullmatch(pair["Name"]) or not _TAG.fullmatch(pair["Value"]):
            raise _refused(f"{where}: a tag may only hold A-Z, a-z, 0-9, _ and -")


def _pairs(pairs: Sequence[Wire]) -> dict[str, str]:
    return {pair["Name"]: pair["Value"] for pair in pairs}


def _refused(message: str) -> Refused:
    return Refused(_error(400, "BadRequestException", message))


def _error(
    status: int, kind: str, message: str, headers: Mapping[str, str] | None = None
) -> Answer:
    return answer_json(status, {"message": message}, {"x-amzn-errortype": kind, **(headers or {})})
