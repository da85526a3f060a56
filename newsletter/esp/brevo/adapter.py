"""Brevo: up to a thousand versions a call, merged by us; its key turns repeats away for minutes."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import ClassVar, Final
from uuid import UUID

import httpx
import orjson

from newsletter.esp import (
    Absent,
    Accepted,
    CannotTell,
    Content,
    Event,
    Finding,
    Found,
    Mailing,
    NotTaken,
    Outcome,
    Request,
    Traits,
    Unknown,
    Unsendable,
)
from newsletter.esp.brevo.checks import examine
from newsletter.esp.brevo.events import CUSTOM_HEADER, Inbound, custom_value
from newsletter.esp.brevo.history import days_back, history
from newsletter.esp.brevo.lists import BrevoLists
from newsletter.esp.checks import Account, Wanted
from newsletter.esp.history import Chapter
from newsletter.esp.http import ask, client, post
from newsletter.esp.letterhead import RESERVED, check, headers_of
from newsletter.esp.lists import Lists
from newsletter.esp.merging import ADDRESS, BATCH, REF, Stencil, json_stencil, rows_of
from newsletter.esp.refusals import body_of, judged, odd_positions, positions_named, text_in
from newsletter.esp.room import fitted

_COPIES: Final = 1000
#: The guide says thirty minutes, the note at the launch fifteen; the last minute is for clocks.
_KEY_LIVES: Final = timedelta(minutes=14)
_SEARCH_REACHES: Final = timedelta(days=87)  # and a day for each end, in whatever zone
_BAD_ADDRESS: Final = re.compile(r"\bin to\b")
#: Codes that are about the account, under whatever status they come.
_OF_ACCOUNT: Final = frozenset(
    {"account_under_validation", "not_enough_credits", "permission_denied", "unauthorized"}
)
_LONGEST_WAIT: Final = 86_400.0  # seconds; a larger figure is no number of seconds
#: What Brevo's template language may take for its own; whether it reads inline content is unknown.
_THEIRS: Final = ("{{", "{%")


class Brevo:
    """The adapter. Its webhooks carry *webhook_user* and *webhook_key* by Basic auth."""

    name: ClassVar[str] = "brevo"

    def __init__(  # noqa: PLR0913 - each setting by its name
        self,
        *,
        api_key: str,
        webhook_user: str = "newsletter",
        webhook_key: str = "",
        base_url: str = "https://api.brevo.com",
        timeout: float = 30.0,
        search_lag: timedelta = timedelta(minutes=60),
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """*timeout* in seconds for each phase; *transport* stands in for the network in tests."""
        self.traits = Traits(
            copies_per_call=_COPIES,
            bytes_per_call=20_000_000,
            key_lives=_KEY_LIVES,
            atomic=True,
            search_lag=search_lag,
        )
        self._inbound = Inbound(webhook_user, webhook_key)
        self._http = client(
            base_url,
            {"api-key": api_key, "Accept": "application/json"},
            timeout=timeout,
            transport=transport,
        )
        self.lists: Lists = BrevoLists(partial(ask, self._http))

    def encode(self, mailing: Mailing) -> Request:
        """One version of the mail for each copy. Raises Unsendable."""
        rows = rows_of(mailing, provider="Brevo", most=_COPIES)
        version, call = _stencils(
            mailing.content, mailing.sender_name, mailing.sender_address, mailing.reply_to
        )
        own = {"headers": {"idempotencyKey": _uuid(mailing.key)}, "tags": [mailing.batch]}
        request = Request(
            path="/v3/smtp/email",
            headers={"Content-Type": "application/json"},
            body=b"".join(
                (
                    call[:-1],
                    b"," + orjson.dumps(own)[1:-1],
                    b',"messageVersions":[',
                    version.fill_all(rows),
                    b"]}",
                )
            ),
            size=len(rows),
        )
        return fitted(request, self.traits, "Brevo")

    def send(self, request: Request) -> Outcome:
        """Post *request* once. A repeat within the key's life is turned away, and looked up."""
        answer = post(self._http, request)
        if isinstance(answer, NotTaken | Unknown):
            return answer
        body = body_of(answer)
        if answer.is_success:
            return Accepted(message_ids=_message_ids(body))
        if httpx.codes.is_client_error(answer.status_code):
            if text_in(body, "code") == "duplicate_parameter":
                return self._after_an_earlier_attempt(request)
            if answer.status_code == httpx.codes.CONFLICT:
                return Unknown("Brevo is at work on another attempt with this key")
        return _refusal(answer, request.body)

    def find(self, batch: str, *, since: datetime, now: datetime) -> Finding:
        """Ask the event report by the batch's tag; one event proves the whole call."""
        if now - since > _SEARCH_REACHES:
            return CannotTell("Brevo's report does not reach back to so old a batch")
        return self._reported(batch, days=days_back(since, now=now))

    def events(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Sequence[Event]:
        """The event of one post, or several where Brevo batches them."""
        return self._inbound.events(headers, body, now=now)

    def history(
        self, batch: str, *, since: datetime, now: datetime, after: str | None = None
    ) -> Chapter | CannotTell:
        """What the event report holds of *batch*."""
        return history(partial(ask, self._http), batch, since=since, now=now, after=after)

    def examine(self, wanted: Wanted) -> Account:
        """How the account stands: its key, the domain, the transactional webhook."""
        return examine(partial(ask, self._http), wanted)

    def close(self) -> None:
        """Give back the connections."""
        self._http.close()

    def _after_an_earlier_attempt(self, request: Request) -> Accepted | Unknown:
        """Brevo has seen the key; whether it took that attempt, only its report can say.

        A key might be kept for an attempt that failed half-way, and believing
        it alone would then lose a whole call without a trace.
        """
        finding = self._reported(orjson.loads(request.body)["tags"][0])
        if isinstance(finding, Found):
            return Accepted(reason=f"Brevo had this key before: {finding.evidence}")
        return Unknown("Brevo had this key before, and its report does not show the batch yet")

    def _reported(self, batch: str, **span: int) -> Finding:
        answer = ask(
            self._http,
            "GET",
            "/v3/smtp/statistics/events",
            params={"tags": orjson.dumps([batch]).decode(), **span, "limit": 1},
        )
        if isinstance(answer, CannotTell):
            return answer
        body = body_of(answer)
        if answer.status_code != httpx.codes.OK or not isinstance(body, dict):
            return CannotTell(f"Brevo's report answered {answer.status_code}")
        # Without anything to report, Brevo leaves the list out.
        if events := body.get("events"):
            first = events[0] if isinstance(events, list) else None
            return Found(f"Brevo's report holds {text_in(first, 'messageId') or 'an event'}")
        return Absent(f"Brevo's report holds nothing with the tag {batch}")


@lru_cache(maxsize=16)
def _stencils(
    content: Content, sender_name: str, sender_address: str, reply_to: str | None
) -> tuple[Stencil, bytes]:
    """What is written for each copy, and the call's own object."""
    check(content, sender_name, provider="Brevo")
    forbidden = RESERVED | {"idempotencykey", CUSTOM_HEADER.lower()}
    headers = dict(headers_of(content, provider="Brevo", forbidden=forbidden))
    if any(
        mark in text for mark in _THEIRS for text in (content.subject, content.html, content.text)
    ):
        raise Unsendable("Brevo", "it holds {{ or {%, which Brevo's templates might fill in")
    if not content.html:
        raise Unsendable("Brevo", "it has no HTML, and Brevo takes no mail of text alone")
    sender = {"email": sender_address} | ({"name": sender_name} if sender_name else {})
    parts = {"subject": content.subject, "htmlContent": content.html} | (
        {"textContent": content.text} if content.text else {}
    )
    call = {"sender": sender} | parts | ({"replyTo": {"email": reply_to}} if reply_to else {})
    version = {
        "to": [{"email": ADDRESS}],
        "headers": headers | {CUSTOM_HEADER: custom_value(REF, BATCH)},
    } | parts
    return json_stencil(version, content.fields), orjson.dumps(call)


def _uuid(key: str) -> str:
    try:
        return str(UUID(key))
    except ValueError:
        raise Unsendable("Brevo", "its key is not a UUID") from None


def _message_ids(body: object) -> tuple[str, ...]:
    listed = body.get("messageIds") if isinstance(body, dict) else None
    if isinstance(listed, list) and all(isinstance(one, str) for one in listed):
        return tuple(listed)
    single = text_in(body, "messageId")
    return (single,) if single else ()


def _refusal(answer: httpx.Response, sent: bytes) -> NotTaken | Unknown:
    words = text_in(body_of(answer), "message")
    # Brevo says that an address is wrong ("email is not valid in to"), and seldom which.
    people = _recipients(sent) if answer.status_code == httpx.codes.BAD_REQUEST else []
    refused = positions_named(words, people)
    if not refused and _BAD_ADDRESS.search(words):
        refused = odd_positions(people)
    if refused:
        return NotTaken(f"Brevo refuses {len(refused)} of the recipients", refused=refused)
    of_account = text_in(body_of(answer), "code") in _OF_ACCOUNT
    outcome = judged(answer, "Brevo", words, of_account=of_account)
    if isinstance(outcome, NotTaken) and not outcome.final and outcome.retry_after is None:
        return NotTaken(outcome.reason, _reset(answer))
    return outcome


def _reset(answer: httpx.Response) -> float | None:
    """Seconds until the limit is lifted, as Brevo's own header says."""
    try:
        seconds = float(answer.headers.get("x-sib-ratelimit-reset", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds <= _LONGEST_WAIT else None


def _recipients(sent: bytes) -> list[str]:
    """Whom a request of ours was addressed to, in order; only looked up when one is refused."""
    return [version["to"][0]["email"] for version in orjson.loads(sent)["messageVersions"]]
