"""How the desk is looked at, as its address says it, and the page that shows it that way."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Depends, Query
from sqlmodel import Session
from starlette.responses import RedirectResponse, Response

from digests.making.versions import Overtaken
from digests.models import Digest, DigestStatus
from newsletter.accounts.models import Role
from newsletter.editions import production
from newsletter.web.desk import finding
from newsletter.web.desk.both import Both
from newsletter.web.desk.mail import Eyes, NothingForThem, eyes, passed_over, sight
from newsletter.web.desk.page import desk
from newsletter.web.office.staff import SignedIn, staff_page
from newsletter.web.pages import QUIET

_POLICY: Final = f"{QUIET}; script-src 'self'; connect-src 'self'; frame-src 'self'"
_WIDTHS: Final = ("desktop", "phone", "text")


class View:
    """How the mail is looked at: how wide, by day or night, with pictures or without, as whom."""

    def __init__(
        self,
        width: str = "phone",
        scheme: str = "light",
        images: str = "on",
        reader: str = "all",
        topic: Annotated[Sequence[str], Query()] = (),
    ) -> None:
        self.width = width if width in _WIDTHS else "phone"
        self.scheme = "dark" if scheme == "dark" else "light"
        self.images = "off" if images == "off" else "on"
        self.reader = f"topics:{'+'.join(sorted(set(topic)))}" if topic else reader

    @property
    def parts(self) -> dict[str, str]:
        """What the address says, by name."""
        return {
            "width": self.width,
            "scheme": self.scheme,
            "images": self.images,
            "reader": self.reader,
        }

    @property
    def chosen(self) -> Sequence[str]:
        """The slugs of the topics that are looked through, if it is through topics."""
        kind, _, slugs = self.reader.partition(":")
        return slugs.partition("~")[0].split("+") if kind == "topics" else ()

    def address(self, **changes: str) -> str:
        """The query that shows it this way, with *changes*."""
        return urlencode(self.parts | changes)


Looking = Annotated[View, Depends()]


def desk_page(  # noqa: PLR0913 - what the page shows
    who: SignedIn,
    digest: Digest,
    session: Session,
    now: datetime,
    *,
    view: View,
    find: str = "",
    search: str = "",
    conflict: Overtaken | None = None,
    texts: Sequence[Both] = (),
) -> Response:
    """The desk of *digest*; after a refused save, with both *texts* of each part.

    One that was cancelled before it went has nothing in it any more: what became of it is told.
    """
    if digest.status is DigestStatus.cancelled and digest.started_at is None:
        return RedirectResponse(f"/desk/{digest.issue}/approval", 303)
    found = finding.find(session, find, who=who) if find.strip() else None
    if found and len(found.readers) == 1:
        through, found = found.readers[0], None
    else:
        through = eyes(session, view.reader)
    view.reader = through.key
    shown = desk(session, digest, search=search, now=now)
    return staff_page(
        "desk.html",
        now=now,
        who=who,
        status=409 if conflict else 200,
        policy=_POLICY,
        desk=shown,
        digest=digest,
        view=view,
        through=through,
        passed_over=passed_over(session, digest, through),
        found=found,
        find=found.words if found else "",
        may_find=who.may(Role.operator),
        report=_report_of(who, digest),
        search=search,
        conflict=conflict,
        texts=texts,
        text=_text(session, digest, through, now=now) if view.width == "text" else "",
    )


def _text(session: Session, digest: Digest, through: Eyes, *, now: datetime) -> str:
    try:
        return sight(session, digest, through, now=now).text
    except NothingForThem as nothing:
        return str(nothing)


def _report_of(who: SignedIn, digest: Digest) -> str:
    """Where what became of *digest* is told, once it has begun to go, for those who may go there."""
    has_begun, may = digest.started_at is not None, {address for address, *_ in who.menu}
    return f"/reports/{digest.issue}" if has_begun and "/reports" in may else ""


def edition(session: Session, issue: str) -> Digest:
    """The edition that the address names. Raises NoSuchDigest."""
    return production.by_issue(session, issue)
