"""The desk: one page on which an edition's editors order, word, check and look at what will go out."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from digests import versions
from digests.draft import Draft, Edit
from digests.versions import Overtaken
from newsletter import editing, production
from newsletter.web.desk.mail import eyes, in_scheme, sight
from newsletter.web.desk.page import desk
from newsletter.web.doors import Now, Reading, Transaction
from newsletter.web.pages import LOOK, MAIL, QUIET
from newsletter.web.staff import Editor, Form, StaffForm, staff_page

router = APIRouter()

_POLICY: Final = f"{QUIET}; script-src 'self'; connect-src 'self'; frame-src 'self'"
_WIDTHS: Final = ("desktop", "phone", "text")


class View:
    """How the mail is looked at, as the address says it."""

    def __init__(
        self,
        width: str = "phone",
        scheme: str = "light",
        images: str = "on",
        reader: str = "all",
    ) -> None:
        self.width = width if width in _WIDTHS else "phone"
        self.scheme = "dark" if scheme == "dark" else "light"
        self.images = "off" if images == "off" else "on"
        self.reader = reader

    def address(self, **changes: str) -> str:
        """The query that shows it this way, with *changes*."""
        known = {
            "width": self.width,
            "scheme": self.scheme,
            "images": self.images,
            "reader": self.reader,
        }
        return "&".join(f"{name}={value}" for name, value in (known | changes).items())


Looking = Annotated[View, Depends()]


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
    return _desk(who, issue, session, now, view=view, find=find, search=search)


def _desk(  # noqa: PLR0913 - what the page shows
    who: Editor,
    issue: str,
    session: Reading,
    now: Now,
    *,
    view: View,
    find: str = "",
    search: str = "",
    conflict: Overtaken | None = None,
    mine: Draft | None = None,
) -> Response:
    digest = production.by_issue(session, issue)
    through = eyes(session, view.reader, find=find)
    view.reader = through.key
    shown = desk(session, digest, search=search, now=now)
    return staff_page(
        "desk.html",
        who=who,
        status=409 if conflict else 200,
        policy=_POLICY,
        desk=shown,
        digest=digest,
        view=view,
        through=through,
        search=search,
        conflict=conflict,
        mine=mine,
        text=sight(session, digest, through).text if view.width == "text" else "",
    )


@router.api_route("/desk/{issue}/mail.html", methods=LOOK)
def mail_html(_who: Editor, issue: str, session: Reading, view: Looking) -> Response:
    """The mail's own bytes for the frame; with images off, nothing in it may load any."""
    digest = production.by_issue(session, issue)
    shown = sight(session, digest, eyes(session, view.reader))
    policy = MAIL.format(ancestors="'self'")
    if view.images == "off":
        policy = policy.replace("img-src 'self' https:", "img-src 'none'")
    return Response(
        in_scheme(shown.html, view.scheme),
        media_type="text/html",
        headers={"content-security-policy": policy},
    )


@router.api_route("/desk/{issue}/mail.txt", methods=LOOK)
def mail_text(_who: Editor, issue: str, session: Reading, view: Looking) -> Response:
    """The mail's text part."""
    digest = production.by_issue(session, issue)
    return PlainTextResponse(sight(session, digest, eyes(session, view.reader)).text)


@router.api_route("/desk/{issue}/state.json", methods=LOOK)
def state(_who: Editor, issue: str, session: Reading) -> Response:
    """Which version stands, and whose it is: the page asks every few seconds."""
    digest = production.by_issue(session, issue)
    last = versions.newest(session, digest)
    return JSONResponse(
        {
            "version": digest.version,
            "status": digest.status,
            "by": last.by if last else "",
            "what": last.what if last else "",
        }
    )


@router.post("/desk/{issue}/words")
def reword(  # noqa: PLR0913, PLR0917 - the doors it needs
    who: Editor, issue: str, form: StaffForm, session: Transaction, now: Now, view: Looking
) -> Response:
    """Subject, preheader, introduction: those that the form names."""
    named = {part: form[part] for part in ("subject", "preheader", "opening") if part in form}
    digest = production.by_issue(session, issue)
    wanted = versions.read(session, digest).reworded(**named)
    try:
        editing.edit(
            session,
            digest,
            lambda draft: draft.reworded(**named),
            seen=_seen(form),
            by=who.name,
            now=now,
        )
    except Overtaken as refused:
        # Nothing was written: the page shows both texts, and the editor decides.
        return _desk(who, issue, session, now, view=view, conflict=refused, mine=wanted)
    return _back(issue, view)


@router.post("/desk/{issue}/order")
def reorder(  # noqa: PLR0913, PLR0917 - the doors it needs
    who: Editor, issue: str, form: StaffForm, session: Transaction, now: Now, view: Looking
) -> Response:
    """The whole order at once, as dragging leaves it."""
    wanted = [_number(one) for one in form.all("order")]
    editing.edit(
        session,
        production.by_issue(session, issue),
        lambda draft: draft.ordered(wanted),
        seen=_seen(form),
        by=who.name,
        now=now,
    )
    return _back(issue, view)


@router.post("/desk/{issue}/comparisons/{revision_id}")
def change(  # noqa: PLR0913, PLR0917 - the doors it needs
    who: Editor,
    issue: str,
    revision_id: int,
    form: StaffForm,
    session: Transaction,
    now: Now,
    view: Looking,
) -> Response:
    """One comparison: ``do`` says what."""
    edits: dict[str, Edit] = {
        "up": lambda draft: draft.moved(revision_id, up=True),
        "down": lambda draft: draft.moved(revision_id, up=False),
        "lead": lambda draft: draft.led_by(revision_id),
        "pin": lambda draft: draft.pinned(revision_id, on=True),
        "unpin": lambda draft: draft.pinned(revision_id, on=False),
        "note": lambda draft: draft.noted(revision_id, form.get("note", "")),
        "quote": lambda draft: draft.quoting(revision_id, form.all("voice")),
        "usual": lambda draft: draft.quoting(revision_id, None),
        "take-in": lambda draft: draft.including(revision_id),
        "refresh": lambda draft: draft.refreshed(revision_id, to=_number(form.get("to", ""))),
        "leave-out": lambda draft: draft.without(
            revision_id, reason=form.get("reason", ""), by=who.name, now=now
        ),
    }
    wanted = edits.get(form.get("do", ""))
    if wanted is None:
        raise HTTPException(422, "Say what is to be done with the comparison.")
    digest = production.by_issue(session, issue)
    editing.edit(session, digest, wanted, seen=_seen(form), by=who.name, now=now)
    return _back(issue, view)


def _seen(form: Form) -> int:
    return _number(form.get("version", ""))


def _number(said: str) -> int:
    if not said.isdecimal() or len(said) > 15:  # noqa: PLR2004 - more digits than any row has
        raise HTTPException(422, "The form does not say which version it is about.")
    return int(said)


def _back(issue: str, view: View) -> Response:
    return RedirectResponse(f"/desk/{issue}?{view.address()}", 303)
