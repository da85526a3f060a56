"""The front page: a newcomer watches an edition happen; in production it is only a quiet landing."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response

from newsletter import production
from newsletter.links import CopyRef
from newsletter.settings import settings
from newsletter.web import copies, situation
from newsletter.web.doors import Now, Reading
from newsletter.web.pages import FRAMING, LOOK, MAIL, SCRIPTED, page

router = APIRouter()


def only_embedded() -> None:
    """What shows unsent editions and figures is closed in production, until there are accounts."""
    if not settings().is_embedded:
        raise HTTPException(404)


Embedded = Annotated[None, Depends(only_embedded)]


@router.api_route("/", methods=LOOK)
def front(session: Reading, now: Now) -> Response:
    """The newest edition as it happens, and what to try next."""
    if not settings().is_embedded:
        return page("landing.html")
    return page(
        "front.html",
        policy=SCRIPTED,
        edition=situation.standing(session),
        turn=situation.next_turn(session, now=now),
        sandbox_url=settings().sandbox_url,
        now=now,
    )


@router.api_route("/status.json", methods=LOOK)
def status(_: Embedded, session: Reading, now: Now) -> Response:
    """The front page's figures, for its script and for curious newcomers."""
    edition, turn = situation.standing(session), situation.next_turn(session, now=now)
    return JSONResponse(situation.as_json(edition, turn))


@router.api_route("/digests/{issue}", methods=LOOK)
def preview(_: Embedded, issue: str, session: Reading, width: str = "desktop") -> Response:
    """An edition as it will arrive; *issue* may be ``latest``."""
    shown = production.preview(session, production.by_issue(session, issue))
    return page(
        "preview.html",
        policy=FRAMING,
        digest=shown.digest,
        content=shown.rendered.content,
        content_hash=shown.content_hash,
        size=len(shown.rendered.content.html.encode()),
        width=width if width in {"desktop", "phone", "text"} else "desktop",
    )


@router.api_route("/digests/{issue}/email.html", methods=LOOK)
def preview_html(_: Embedded, issue: str, session: Reading) -> Response:
    """The mail's own bytes, with the links of nobody in them, for the frame on the preview page."""
    shown = production.preview(session, production.by_issue(session, issue))
    content = shown.rendered.content
    nobody = CopyRef(shown.digest.id or 0, 0)
    html = copies.filled(content.html, content.fields, nobody, joined_on="the day you joined")
    policy = MAIL.format(ancestors="'self'")
    return Response(html, media_type="text/html", headers={"content-security-policy": policy})


@router.api_route("/digests/{issue}/email.txt", methods=LOOK)
def preview_text(_: Embedded, issue: str, session: Reading) -> Response:
    """The mail's text part, with the links of nobody in it."""
    shown = production.preview(session, production.by_issue(session, issue))
    content = shown.rendered.content
    nobody = CopyRef(shown.digest.id or 0, 0)
    return PlainTextResponse(
        copies.filled(content.text, content.fields, nobody, joined_on="the day you joined")
    )
