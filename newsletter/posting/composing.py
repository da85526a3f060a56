"""A claimed letter -> the mail for its one reader, the same bytes as long as nothing has changed."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from newsletter import links
from newsletter.copies.galley import house
from newsletter.esp import Content, Copy, Mailing
from newsletter.links import Purpose
from newsletter.posting.recipients import Nobody, To, recipient
from newsletter.rendering.letter import letter
from newsletter.service_mail import FORMS, Form, Kind, ServiceMail
from newsletter.settings import settings


@dataclass(frozen=True, slots=True)
class Composed:
    """A letter ready for a provider's words."""

    to: To
    mailing: Mailing


def compose(session: Session, claimed: ServiceMail, *, now: datetime) -> Composed | Nobody:
    """Ask who *claimed* is for, and write it out; Nobody when it must not go. Raises BadTemplate."""
    to = recipient(session, claimed, now=now)
    if isinstance(to, Nobody):
        return to
    if claimed.values is None:
        return Nobody("what it was to say is gone")
    tag = links.letter_tag(claimed.id or 0)
    known = settings()
    return Composed(
        to,
        Mailing(
            batch=tag,
            key=claimed.key,
            sender_name=known.sender_name,
            sender_address=known.sender_address,
            reply_to=known.reply_to or None,
            content=_content(claimed, to),
            copies=[Copy(tag, to.address)],
        ),
    )


def _content(claimed: ServiceMail, to: To) -> Content:
    form, values = FORMS[Kind(claimed.kind)], claimed.values or {}
    if form.as_written:
        return Content(
            subject=values["subject"],
            html=values["html"],
            text=values["text"],
            headers=tuple((name, value) for name, value in values.get("headers", ())),
        )
    words = {**values, "publication": settings().publication, "name": to.name}
    return letter(
        claimed.kind,
        words,
        subject=form.subject.format_map(words),
        preheader=form.preheader.format_map(words),
        house=house(),
        unsubscribe=_leaving(form, to),
    )


def _leaving(form: Form, to: To) -> str | None:
    """Where the reader leaves from a letter that only people on the list get."""
    if not form.wanted or to.subscriber_id is None:
        return None
    return f"/u/{links.own(to.subscriber_id, Purpose.unsubscribe)}"
