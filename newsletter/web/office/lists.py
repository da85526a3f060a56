"""Lists from elsewhere, for operators: loaded up, looked at, rehearsed, taken in."""

from typing import Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response, StreamingResponse

from newsletter.readers import uploaded, uploads
from newsletter.readers.importing import SAID
from newsletter.web.doors import Now, Number, Reading, Transaction
from newsletter.web.office.staff import Operator, StaffForm, staff_page
from newsletter.web.pages import LOOK, QUIET, SCRIPTED
from subscribers.importing.bulk import Fate
from subscribers.importing.columns import Meaning
from subscribers.importing.records import FileRefused

router = APIRouter()

#: Bytes of a list: some two million people.
LARGEST: Final = 128 * 1024 * 1024
_WITH_THE_FORM: Final = LARGEST + 1024 * 1024

_MEANINGS: Final = {
    Meaning.address: "Address",
    Meaning.name: "Name",
    Meaning.first_name: "First name",
    Meaning.last_name: "Last name",
    Meaning.zone: "Time zone",
    Meaning.joined: "Joined on",
    Meaning.status: "Where they stand there",
}


@router.api_route("/people/import", methods=LOOK)
def ask(who: Operator) -> Response:
    """The form that takes a list."""
    return staff_page("import.html", who=who, wrong="", largest=LARGEST)


@router.post("/people/import", max_body_size=_WITH_THE_FORM)
def receive(who: Operator, form: StaffForm, now: Now) -> Response:
    """Keep a list and show what it is."""
    file = form.files.get("list")
    wrong, status = "", 422
    if file is None or not file.size:
        wrong = "Choose a file with a list in it."
    elif file.size > LARGEST:
        wrong = (
            f"A list may have {LARGEST >> 20} MB; take this one in with the command, or in parts."
        )
        status = 413
    else:
        try:
            number = uploads.receive(file.file, file.filename or "a list", by=who.name, now=now)
        except FileRefused as refusal:
            wrong = str(refusal)
        else:
            file.file.close()
            return RedirectResponse(f"/people/import/{number}", 303)
    if file is not None:
        file.file.close()
    return staff_page("import.html", who=who, status=status, wrong=wrong, largest=LARGEST)


@router.api_route("/people/import/{number}", methods=LOOK)
def one(who: Operator, number: Number, session: Reading) -> Response:
    """What it is, what would happen, how far it is, or what has become of it."""
    return _page(who, session, number)


@router.post("/people/import/{number}/read")
def read_as(
    who: Operator, number: Number, form: StaffForm, session: Transaction, now: Now
) -> Response:
    """What its columns mean and what they agreed to; then see what would happen."""
    said = {str(meaning): form.get(f"column-{meaning}", "") for meaning in Meaning}
    try:
        uploads.read_as(
            session,
            number,
            said,
            page=form.get("page", ""),
            wording=form.get("wording", ""),
            by=who.name,
            now=now,
        )
    except FileRefused as refusal:
        return _page(who, session, number, wrong=str(refusal))
    return RedirectResponse(f"/people/import/{number}", 303)


@router.post("/people/import/{number}/take-in")
def take_in(
    who: Operator,
    number: Number,
    form: StaffForm,  # noqa: ARG001 - it proves that it was they who pressed
    session: Transaction,
    now: Now,
) -> Response:
    """Take everybody in as it was rehearsed."""
    uploads.take_in(session, number, by=who.name, now=now)
    return RedirectResponse(f"/people/import/{number}", 303)


@router.post("/people/import/{number}/drop")
def drop(
    who: Operator,
    number: Number,
    form: StaffForm,  # noqa: ARG001 - it proves that it was they who pressed
    session: Transaction,
    now: Now,
) -> Response:
    """Let go of it."""
    uploads.drop(session, number, by=who.name, now=now)
    return RedirectResponse("/people/import", 303)


@router.api_route("/people/import/{number}/refused.csv", methods=LOOK)
def refused(who: Operator, number: Number, session: Reading) -> Response:  # noqa: ARG001 - who asks at the door
    """Each refused line with its reason, in which a spreadsheet computes nothing."""
    if not uploaded.has_refused(session, number):
        raise HTTPException(404, "No line of that list was refused, or it is not here any more.")
    return StreamingResponse(
        uploaded.pieces(number, uploaded.REFUSED),
        media_type="text/csv",
        headers={
            "content-disposition": 'attachment; filename="refused.csv"',
            "cache-control": "no-store",
        },
    )


def _page(who: Operator, session: Reading, number: int, *, wrong: str = "") -> Response:
    upload = uploads.find(session, number)
    looked = uploads.look(session, upload)
    counts = {Fate(fate): count for fate, count in (upload.counts or {}).items()}
    runs = upload.status in uploaded.BUSY
    return staff_page(
        "import_list.html",
        who=who,
        policy=SCRIPTED if runs else QUIET,
        status=422 if wrong else 200,
        upload=upload,
        look=looked,
        said={str(meaning): at + 1 for meaning, at in looked.columns.places.items()}
        if looked
        else {},
        meanings=_MEANINGS,
        fates=[(counts[fate], words) for fate, words in SAID.items() if counts.get(fate)],
        added=counts.get(Fate.added, 0),
        all_told=sum(counts.values()),
        has_refused=uploaded.has_refused(session, number),
        runs=runs,
        wrong=wrong,
    )
