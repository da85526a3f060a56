"""What a reader does from the mail: leave, and read it in the browser; no account, no script.

Every address here holds a signed link, and no GET changes anything: mail scanners
open every link before the reader does, and some of them press no button.
"""

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from sqlmodel import Session
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from newsletter import links
from newsletter.feedback import recording
from newsletter.links import CopyRef, Purpose
from newsletter.web import copies
from newsletter.web.doors import Now, Reading, Transaction
from newsletter.web.forms import SentForm
from newsletter.web.mailed.paces import chosen
from newsletter.web.pages import LOOK, MAIL, page
from subscribers.models import Subscriber, SubscriberStatus

router = APIRouter()

#: In these states mail may still come, so there is something to leave.
_MAY_GET_MAIL: Final = frozenset(
    {SubscriberStatus.pending, SubscriberStatus.active, SubscriberStatus.bounced}
)


#: What people may tick when they leave; nobody has to.
_REASONS: Final = (
    "It comes too often",
    "It is not about what I use",
    "I no longer compare tools",
    "I never asked for it",
)


class BrokenLink(Exception):
    """The link was not made by us for this purpose, or was damaged on its way."""

    def __init__(self) -> None:
        super().__init__("This link is not complete, or it is not one of ours.")


class NobodysLink(BrokenLink):
    """The link comes from a test copy or a preview, where it stands for each reader's own."""

    def __init__(self) -> None:
        Exception.__init__(
            self, "This link comes from a test copy or a preview, and acts for nobody."
        )


@router.api_route("/u/{token}", methods=LOOK)
def ask_before_leaving(token: str, session: Reading, now: Now) -> Response:
    """Asks whether to leave, and changes nothing: scanners open every link."""
    copy = copy_for(token, Purpose.unsubscribe)
    reader = reader_behind(session, copy)
    if not reader.may_get_mail:
        return page("left.html", reader=reader, already=True)
    choices = links.token(all_links(copy), Purpose.preferences)
    return page(
        "leave.html",
        reader=reader,
        token=token,
        choices=choices,
        reasons=_REASONS,
        chosen=chosen(reader.person, now=now),
    )


@router.post("/u/{token}")
def leave(token: str, form: SentForm, session: Transaction, now: Now) -> Response:
    """RFC 8058 one-click, and the button of the page above: no cookie, no redirect, 200 on repeats."""
    copy = copy_for(token, Purpose.unsubscribe)
    recording.unsubscribe(session, token, how=_how(form), why=_why(form), now=now)
    if "page" not in form:
        return PlainTextResponse("You are unsubscribed.\n")
    reader = reader_behind(session, copy)
    return page("left.html", reader=reader, already=False)


@router.api_route("/v/{token}", methods=LOOK)
def read_in_browser(token: str, session: Reading) -> Response:
    """The reader's own copy, as it was mailed, without the pixel: this is not opening the mail."""
    html = copies.html_of(session, copy_for(token, Purpose.view))
    if html is None:
        raise HTTPException(404, "This edition is no longer kept.")
    return Response(
        html,
        media_type="text/html",
        headers={
            "content-security-policy": MAIL.format(ancestors="'none'"),
            "x-robots-tag": "noindex",
        },
    )


@dataclass(frozen=True, slots=True)
class Reader:
    """The person behind a link, as far as their page shows them; erased people have no *person*."""

    person: Subscriber | None

    @property
    def may_get_mail(self) -> bool:
        """Whether there is anything to leave."""
        return self.person is not None and self.person.status in _MAY_GET_MAIL

    @property
    def address(self) -> str:
        """Enough to recognise one's own address, and too little to learn somebody else's."""
        if self.person is None or not self.person.address:
            return ""
        name, _, domain = self.person.address.rpartition("@")
        return f"{name[:1]}…@{domain}"


def copy_for(token: str, purpose: Purpose) -> CopyRef:
    """The copy that a link was signed for. Raises BrokenLink, and NobodysLink for a test copy's."""
    if (copy := links.copy_of(token, purpose)) is None:
        raise BrokenLink
    if not copy.subscriber_id:
        raise NobodysLink
    return copy


def reader_behind(session: Session, copy: CopyRef) -> Reader:
    """The person behind a link, who may have been erased."""
    person = session.get(Subscriber, copy.subscriber_id)
    return Reader(person if person is not None and person.address else None)


def all_links(copy: CopyRef) -> str:
    """Every link of one copy."""
    return links.signer().all_for(copy.digest_id, copy.subscriber_id)


def _why(form: dict[str, str]) -> str:
    """Why they left, if they said: one of our words for it, their own, or both."""
    return ": ".join(filter(None, (form.get("reason", "").strip(), form.get("words", "").strip())))


def _how(form: dict[str, str]) -> str:
    """How they left, as it stands in the books."""
    if "page" in form:
        return "the unsubscribe page"
    if form.get("List-Unsubscribe") == "One-Click":
        return "one-click unsubscribe"
    return "a POST to their link"
