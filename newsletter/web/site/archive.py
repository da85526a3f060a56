"""The archive's pages: each edition that went out, as it was approved; an index, a feed, pictures of them."""

import re
from typing import Final

from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.responses import Response

from newsletter import archive
from newsletter.archive import Edition, Neighbours
from newsletter.archive.feed import ENTRIES, Item, atom
from newsletter.archive.picture import Row, picture
from newsletter.settings import settings
from newsletter.web.caching import kept
from newsletter.web.doors import Reading
from newsletter.web.pages import LOOK, MAIL, TAGLINE, page, rendered

router = APIRouter()

_MINUTES: Final = 300  # seconds: what changes when an edition has gone out
_DAY: Final = 86_400
_HEAD: Final = re.compile(r"<head[^>]*>", re.IGNORECASE)
_BODY: Final = re.compile(r"<body[^>]*>", re.IGNORECASE)
_ANYBODY: Final = {"cross-origin-resource-policy": "cross-origin"}


@router.api_route("/archive", methods=LOOK)
def index(request: Request, session: Reading, before: str = "") -> Response:
    """Every edition that went out, a year of them on a page."""
    start = archive.one(session, before) if before else None
    found = archive.editions(session, before=start, most=archive.PAGE + 1)
    shown = found[: archive.PAGE]
    answer = page("archive.html", editions=shown, more=len(found) > archive.PAGE, before=before)
    newest = shown[0].sent_at if shown else None
    return kept(
        request,
        bytes(answer.body),
        media_type="text/html",
        changed_at=newest,
        seconds=_MINUTES,
        headers={"content-security-policy": answer.headers["content-security-policy"]},
    )


@router.api_route("/archive.atom", methods=LOOK)
def feed(request: Request, session: Reading) -> Response:
    """The newest editions for feed readers."""
    items = [
        Item(one, [(pair.title, pair.address) for pair in archive.pairs(session, one)])
        for one in archive.editions(session, most=ENTRIES)
    ]
    known = settings()
    return kept(
        request,
        atom(items, publication=known.publication, tagline=TAGLINE, base=known.web_url),
        media_type="application/atom+xml",
        changed_at=items[0].edition.sent_at if items else None,
        seconds=_MINUTES,
        headers=_ANYBODY,
    )


@router.api_route("/archive/personal", methods=LOOK)
def personal() -> Response:
    """Where the links lead that are each reader's own in the mail."""
    return page("archive_personal.html")


@router.api_route("/archive/{issue}.png", methods=LOOK)
def picture_of(request: Request, issue: str, session: Reading) -> Response:
    """The edition's picture, for what shows links with one."""
    edition = archive.one(session, issue)
    rows = tuple(
        Row(pair.title, tuple(side.pips for side in pair.sides))
        for pair in archive.pairs(session, edition)
    )
    return kept(
        request,
        picture(settings().publication, _dated(edition), edition.subject, rows),
        media_type="image/png",
        changed_at=edition.sent_at,
        seconds=_DAY,
        headers=_ANYBODY,
    )


@router.api_route("/archive/{issue}.txt", methods=LOOK)
def text_of(request: Request, issue: str, session: Reading) -> Response:
    """The edition's text part."""
    edition = archive.one(session, issue)
    return kept(
        request,
        archive.text(session, edition).encode(),
        media_type="text/plain",
        changed_at=edition.sent_at,
        seconds=_DAY,
    )


@router.api_route("/archive/{issue}", methods=LOOK)
def show(request: Request, issue: str, session: Reading) -> Response:
    """The edition as it was approved and sent, between two marked insertions of ours."""
    edition = archive.one(session, issue)
    around = archive.neighbours(session, edition)
    return kept(
        request,
        _dressed(session, edition, around).encode(),
        media_type="text/html",
        changed_at=around.since or edition.sent_at,  # when the way on came to stand in it
        seconds=_MINUTES,
        headers={"content-security-policy": MAIL.format(ancestors="'none'")},
    )


def _dressed(session: Session, edition: Edition, around: Neighbours) -> str:
    """The stored bytes with what a public page needs: how links to it look, and a way on."""
    context = {
        "edition": edition,
        "dated": _dated(edition),
        "around": around,
        "home": settings().web_url.rstrip("/"),
    }
    html = archive.html(session, edition)
    for place, part in ((_HEAD, "archive_head.html"), (_BODY, "archive_bar.html")):
        if found := place.search(html):
            marked = f"<!--archive-->{rendered(part, **context)}<!--/archive-->"
            html = html[: found.end()] + marked + html[found.end() :]
    return html


def _dated(edition: Edition) -> str:
    return f"No. {edition.number} · {edition.day}"
