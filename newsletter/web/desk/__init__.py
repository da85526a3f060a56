"""The desk: one page on which an edition's editors order, word, check and look at what will go out."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import JSONResponse, PlainTextResponse, Response

from digests.making import versions
from newsletter.web.desk.mail import NothingForThem, eyes, in_scheme, sight
from newsletter.web.desk.view import Looking, desk_page, edition
from newsletter.web.doors import Now, Reading
from newsletter.web.office.staff import Editor
from newsletter.web.pages import LOOK, MAIL

router = APIRouter()

#: The desk's script keeps the place to which an editor has scrolled in the mail; nothing in it runs.
_FRAMED: Final = MAIL.format(ancestors="'self'").replace("sandbox ", "sandbox allow-same-origin ")


@router.api_route("/desk/{issue}", methods=LOOK)
def show(  # noqa: PLR0913, PLR0917 - what the address says
    who: Editor,
    issue: str,
    session: Reading,
    now: Now,
    view: Looking,
    find: str = "",
    search: str = "",
) -> Response:
    """The desk of an edition."""
    digest = edition(session, issue)
    return desk_page(who, digest, session, now, view=view, find=find, search=search)


@router.api_route("/desk/{issue}/mail.html", methods=LOOK)
def mail_html(_who: Editor, issue: str, session: Reading, now: Now, view: Looking) -> Response:
    """The mail's own bytes for the frame; with images off, nothing in it may load any."""
    try:
        shown = sight(session, edition(session, issue), eyes(session, view.reader), now=now)
    except NothingForThem as nothing:
        return PlainTextResponse(str(nothing))
    policy = _FRAMED
    if view.images == "off":
        policy = policy.replace("img-src 'self' https:", "img-src 'none'")
    return Response(
        in_scheme(shown.html, view.scheme),
        media_type="text/html",
        headers={"content-security-policy": policy},
    )


@router.api_route("/desk/{issue}/mail.txt", methods=LOOK)
def mail_text(_who: Editor, issue: str, session: Reading, now: Now, view: Looking) -> Response:
    """The mail's text part."""
    shown = sight(session, edition(session, issue), eyes(session, view.reader), now=now)
    return PlainTextResponse(shown.text)


@router.api_route("/desk/{issue}/state.json", methods=LOOK)
def state(_who: Editor, issue: str, session: Reading) -> Response:
    """Which version stands, and whose it is: the page asks every few seconds."""
    digest = edition(session, issue)
    last = versions.newest(session, digest)
    return JSONResponse(
        {
            "version": digest.version,
            "status": digest.status,
            "by": last.by if last else "",
            "what": last.what if last else "",
        }
    )
