"""What an editor changes on the desk: words, order, one comparison. Each names the version it was made on."""

from typing import Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from digests import versions
from digests.draft import Edit
from digests.versions import Overtaken
from newsletter import editing
from newsletter.web.desk.view import Looking, View, desk_page, edition
from newsletter.web.doors import Now, Transaction
from newsletter.web.staff import Editor, Form, StaffForm

router = APIRouter()

_WORDS: Final = ("subject", "preheader", "opening")


@router.post("/desk/{issue}/words")
def reword(  # noqa: PLR0913, PLR0917 - the doors it needs
    who: Editor, issue: str, form: StaffForm, session: Transaction, now: Now, view: Looking
) -> Response:
    """Subject, preheader, introduction: those that the form names."""
    named = {part: form[part] for part in _WORDS if part in form}
    digest = edition(session, issue)
    try:
        editing.reword(session, digest, named, seen=seen(form), by=who.name, now=now)
    except Overtaken as refused:
        # Nothing was written: the page shows both texts, and the editor decides.
        mine = versions.read(session, digest).reworded(**named)
        return desk_page(who, digest, session, now, view=view, conflict=refused, mine=mine)
    return _back(issue, view)


@router.post("/desk/{issue}/order")
def reorder(  # noqa: PLR0913, PLR0917 - the doors it needs
    who: Editor, issue: str, form: StaffForm, session: Transaction, now: Now, view: Looking
) -> Response:
    """The whole order at once, as dragging leaves it."""
    wanted = [number(one) for one in form.all("order")]
    digest = edition(session, issue)
    try:
        editing.edit(
            session,
            digest,
            lambda draft: draft.ordered(wanted),
            seen=seen(form),
            by=who.name,
            now=now,
        )
    except Overtaken as refused:
        return desk_page(who, digest, session, now, view=view, conflict=refused)
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
        "refresh": lambda draft: draft.refreshed(revision_id, to=number(form.get("to", ""))),
        "leave-out": lambda draft: draft.without(
            revision_id, reason=form.get("reason", ""), by=who.name, now=now
        ),
    }
    wanted = edits.get(form.get("do", ""))
    if wanted is None:
        raise HTTPException(422, "Say what is to be done with the comparison.")
    digest = edition(session, issue)
    try:
        editing.edit(session, digest, wanted, seen=seen(form), by=who.name, now=now)
    except Overtaken as refused:
        return desk_page(who, digest, session, now, view=view, conflict=refused)
    return _back(issue, view)


def seen(form: Form) -> int:
    """The version that the form was made on."""
    return number(form.get("version", ""))


def number(said: str) -> int:
    """A number in a form. Raises HTTPException (422)."""
    if not said.isdecimal() or len(said) > 15:  # noqa: PLR2004 - more digits than any row has
        raise HTTPException(422, "The form does not say which version it is about.")
    return int(said)


def _back(issue: str, view: View) -> Response:
    return RedirectResponse(f"/desk/{issue}?{view.address()}", 303)
