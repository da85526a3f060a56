"""Amazon SES v2: fifty copies a call, merged there from an inline template, and no key."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import ClassVar, Final

import httpx
import orjson

from newsletter.clock import utc_now
from newsletter.esp import (
    CannotTell,
    Content,
    Event,
    Finding,
    Handshake,
    Mailing,
    NotTaken,
    Outcome,
    Request,
    Traits,
    Unknown,
    Unsendable,
)
from newsletter.esp.checks import Account, Wanted
from newsletter.esp.entries import Entry, Verdict, outcome_of
from newsletter.esp.http import ask, client, post
from newsletter.esp.letterhead import check, headers_of, mailbox
from newsletter.esp.lists import Lists
from newsletter.esp.merging import (
    ADDRESS,
    BATCH,
    REF,
    RESERVED_MARK,
    Stencil,
    json_stencil,
    rows_of,
)
from newsletter.esp.refusals import body_of, judged, positions_named, quoted, text_in
from newsletter.esp.room import fitted
from newsletter.esp.ses.checks import examine
from newsletter.esp.ses.events import BATCH_TAG, DELIVERY_TAG, event_of
from newsletter.esp.ses.lists import SesLists
from newsletter.esp.ses.sigv4 import Credentials, Signer
from newsletter.esp.ses.sns import Gate
from newsletter.esp.ses.template import Braces

_COPIES: Final = 50
_BYTES: Final = 1_000_000  # of a request with an inline template
_HEADERS: Final = 15
_HEADER: Final = 995  # characters of a header's value; one more with its name
_DATA: Final = 262_144  # characters of one copy's TemplateData
#: The column of a field's value inside TemplateData, which is JSON inside a JSON text.
_NESTED: Final = f"{RESERVED_MARK}data:"

#: Errors under a 400 that are about the account, whatever the call holds.
_OF_ACCOUNT: Final = frozenset(
    {"AccountSuspendedException", "SendingPausedException", "LimitExceededException"}
    | {"MailFromDomainNotVerifiedException"}
)
_VERDICTS: Final[Mapping[str, Verdict]] = {
    "SUCCESS": Verdict.taken,
    "MESSAGE_REJECTED": Verdict.refused,
    "INVALID_PARAMETER": Verdict.refused,
    "TRANSIENT_FAILURE": Verdict.again,
    "ACCOUNT_THROTTLED": Verdict.again,
    "FAILED": Verdict.again,
}


class Ses:
    """The adapter. *key_id* and *api_key* are the access key and its secret.

    *topics* are the ARNs of the SNS topics whose events are taken. *origins* are
    trusted beside Amazon's own hosts for certificates and confirmations: the
    sandbox's address, and nothing in production.
    """

    name: ClassVar[str] = "ses"

    def __init__(  # noqa: PLR0913 - each setting by its name
        self,
        *,
        key_id: str,
        api_key: str,
        region: str,
        session_token: str = "",
        configuration_set: str = "",
        topics: Collection[str] = (),
        origins: Collection[str] = (),
        base_url: str = "",
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """*timeout* in seconds for each phase; *transport* stands in for the network in tests.

        *clock* dates the signatures: a request is signed when it is posted,
        since a signature lives five minutes and a planned request longer.
        """
        self.traits = Traits(
            copies_per_call=_COPIES,
            bytes_per_call=_BYTES,
            key_lives=None,
            atomic=False,
            search_lag=None,
        )
        self._configuration_set, self._clock = configuration_set, clock
        self._signer = Signer(Credentials(key_id, api_key, session_token), region, "ses")
        url = base_url or f"https://email.{region}.amazonaws.com"
        self._http = client(url, {}, timeout=timeout, transport=transport)
        self._sns = client("", {}, timeout=timeout, transport=transport)
        self._topics = tuple(topics)
        self._gate = Gate(self._sns, topics=topics, origins=origins)
        self.lists: Lists = SesLists(self._asked)

    def encode(self, mailing: Mailing) -> Request:
        """One inline template and an entry for each copy; not signed yet. Raises Unsendable."""
        rows = rows_of(mailing, provider="SES", most=_COPIES)
        entry, call = _stencils(
            mailing.content,
            mailing.sender_name,
            mailing.sender_address,
            mailing.reply_to,
            self._configuration_set,
        )
        filled = [(*row, *map(_nested, row[3:])) for row in rows]
        entries = entry.fill_all(filled)
        if len(entries) > _DATA and max(len(entry.fill(row)) for row in filled) > _DATA:
            raise Unsendable("SES", "what differs for a reader is more than 262,144 characters")
        request = Request(
            path="/v2/email/outbound-bulk-emails",
            headers={"Content-Type": "application/json"},
            body=b"".join((call[:-1], b',"BulkEmailEntries":[', entries, b"]}")),
            size=len(rows),
        )
        return fitted(request, self.traits, "SES")

    def send(self, request: Request) -> Outcome:
        """Sign and post *request* once; a 200 holds one answer for each copy."""
        answer = post(self._http, self._signed(request))
        if isinstance(answer, NotTaken | Unknown):
            return answer
        if answer.status_code != httpx.codes.OK:
            return _refusal(answer, request.body)
        body = body_of(answer)
        results = body.get("BulkEmailEntryResults") if isinstance(body, dict) else None
        if not isinstance(results, list) or len(results) != request.size:
            return Unknown("SES answered 200, but not for each copy")
        return outcome_of("SES", [_entry(result) for result in results])

    def find(self, batch: str, *, since: datetime, now: datetime) -> Finding:
        """SES cannot be asked by tag; its Send events settle what is uncertain."""
        del batch, since, now
        return CannotTell("SES has no search by tag; only its Send events can tell")

    def events(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Sequence[Event]:
        """The event of one notification; ``handshake`` says whether it also asks for an answer."""
        del headers  # SNS signs inside the body
        return [event_of(self._gate.opened(body, now=now), now=now)]

    def handshake(
        self, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> Handshake | None:
        """The subscription that a genuine notification asks to confirm, else None."""
        del headers
        return self._gate.handshake(self._gate.opened(body, now=now))

    def confirm(self, handshake: Handshake) -> bool:
        """Confirm a subscription; False when Amazon did not hear us. Safe to repeat."""
        return self._gate.confirm(handshake)

    def examine(self, wanted: Wanted) -> Account:
        """How the account stands: sending, the identity, the configuration set and its events."""
        return examine(
            self._asked, wanted, configuration_set=self._configuration_set, topics=self._topics
        )

    def close(self) -> None:
        """Give back the connections."""
        self._http.close()
        self._sns.close()

    def _asked(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        json: object = None,
    ) -> httpx.Response | CannotTell:
        """A question or an order about lists, signed like everything else."""
        body = b"" if json is None else orjson.dumps(json)
        headers = self._signer.headers(
            method,
            self._http.base_url.path.rstrip("/") + path,
            {} if json is None else {"Content-Type": "application/json"},
            body,
            host=self._http.base_url.netloc.decode(),
            now=self._clock(),
            query={name: str(value) for name, value in (params or {}).items()},
        )
        return ask(self._http, method, path, params=params, content=body, headers=headers)

    def _signed(self, request: Request) -> Request:
        headers = self._signer.headers(
            "POST",
            self._http.base_url.path.rstrip("/") + request.path,
            dict(request.headers),
            request.body,
            host=self._http.base_url.netloc.decode(),
            now=self._clock(),
        )
        return replace(request, headers=headers)


@lru_cache(maxsize=16)
def _stencils(
    content: Content,
    sender_name: str,
    sender_address: str,
    reply_to: str | None,
    configuration_set: str,
) -> tuple[Stencil, bytes]:
    """What is written for each copy, and the call's own object without its entries."""
    check(content, sender_name, provider="SES")
    headers = [{"Name": n, "Value": v} for n, v in headers_of(content, provider="SES")]
    if len(headers) > _HEADERS or any(_is_too_long(**header) for header in headers):
        raise Unsendable("SES", f"it has more than {_HEADERS} headers or one too long")
    braces = Braces()
    texts = (("Subject", content.subject), ("Html", content.html), ("Text", content.text))
    parts = {kind: braces.template(text, content.fields) for kind, text in texts if text}
    # Nobody says whether default data are kept beside a copy's own, so all stand in the copy.
    data = {name: f"[%{_NESTED}{name}%]" for name in content.fields} | braces.values
    entry = {
        "Destination": {"ToAddresses": [ADDRESS]},
        "ReplacementEmailContent": {
            "ReplacementTemplate": {"ReplacementTemplateData": orjson.dumps(data).decode()}
        },
        "ReplacementTags": [
            {"Name": DELIVERY_TAG, "Value": REF},
            {"Name": BATCH_TAG, "Value": BATCH},
        ],
    } | ({"ReplacementHeaders": headers} if headers else {})
    call: dict[str, object] = {
        "FromEmailAddress": mailbox(sender_name, sender_address, encoded=True)
    }
    if reply_to:
        call["ReplyToAddresses"] = [reply_to]
    if configuration_set:
        call["ConfigurationSetName"] = configuration_set
    call["DefaultContent"] = {"Template": {"TemplateContent": parts, "TemplateData": "{}"}}
    nested = tuple(_NESTED + name for name in content.fields)
    return json_stencil(entry, content.fields, extra=nested), orjson.dumps(call)


