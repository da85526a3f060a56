"""The board: what is on the desk, what the week has brought so far, the editions before, those to come."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from fastapi import APIRouter
from sqlmodel import Session, col, select
from starlette.responses import Response

from digests import signatures
from digests.edition import Entry
from digests.ledger.weeks import Week, weeks
from digests.making import assembly, versions
from digests.models import Digest, DigestStatus
from digests.schedules import calendar
from digests.schedules.calendar import Coming
from digests.schedules.schedule_terms import by_name
from digests.signatures import Signature
from newsletter.rendering.card import Card, card
from newsletter.web.doors import Now, Reading
from newsletter.web.office.staff import Editor, staff_page
from newsletter.web.pages import LOOK

router = APIRouter()

_OVER: Final = (DigestStatus.sent, DigestStatus.cancelled)
_BEFORE: Final = 12  # editions listed
_AHEAD: Final = 6  # turns to come
_MOST: Final = 20  # comparisons of the coming edition, where no schedule says


@router.api_route("/desk", methods=LOOK)
def board(who: Editor, session: Reading, now: Now) -> Response:
    """Everything an editor may want to open."""
    on_it = session.exec(
        select(Digest).where(col(Digest.status).not_in(_OVER)).order_by(col(Digest.send_at))
    ).all()
    coming = calendar.coming(session, count=_AHEAD, now=now)
    closes = next((turn for turn in coming if turn.goes and turn.cutoff_at > now), None)
    return staff_page(
        "board.html",
        who=who,
        on_it=on_it,
        refused={one.id: said for one in on_it if (said := _sent_back(session, one))},
        before=_before(session),
        coming=coming,
        closes=closes,
        filling=_filling(session, closes, now=now),
        now=now,
        report="/reports" in who.parts,
    )


def _sent_back(session: Session, digest: Digest) -> Signature | None:
    """Who has sent a draft back that nobody has edited since."""
    if digest.status is not DigestStatus.draft:
        return None
    refused, last = signatures.refusal(session, digest), versions.newest(session, digest)
    return None if refused and last and last.at > refused.at else refused


def _before(session: Session) -> Sequence[Week]:
    """The editions that went out, with what became of their copies."""
    last = session.exec(
        select(Digest)
        .where(col(Digest.status) == DigestStatus.sent)
        .order_by(col(Digest.send_at).desc(), col(Digest.id).desc())
    ).first()
    return weeks(session, last, count=_BEFORE - 1) if last else ()


def _filling(session: Session, closes: Coming | None, *, now: datetime) -> list[Card]:
    """What would be in the next edition if it were assembled now, in that order."""
    entries: Sequence[Entry]
    if closes is None:
        entries = assembly.entries_of(assembly.choose(session, before=now, at_most=_MOST))
    else:
        entries = assembly.news_for(session, by_name(session, closes.schedule), now=now)
    return [card(entry) for entry in entries]
