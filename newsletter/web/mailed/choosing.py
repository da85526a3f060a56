"""What readers choose behind their own link: topics, pace, tracking, name and clocks; without a script."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from zoneinfo import available_timezones

from fastapi import APIRouter, Depends, Request
from sqlmodel import Session
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from digests.topics import EVERYTHING, MOST, Topic, listed
from newsletter import links
from newsletter.links import Purpose
from newsletter.web.doors import Now, Reading, Transaction
from newsletter.web.forms import SentForm
from newsletter.web.mailed.paces import BadChoice, chosen, day_of
from newsletter.web.mailed.readers import all_links, copy_for, reader_behind
from newsletter.web.pages import LOOK, page
from subscribers.pace import Pace
from subscribers.preferences import pause, set_name, set_pace, set_topics, set_tracking, set_zone

router = APIRouter()

#: All bits, and those that no topic has yet: what is new comes under them.
_ALL_BITS: Final = (1 << MOST) - 1
_SAVED: Final = frozenset({"tracking", "topics", "about", "pace"})


@dataclass(frozen=True, slots=True)
class Offered:
    """One topic as the page shows it."""

    topic: Topic
    chosen: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """The topics a reader may choose, and whether what is new comes to them as well."""

    topics: tuple[Offered, ...]
    new_ones: bool

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self.new_ones and all(one.chosen for one in self.topics)


def offer(session: Session, choice: int) -> Offer:
    """What a reader of *choice* sees."""
    known = listed(session)
    return Offer(
        tuple(Offered(topic, bool(topic.mask & choice)) for topic in known),
        new_ones=bool(_unused(known) & choice),
    )


async def ticked(request: Request) -> tuple[set[str], bool]:
    """The topics that are ticked, and whether new ones are."""
    async with request.form(max_files=0, max_fields=200, max_part_size=1024) as form:
        topics = {value for value in form.getlist("topic") if isinstance(value, str)}
        return topics, "new" in form


@router.api_route("/p/{token}", methods=LOOK)
def show_choices(token: str, session: Reading, now: Now, saved: str = "") -> Response:
    """What is known about the reader, and what they may choose."""
    return choices_page(token, session, now, saved=saved if saved in _SAVED else "")


def choices_page(
    token: str,
    session: Session,
    now: datetime,
    *,
    saved: str = "",
    refused: BadChoice | None = None,
) -> Response:
    """The page of choices; with *refused* the sentence stands beside what was chosen."""
    copy = copy_for(token, Purpose.preferences)
    reader = reader_behind(session, copy)
    return page(
        "choices.html",
        status=refused.status_code if refused else 200,
        reader=reader,
        offer=offer(session, reader.person.topics if reader.person else EVERYTHING),
        chosen=chosen(reader.person, now=now),
        zones=sorted(available_timezones()),
        token=token,
        # Made here and not carried in the mail: the link for choosing cannot unsubscribe by itself.
        leave=links.token(all_links(copy), Purpose.unsubscribe),
        saved=saved,
        wrong={refused.part: refused.detail} if refused else {},
        given=refused.given if refused else "",
    )


@router.post("/p/{token}/tracking")
def choose_tracking(token: str, form: SentForm, session: Transaction, now: Now) -> Response:
    """Whether opens and clicks are recorded: ``tracking`` is ``on`` or ``off``."""
    copy = copy_for(token, Purpose.preferences)
    wanted = form.get("tracking")
    if wanted not in {"on", "off"}:
        raise HTTPException(422, "Say whether tracking is to be on or off.")
    set_tracking(session, copy.subscriber_id, on=wanted == "on", now=now)
    return RedirectResponse(f"/p/{token}?saved=tracking#tracking", status_code=303)


@router.post("/p/{token}/topics")
def choose_topics(
    token: str,
    wanted: Annotated[tuple[set[str], bool], Depends(ticked)],
    session: Transaction,
    now: Now,
) -> Response:
    """From the next edition on: the ticked topics. None at all is no choice, but a way to leave."""
    copy = copy_for(token, Purpose.preferences)
    slugs, new_ones = wanted
    known = listed(session)
    choice = _unused(known) if new_ones else 0
    for topic in known:
        if topic.slug in slugs:
            choice |= topic.mask
    if not choice:
        sentence = "Tick at least one topic. To get nothing at all, unsubscribe instead."
        return choices_page(token, session, now, refused=BadChoice("topics", sentence))
    if new_ones and all(topic.slug in slugs for topic in known):
        choice = EVERYTHING
    set_topics(session, copy.subscriber_id, choice=choice, now=now)
    return RedirectResponse(f"/p/{token}?saved=topics#topics", 303)


@router.post("/p/{token}/pace")
def choose_pace(token: str, form: SentForm, session: Transaction, now: Now) -> Response:
    """Each week, each month, or nothing until a day; from the next edition on."""
    copy = copy_for(token, Purpose.preferences)
    known = chosen(reader_behind(session, copy).person, now=now)
    wanted = form.get("pace", "")
    if wanted == "paused":
        try:
            until = day_of(form.get("until", ""), known)
        except BadChoice as refused:
            return choices_page(token, session, now, refused=refused)
        pause(session, copy.subscriber_id, until=until, now=now)
    elif wanted in set(Pace):
        set_pace(session, copy.subscriber_id, pace=Pace(wanted), now=now)
    else:
        sentence = "Say how often: each week, each month, or not until a day."
        return choices_page(token, session, now, refused=BadChoice("pace", sentence))
    return RedirectResponse(f"/p/{token}?saved=pace#pace", 303)


@router.post("/p/{token}/about")
def change_about(token: str, form: SentForm, session: Transaction, now: Now) -> Response:
    """Their name, and by which clocks they live."""
    copy = copy_for(token, Purpose.preferences)
    zone = form.get("zone", "")
    if zone not in available_timezones():
        sentence = "There is no time zone of that name; choose one from the list."
        return choices_page(token, session, now, refused=BadChoice("about", sentence))
    set_name(session, copy.subscriber_id, name=form.get("name", ""), now=now)
    set_zone(session, copy.subscriber_id, zone=zone, now=now)
    return RedirectResponse(f"/p/{token}?saved=about#you", 303)


def _unused(known: Sequence[Topic]) -> int:
    used = 0
    for topic in known:
        used |= topic.mask
    return _ALL_BITS & ~used