def _is_too_long(Name: str, Value: str) -> bool:  # noqa: N803 - the vendor's names
    return len(Value) > _HEADER or len(Name) + len(Value) > _HEADER + 1


def _nested(value: str) -> str:
    """A value that is already escaped for JSON, escaped for the JSON around that."""
    return orjson.dumps(value)[1:-1].decode()


def _entry(result: object) -> Entry:
    status = text_in(result, "Status")
    verdict = _VERDICTS.get(status, Verdict.stuck)
    if verdict is Verdict.taken:
        return Entry(verdict, text_in(result, "MessageId"))
    words = quoted(text_in(result, "Error"))
    return Entry(verdict, f"{status}: {words}" if words else status or "no status")


def _refusal(answer: httpx.Response, sent: bytes) -> NotTaken | Unknown:
    body = body_of(answer)
    kind = answer.headers.get("x-amzn-errortype", "") or text_in(body, "__type", "code")
    kind = kind.rpartition("#")[2].partition(":")[0]
    words = f"{kind} {text_in(body, 'message', 'Message')}".strip()
    if "Throttl" in kind and httpx.codes.is_client_error(answer.status_code):
        return NotTaken(f"SES asks us to slow down: {quoted(words)}")
    bad = answer.status_code == httpx.codes.BAD_REQUEST
    if refused := positions_named(words, _recipients(sent)) if bad else {}:
        return NotTaken(f"SES refuses {len(refused)} of the recipients", refused=refused)
    # Of its rejections, the one of a sender (or, before production, of anybody) names no reader.
    unverified = kind == "MessageRejected" and "not verified" in words
    return judged(answer, "SES", words, of_account=unverified or kind in _OF_ACCOUNT)


def _recipients(sent: bytes) -> list[str]:
    """Whom a request of ours was addressed to, in order; only looked up when one is refused."""
    return [
        entry["Destination"]["ToAddresses"][0] for entry in orjson.loads(sent)["BulkEmailEntries"]
    ]
