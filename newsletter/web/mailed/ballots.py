"""A reader's verdicts: the page behind each link of the mail, its buttons, and all they keep.

The links are signed and good for nothing else. Opening one shows the choice made
ready; only the button changes anything, for scanners open links and press none.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.responses import RedirectResponse, Response

from newsletter.links import CopyRef, Purpose
from newsletter.readers import voting
from newsletter.readers.voting import Ballot, Choice, How, NoSuchChoice
from newsletter.settings import settings
from newsletter.web.doors import Now, Reading, Transaction
from newsletter.web.forms import SentForm, is_here
from newsletter.web.mailed.readers import BrokenLink, copy_for
from newsletter.web.pages import LOOK, page

router = APIRouter()

#: What the mail's links may make ready; taking back is for the page alone.
_FROM_THE_MAIL: Final = frozenset({Choice.ship, Choice.skip, Choice.keep})
_MEMORY: Final = 180 * 24 * 3600  # seconds for which a device remembers whose it is


@router.api_route("/b/{token}/{tool}/{choice}", methods=LOOK)
def make_ready(token: str, tool: str, choice: str, session: Reading, now: Now) -> Response:
    """The tool, what the panel and the readers say, and one button for what the link said."""
    reader = _reader(session, token)
    if choice not in _FROM_THE_MAIL:
        raise NoSuchChoice
    return page(
        "ballot.html",
        ballot=voting.ballot(session, tool, reader),
        ready=choice,
        token=token,
        stamp=voting.stamp(token, now=now),
        enough=settings().votes.enough,
    )


@router.post("/b/{token}/{tool}")
def press(  # noqa: PLR0913, PLR0917 - what a press is made of
    token: str, tool: str, request: Request, form: SentForm, session: Transaction, now: Now
) -> Response:
    """Do what the button says, and lead back to where it stood."""
    reader = _reader(session, token)
    how = How(
        host=request.client.host if request.client else "",
        agent=request.headers.get("user-agent", ""),
        stamp=form.get("stamp", ""),
    )
    choice = form.get("choice", "")
    voting.press(session, token=token, reader=reader, slug=tool, choice=choice, how=how, now=now)
    back = form.get("back", "")
    shown = choice if choice in _FROM_THE_MAIL else Choice.keep
    there = back if is_here(back) else f"/b/{token}/{tool}/{shown}#said"
    answer = RedirectResponse(there, 303)
    remember(answer, token)
    return answer


@router.api_route("/kept/{token}", methods=LOOK)
def show_kept(token: str, session: Reading, now: Now) -> Response:
    """Everything the reader keeps and has voted on."""
    reader = _reader(session, token)
    return page(
        "kept.html",
        ballots=voting.everything_of(session, reader),
        token=token,
        stamp=voting.stamp(token, now=now),
        enough=settings().votes.enough,
    )


@router.post("/kept/{token}/forget")
def forget_device(token: str) -> Response:
    """Let this device forget whose it is; votes and what is kept stay."""
    answer = RedirectResponse(f"/kept/{token}", 303)
    answer.delete_cookie(_name(), path="/", httponly=True, samesite="lax", secure=_is_safe())
    return answer


def has_memory(request: Request) -> bool:
    """Whether the device brings anything of a reader's; what it is worth is another question."""
    return _name() in request.cookies


def remembered(request: Request, session: Session) -> tuple[str, CopyRef] | None:
    """Whose device is asking, if somebody pressed a button of theirs on it."""
    token = request.cookies.get(_name(), "")
    reader = voting.reader_of(session, token) if token else None
    return (token, reader) if reader is not None else None


@dataclass(frozen=True, slots=True)
class Mine:
    """What a reader's own device shows of them: a ballot for each tool."""

    token: str
    stamp: str
    ballots: list[Ballot]


def mine(
    request: Request, session: Session, slugs: Collection[str], *, now: datetime
) -> Mine | None:
    """The buttons and the word of whoever's device this is; None on anybody else's."""
    known = remembered(request, session)
    if known is None:
        return None
    token, reader = known
    stamp = voting.stamp(token, now=now)
    return Mine(token, stamp, voting.ballots_on(session, slugs, reader))


def own_or_shared(request: Request, answer: Response) -> Response:
    """A page with a reader's own word on it is kept by nobody, the same page without by anybody."""
    own = has_memory(request)
    answer.headers["vary"] = "Cookie"
    answer.headers["cache-control"] = "private, no-store" if own else "public, max-age=60"
    return answer


def remember(answer: Response, token: str) -> None:
    """Let the device on which a reader has voted show their word on our pages: ours alone read it."""
    answer.set_cookie(
        _name(),
        token,
        max_age=_MEMORY,
        path="/",
        httponly=True,
        samesite="lax",
        secure=_is_safe(),
    )


def _reader(session: Session, token: str) -> CopyRef:
    copy_for(token, Purpose.verdict)
    reader = voting.reader_of(session, token)
    if reader is None:
        raise BrokenLink
    return reader


def _name() -> str:
    return "__Host-reader" if _is_safe() else "reader"


def _is_safe() -> bool:
    return settings().web_url.startswith("https://")
