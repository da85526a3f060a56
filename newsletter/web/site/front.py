"""The front page: a newcomer watches an edition happen; in production it is only a quiet landing."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Depends
from starlette.responses import JSONResponse, PlainTextResponse, Response

from newsletter.accounts import demo
from newsletter.copies.galley import Preview
from newsletter.editions import production
from newsletter.links import CopyRef
from newsletter.readers import joining
from newsletter.settings import settings
from newsletter.web import copies
from newsletter.web.doors import Now, Reading
from newsletter.web.office.staff import Caller, NotSignedIn
from newsletter.web.pages import FRAMING, LOOK, MAIL, SCRIPTED, page
from newsletter.web.site import situation

router = APIRouter()

_BY_NIGHT: Final = re.compile(r"\(\s*prefers-color-scheme\s*:\s*dark\s*\)")


def may_watch(caller: Caller) -> None:
    """On the embedded default everybody may watch; in production, whoever has an account."""
    if caller is None and not settings().is_embedded:
        raise NotSignedIn


Watching = Annotated[None, Depends(may_watch)]


@router.api_route("/", methods=LOOK)
def front(caller: Caller, session: Reading, now: Now) -> Response:
    """The newest edition as it happens, and what to try next; in production a name for strangers."""
    if caller is None and not settings().is_embedded:
        return page("landing.html", wording=joining.wording())
    edition, turn = situation.standing(session), situation.next_turn(session, now=now)
    return page(
        "front.html",
        policy=SCRIPTED,
        edition=edition,
        turn=turn,
        stamp=situation.as_json(edition, turn)["stamp"],
        sandbox_url=settings().sandbox_url,
        program=_program(),
        is_embedded=settings().is_embedded,
        is_open=demo.account(session) is not None,
        way_in=caller.home if caller else "/sign-in",
        now=now,
    )


@router.api_route("/status.json", methods=LOOK)
def status(_: Watching, session: Reading, now: Now) -> Response:
    """The front page's figures, for its script and for curious newcomers."""
    edition, turn = situation.standing(session), situation.next_turn(session, now=now)
    return JSONResponse(situation.as_json(edition, turn))


@router.api_route("/digests/{issue}", methods=LOOK)
def preview(
    _: Watching, issue: str, session: Reading, width: str = "desktop", scheme: str = "light"
) -> Response:
    """An edition as it will arrive; *issue* may be ``latest``."""
    shown = production.preview(session, production.by_issue(session, issue))
    return page(
        "preview.html",
        policy=FRAMING,
        digest=shown.digest,
        subject=shown.rendered.content.subject,
        text=_for_nobody(shown).text,
        content_hash=shown.content_hash,
        size=len(shown.rendered.content.html.encode()),
        width=width if width in {"desktop", "phone", "text"} else "desktop",
        scheme="dark" if scheme == "dark" else "light",
    )


@router.api_route("/digests/{issue}/email.html", methods=LOOK)
def preview_html(_: Watching, issue: str, session: Reading, scheme: str = "light") -> Response:
    """The mail's own bytes, with the links of nobody in them, for the frame on the preview page."""
    html = _for_nobody(production.preview(session, production.by_issue(session, issue))).html
    # The frame is to show one scheme, whatever the editor's own machine prefers.
    html = _BY_NIGHT.sub("(min-width:0)" if scheme == "dark" else "(max-width:0)", html)
    policy = MAIL.format(ancestors="'self'")
    return Response(html, media_type="text/html", headers={"content-security-policy": policy})


@router.api_route("/digests/{issue}/email.txt", methods=LOOK)
def preview_text(_: Watching, issue: str, session: Reading) -> Response:
    """The mail's text part, with the links of nobody in it."""
    shown = production.preview(session, production.by_issue(session, issue))
    return PlainTextResponse(_for_nobody(shown).text)


def _program() -> str:
    """The command as somebody in the service's folder can type it."""
    beside_us = Path(sys.executable).parent / "newsletter"
    if beside_us.is_relative_to(Path.cwd()):
        return str(beside_us.relative_to(Path.cwd()))
    return "newsletter"


@dataclass(frozen=True, slots=True)
class _Filled:
    html: str
    text: str


def _for_nobody(shown: Preview) -> _Filled:
    """The mail with links that are genuine and belong to no one: pressing them changes nothing."""
    content, nobody = shown.rendered.content, CopyRef(shown.digest.id or 0, 0)
    html, text = (
        copies.filled(part, content.fields, nobody, joined_on="the day you joined")
        for part in (content.html, content.text)
    )
    return _Filled(html, text)
