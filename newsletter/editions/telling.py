"""What the staff are told about an edition by mail: it is ready, refused, wants another name, is late."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from sqlmodel import Session

from digests.models import Digest
from digests.schedules.hours import hour_of_digest
from digests.words.english import counted
from newsletter import service_mail
from newsletter.accounts import register
from newsletter.accounts.models import Account, Role
from newsletter.preflight import Preflight
from newsletter.service_mail import Kind

log = structlog.get_logger()

_MOST_FINDINGS: Final = 6  # in a mail; the page has all of them
_FOR_EDITORS: Final = (
    "You get this because you are an editor. The button opens a page; opening it approves nothing."
)


@dataclass(frozen=True, slots=True)
class Told:
    """One letter about an edition: its subject and what it says, a paragraph each."""

    subject: str
    heading: str
    says: tuple[str, ...]
    button: str
    why: str
    findings: tuple[tuple[str, str], ...] = ()  # severity, sentence


def draft_is_ready(
    session: Session,
    digest: Digest,
    found: Preflight | str,
    *,
    deadline: datetime | None,
    now: datetime,
) -> None:
    """Tell the editors that *digest* waits for them, with what preflight found (or why it could not).

    Once for each *now*: one that waits again, since it lost its approval by a move, is told again, and why.
    """
    goes = f"It goes {_goes(digest)}"
    until = f", and waits for a name until {_moment(deadline, digest)}" if deadline else ""
    says = [digest.subject, f"{goes}{until}."]
    if digest.paused_reason:
        says.append(digest.paused_reason)
    findings: tuple[tuple[str, str], ...] = ()
    if isinstance(found, str):
        says.append(f"Preflight could not look at it: {found}")
    elif found.is_clean:
        says.append(f"Preflight found nothing wrong in {found.copies:,} copies.")
    else:
        errors = counted(len(found.errors), "error")
        says.append(f"Preflight: {errors}, {counted(len(found.warnings), 'warning')}.")
        those = (*found.errors, *found.warnings)[:_MOST_FINDINGS]
        findings = tuple((one.severity.value, f"{one.place}: {one.says}") for one in those)
    told = Told(
        subject=f"{digest.issue} is ready: {digest.subject}",
        heading=f"{digest.issue} is ready",
        says=tuple(says),
        button="Look at it and approve",
        why=_FOR_EDITORS,
        findings=findings,
    )
    occasion = f"ready {now:%Y-%m-%dT%H:%M:%S}"
    _tell(session, digest, told, of(session, Role.editor), occasion=occasion, now=now)


def second_name_is_wanted(
    session: Session, digest: Digest, *, by: str, content_hash: str, now: datetime
) -> None:
    """Tell the other editors that *by* has approved *content_hash*, and that it takes one more."""
    told = Told(
        subject=f"{digest.issue} wants a second name",
        heading="One more name",
        says=(
            f"{by} has approved {digest.issue}: {digest.subject}",
            f"Its schedule asks for two people, and it goes {_goes(digest)}.",
        ),
        button="Look at it and approve",
        why=_FOR_EDITORS,
    )
    others = [one for one in of(session, Role.editor) if one.name != by]
    _tell(session, digest, told, others, occasion=f"second {content_hash} {by}", now=now)


def it_was_refused(  # noqa: PLR0913 - who, to whom, why
    session: Session, digest: Digest, *, by: str, author: str, reason: str, now: datetime
) -> None:
    """Tell *author* that *by* sends *digest* back; where the service is the author, all other editors."""
    told = Told(
        subject=f"{by} sends {digest.issue} back",
        heading="Not like this",
        says=(f"{by} has refused {digest.issue} as it stands.", reason),
        button="Open the desk",
        why="You get this because you changed it last, or are an editor of one that nobody changed.",
    )
    editors = of(session, Role.editor)
    to = [one for one in editors if one.name == author] or [
        one for one in editors if one.name != by
    ]
    occasion = f"refused {digest.version} by {by}: {reason}"
    _tell(session, digest, told, to, occasion=occasion, path=f"/desk/{digest.issue}", now=now)


def the_deadline_passed(
    session: Session, digest: Digest, *, what: str, why: str, now: datetime
) -> None:
    """Tell editors and operators what has become of *digest*, which nobody had approved in time."""
    told = Told(
        subject=f"{digest.issue} {what}",
        heading=f"{digest.issue} {what}",
        says=(why, digest.subject),
        button="Look at it",
        why="You get this because you are an editor or an operator.",
    )
    _tell(
        session,
        digest,
        told,
        of(session, *Role),
        occasion=f"deadline {now:%Y-%m-%dT%H:%M}",
        now=now,
    )


def of(session: Session, *roles: Role) -> list[Account]:
    """Everybody who may come in and has one of *roles*; readers of figures are told nothing."""
    wanted = frozenset(roles) - {Role.reader}
    return [
        one
        for one in register.everybody(session)
        if one.disabled_at is None and register.roles_of(one) & wanted
    ]


def _tell(  # noqa: PLR0913 - what, to whom, once
    session: Session,
    digest: Digest,
    told: Told,
    people: Iterable[Account],
    *,
    occasion: str,
    path: str = "",
    now: datetime,
) -> None:
    values = {
        "subject": told.subject,
        "heading": told.heading,
        "says": list(told.says),
        "findings": [list(one) for one in told.findings],
        "button": told.button,
        "why": told.why,
        "path": path or f"/desk/{digest.issue}/approval",
    }
    for account in people:
        service_mail.write(
            session,
            Kind.about_an_edition,
            account_id=account.id,
            values=values,
            once=f"{digest.id} {occasion} {account.id}",
            now=now,
        )
    log.info(
        "staff.told", digest=digest.issue, digest_id=digest.id, occasion=occasion.partition(" ")[0]
    )


def _moment(at: datetime, digest: Digest) -> str:
    there = at.astimezone(ZoneInfo(digest.zone))
    return f"{there:%A} {there.day} {there:%B, %H:%M} ({digest.zone})"


def _goes(digest: Digest) -> str:
    hour = hour_of_digest(digest)
    if not hour.is_everybodys_own:
        return _moment(digest.send_at, digest)
    return f"{hour.day:%A} {hour.day.day} {hour.day:%B}, {hour.at:%H:%M} by {hour.clocks}"
