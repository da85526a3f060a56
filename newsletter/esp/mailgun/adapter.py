"""Mailgun v3: a thousand copies a call as a form, merged there by recipient variables, no key."""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import ClassVar, Final

import httpx
import orjson

from newsletter.esp import (
    Absent,
    Accepted,
    BadSettings,
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
from newsletter.esp.checks import Account, Wanted
from newsletter.esp.history import Chapter
from newsletter.esp.http import ask, client, post, until
from newsletter.esp.letterhead import check, headers_of, mailbox
from newsletter.esp.lists import Lists
from newsletter.esp.mailgun.checks import examine
from newsletter.esp.mailgun.events import BATCH_VARIABLE, DELIVERY_VARIABLE, Inbound
from newsletter.esp.mailgun.history import history
from newsletter.esp.mailgun.lists import MailgunLists
from newsletter.esp.merging import ADDRESS, REF, Stencil, converted, json_stencil, rows_of
from newsletter.esp.refusals import body_of, judged, odd_positions, positions_named, text_in
from newsletter.esp.room import fitted

_COPIES: Final = 1000
#: Mailgun keeps events for a day on its smallest plan; an older batch may just be forgotten.
_SEARCH_REACHES: Final = timedelta(days=1)
_DOMAIN: Final = re.compile(r"[A-Za-z0-9.-]+")
#: The recipient variable that carries the delivery's reference into ``v:``.
_REF_VARIABLE: Final = "watv_delivery"
#: Mailgun would fill these in wherever they stand, and nothing escapes them.
_THEIRS: Final = re.compile(r"%(?:recipient|unsubscribe_|tag_unsubscribe|mailing_list)")
_OPTIONS: Final = 16_000  # bytes of o:, h: and v: together
_BAD_ADDRESS: Final = re.compile(r"\bto'? parameter")
_YES_OR_NO: Final = ("no", "yes")
_OF_ACCOUNT: Final = re.compile(r"\bnot allowed to send\b|\bdomain\b.*\bdisabled\b", re.IGNORECASE)
_TRY_AFTER: Final = re.compile(r"try again after\s+(.+?)\.?\s*$", re.IGNORECASE)


class Mailgun:
    """The adapter. *domain* is the sending domain, *webhook_key* the HTTP webhook signing key."""

    name: ClassVar[str] = "mailgun"

    def __init__(  # noqa: PLR0913 - each setting by its name
        self,
        *,
        api_key: str,
        domain: str,
        webhook_key: str = "",
        base_url: str = "https://api.mailgun.net",
        timeout: float = 30.0,
        search_lag: timedelta = timedelta(minutes=30),
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """*timeout* in seconds for each phase; *transport* stands in for the network in tests.

        Raises BadSettings for a domain that is none: a slash in it would make
        Mailgun greet us with a 200 and send nothing.
        """
        if not _DOMAIN.fullmatch(domain):
            raise BadSettings("Mailgun", "the sending domain is missing or malformed")
        self._domain = domain
        self.traits = Traits(
            copies_per_call=_COPIES,
            bytes_per_call=25_000_000,
            key_lives=None,
            atomic=True,
            search_lag=search_lag,
        )
        self._inbound = Inbound(webhook_key)
        credentials = base64.b64encode(f"api:{api_key}".encode()).decode()
        self._http = client(
            base_url,
            {"Authorization": f"Basic {credentials}"},
            timeout=timeout,
            transport=transport,
        )
        self.lists: Lists = MailgunLists(partial(ask, self._http), domain)

    def encode(self, mailing: Mailing) -> Request:
        """One form for all copies, with their values beside it. Raises Unsendable."""
        rows = rows_of(mailing, provider="Mailgun", most=_COPIES)
        form, variables = _compiled(
            mailing.content,
            mailing.sender_name,
            mailing.sender_address,
            mailing.reply_to,
            (mailing.track_opens, mailing.track_clicks),
        )
        addresses: str = orjson.loads('"' + ",".join(row[0] for row in rows) + '"')
        # Made from the key, so that equal mailings have equal bodies, and too long to be guessed.
        boundary = hashlib.sha256(f"{mailing.key} {mailing.batch}".encode()).hexdigest()
        fields = (
            ("to", addresses.encode()),
            ("o:tag", mailing.batch.encode()),
            (f"v:{BATCH_VARIABLE}", mailing.batch.encode()),
            *form,
            ("recipient-variables", b"{" + variables.fill_all(rows) + b"}"),
        )
        request = Request(
            path=f"/v3/{self._domain}/messages",
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
            body=b"".join(_multipart(fields, boundary.encode())),
            size=len(rows),
        )
        return fitted(request, self.traits, "Mailgun")

    def send(self, request: Request) -> Outcome:
        """Post *request* once: taken whole, or not at all."""
        answer = post(self._http, request)
        if isinstance(answer, NotTaken | Unknown):
            return answer
        if answer.status_code == httpx.codes.OK:
            return _taken(answer)
        return _refusal(answer, request.body)

    def find(self, batch: str, *, since: datetime, now: datetime) -> Finding:
        """Ask the event log by the batch's tag; one accepted copy proves the whole call."""
        answer = ask(
            self._http,
            "GET",
            f"/v3/{self._domain}/events",
            params={
                "begin": int((since - timedelta(minutes=5)).timestamp()),
                "ascending": "yes",
                "limit": 1,
                "tags": batch,
                "event": "accepted",
            },
        )
        if isinstance(answer, CannotTell):
            return answer
        items = body.get("items") if isinstance(body := body_of(answer), dict) else None
        if answer.status_code != httpx.codes.OK or not isinstance(items, list):
            return CannotTell(f"Mailgun's events answered {answer.status_code}")
        if items:
            return Found(
                f"Mailgun's events hold {text_in(items[0], 'id') or 'a copy'} of the batch"
            )
        if now - since > _SEARCH_REACHES:
            return CannotTell("Mailgun's events may have forgotten so old a batch")
        return Absent(f"Mailgun's events hold nothing with the tag {batch}")

    def events(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Sequence[Event]:
        """The one event of a signed post, with the token that its scheme allows once."""
        del headers  # Mailgun signs inside the body
        return self._inbound.events(body, now=now)

    def history(
        self, batch: str, *, since: datetime, now: datetime, after: str | None = None
    ) -> Chapter | CannotTell:
        """What the event log holds of *batch*."""
        call = partial(ask, self._http)
        return history(call, self._domain, batch, since=since, now=now, after=after)

    def examine(self, wanted: Wanted) -> Account:
        """How the domain stands: its state, records, tracking and webhooks."""
        return examine(partial(ask, self._http), wanted, domain=self._domain)

    def close(self) -> None:
        """Give back the connections."""
        self._http.close()


Form = tuple[tuple[str, bytes], ...]


@lru_cache(maxsize=16)
def _compiled(
    content: Content,
    sender_name: str,
    sender_address: str,
    reply_to: str | None,
    tracked: tuple[bool, bool],
) -> tuple[Form, Stencil]:
    """The form's fields but for those of the call, and the variables of one recipient."""
    check(content, sender_name, provider="Mailgun")
    headers = tuple(headers_of(content, provider="Mailgun"))
    texts = (content.subject, content.html, content.text, *(value for _, value in headers))
    if any(map(_THEIRS.search, texts)):
        raise Unsendable("Mailgun", "it holds a %...% that Mailgun would fill in")
    there = [converted(text, content.fields, "%recipient.%s%") for text in texts]
    subject, html, text, *values = there
    fields = [("from", mailbox(sender_name, sender_address)), ("subject", subject)]
    fields += [(kind, part) for kind, part in (("text", text), ("html", html)) if part]
    if reply_to:
        fields.append(("h:Reply-To", reply_to))
    fields += [(f"h:{name}", value) for (name, _), value in zip(headers, values, strict=True)]
    fields += [
        (f"v:{DELIVERY_VARIABLE}", f"%recipient.{_REF_VARIABLE}%"),
        ("o:tracking", _YES_OR_NO[any(tracked)]),
        ("o:tracking-clicks", _YES_OR_NO[tracked[1]]),
        ("o:tracking-opens", _YES_OR_NO[tracked[0]]),
    ]
    if sum(len(name) + len(value.encode()) for name, value in fields if ":" in name) > _OPTIONS:
        raise Unsendable("Mailgun", "its headers are more than 16,000 bytes")
    own = {name: f"[%{name}%]" for name in content.fields} | {_REF_VARIABLE: REF}
    variables = json_stencil({ADDRESS: own}, content.fields)
    # The braces around one recipient go: all of them stand in one object.
    bare = (variables.literals[0][1:], *variables.literals[1:-1], variables.literals[-1][:-1])
    form = tuple((name, value.encode()) for name, value in fields)
    return form, Stencil(literals=bare, holes=variables.holes)


def _multipart(fields: Sequence[tuple[str, bytes]], boundary: bytes) -> Iterator[bytes]:
    for name, value in fields:
        yield b"--%b\r\n" % boundary
        yield b'Content-Disposition: form-data; name="%b"\r\n\r\n' % name.encode()
        yield value
        yield b"\r\n"
    yield b"--%b--\r\n" % boundary


def _taken(answer: httpx.Response) -> Outcome:
    body = body_of(answer)
    message_id, words = text_in(body, "id"), text_in(body, "message")
    if words.startswith("Queued") or message_id:
        return Accepted(message_ids=(message_id,) if message_id else ())
    if b"Magnificent API" in answer.content:
        return NotTaken("Mailgun greets us instead of sending; its URL is wrong", final=True)
    return Unknown("Mailgun answered 200, but not that it queued the mail")


def _refusal(answer: httpx.Response, sent: bytes) -> NotTaken | Unknown:
    words = text_in(body_of(answer), "message")
    # Mailgun says which parameter is wrong, and not always which of its addresses.
    people = _recipients(sent) if answer.status_code == httpx.codes.BAD_REQUEST else []
    refused = positions_named(words, people)
    if not refused and _BAD_ADDRESS.search(words):
        refused = odd_positions(people)
    if refused:
        return NotTaken(f"Mailgun refuses {len(refused)} of the recipients", refused=refused)
    of_account = _OF_ACCOUNT.search(words) is not None
    outcome = judged(answer, "Mailgun", words, of_account=of_account)
    named = _TRY_AFTER.search(words)
    if (
        isinstance(outcome, NotTaken)
        and not outcome.final
        and outcome.retry_after is None
        and named
    ):
        return NotTaken(outcome.reason, until(named[1], answer))
    return outcome


def _recipients(sent: bytes) -> list[str]:
    """Whom a form of ours was addressed to, in order; only looked up when one is refused."""
    _, _, rest = sent.partition(b'name="to"\r\n\r\n')
    return rest.partition(b"\r\n")[0].decode().split(",")
