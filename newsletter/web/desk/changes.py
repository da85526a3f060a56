"""What an editor changes on the desk: words, order, one comparison. Each names the version it was made on."""

from datetime import datetime

from fastapi import APIRouter
from sqlmodel import Session
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from digests.making import versions
from digests.making.draft import Draft, Edit
from digests.making.versions import Overtaken
from newsletter.editions import editing
from newsletter.editions.editing import Part
from newsletter.web.desk import both
from newsletter.web.desk.view import Looking, View, desk_page, edition
from newsletter.web.doors import Now, Number, Transaction
from newsletter.web.office.staff import Editor, Form, SignedIn, StaffForm

router = APIRouter()


@router.post("/desk/{issue}/words")
def reword(  # noqa: PLR0913, PLR0917 - the doors it needs
    who: Editor, issue: str, form: StaffForm, session: Transaction, now: Now, view: Looking
) -> Response:
    """Subject, preheader, introduction: those that the form names."""
    named = {part: form[part] for part in both.NAMES if part in form}
    digest = edition(session, issue)
    try:
        editing.reword(session, digest, named, seen=seen(form), by=who.name, now=now)
    except Overtaken as refused:
        # Nothing was written: the page shows both texts, and the editor decides.
        texts = tuple(both.of_words(versions.read(session, digest), named))
        return desk_page(who, digest, session, now, view=view, conflict=refused, texts=texts)
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
            over=Draft.order,
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
    revision_id: Number,
    form: StaffForm,
    session: Transaction,
    now: Now,
    view: Looking,
) -> Response:
    """One comparison: ``do`` says what."""
    edits: dict[str, tuple[Edit, Part]] = {
        "up": (lambda draft: draft.moved(revision_id, up=True), Draft.order),
        "down": (lambda draft: draft.moved(revision_id, up=False), Draft.order),
        "lead": (lambda draft: draft.led_by(revision_id), Draft.order),
        "pin": (lambda draft: draft.pinned(revision_id, on=True), Draft.order),
        "unpin": (lambda draft: draft.pinned(revision_id, on=False), Draft.order),
        "quote": (
            lambda draft: draft.quoting(revision_id, form.all("voice")),
            lambda draft: draft.quotes_of(revision_id),
        ),
        "usual": (
            lambda draft: draft.quoting(revision_id, None),
            lambda draft: draft.quotes_of(revision_id),
        ),
        "take-in": (
            lambda draft: draft.including(revision_id),
            lambda draft: draft.find(revision_id) is None,
        ),
        "refresh": (
            lambda draft: draft.refreshed(
                revision_id, to=editing.newer(session, revision_id, number(form.get("to", "")))
            ),
            lambda draft: draft.find(revision_id) is None,
        ),
        "leave-out": (
            lambda draft: draft.without(
                revision_id, reason=form.get("reason", ""), by=who.name, now=now
            ),
            lambda draft: draft.find(revision_id),
        ),
    }
    if form.get("do") == "note":
        return annotate(who, issue, revision_id, form, session, now, view)
    wanted = edits.get(form.get("do", ""))
    if wanted is None:
        raise HTTPException(422, "Say what is to be done with the comparison.")
    digest = edition(session, issue)
    try:
        made, over = wanted
        editing.edit(session, digest, made, over=over, seen=seen(form), by=who.name, now=now)
    except Overtaken as refused:
        return desk_page(who, digest, session, now, view=view, conflict=refused)
    return _back(issue, view)


def annotate(  # noqa: PLR0913, PLR0917 - as ``change``, whose form it is
    who: SignedIn,
    issue: str,
    revision_id: int,
    form: Form,
    session: Session,
    now: datetime,
    view: View,
) -> Response:
    """The note on one comparison: text, of which a second editor sees both."""
    digest, note = edition(session, issue), form.get("note", "")
    try:
        editing.annotate(session, digest, revision_id, note, seen=seen(form), by=who.name, now=now)
    except Overtaken as refused:
        texts = tuple(both.of_a_note(versions.read(session, digest), revision_id, note))
        return desk_page(who, digest, session, now, view=view, conflict=refused, texts=texts)
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
