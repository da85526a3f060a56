"""Joining: an address is entered, a letter goes to it, and the button behind its link makes it a reader."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

import structlog
from disposable_email_domains import blocklist
from sqlmodel import Session, col, select

from digests.models import Digest, DigestItem, DigestStatus
from digests.store.comparisons import Comparison, Revision
from newsletter import links, service_mail, tickets
from newsletter.links import Purpose as Link
from newsletter.service_mail import Kind
from newsletter.settings import settings
from newsletter.tickets import Purpose, TicketSpent
from subscribers import joining
from subscribers.addresses import normal_form
from subscribers.joining import Standing, Wish
from subscribers.models import Subscriber, SubscriberStatus
from subscribers.subscription import SubscriberError

log = structlog.get_logger()

#: What stands beside every form of ours, and so what people agree to.
WORDING: Final = (
    "{publication}: get the next comparison in your inbox. One mail a week; leave with one press."
)
#: How long an operator waits before the link to confirm can be mailed once more.
REMIND_AFTER: Final = timedelta(hours=1)
#: Whoever is on the list and asks again is told so once in a while, and not at every try.
_TELL_AGAIN_AFTER: Final = timedelta(days=1)
_ROLES: Final = frozenset(
    {
        *("abuse", "admin", "administrator", "billing", "contact", "help", "hello", "hostmaster"),
        *(
            "info",
            "it",
            "legal",
            "mail",
            "marketing",
            "no-reply",
            "noreply",
            "office",
            "postmaster",
        ),
        *("press", "root", "sales", "security", "service", "spam", "support", "team", "webmaster"),
    }
)


class NotThatAddress(SubscriberError):
    """An address that this list does not take, whoever has it."""


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Whom a confirmation link is about."""

    subscriber_id: int
    is_in: bool  # they get editions already
    shown: str  # of the address, as much as its owner recognises

    @property
    def choices(self) -> str:
        """Their own link to what they may choose."""
        return links.own(self.subscriber_id, Link.preferences)


def check(address: str) -> str:
    """The normal form of an address that may join. Raises BadAddress and NotThatAddress.

    What is wrong with it is about the address alone, never about who is on the list.
    """
    normal = normal_form(address)
    known = settings().joining
    name, _, domain = normal.rpartition("@")
    if reason := refusal_of(domain):
        raise NotThatAddress(reason)
    if known.roles == "refuse" and name.partition("+")[0] in _ROLES:
        raise NotThatAddress("That is an address of many; please give your own.")
    return normal


def refusal_of(domain: str) -> str | None:
    """Why no address at *domain* joins; None where it may."""
    if settings().joining.throwaway == "refuse" and _is_throwaway(domain):
        return (
            "That address lasts for minutes, and the mail comes every week; "
            "please give one that you keep."
        )
    return None


def ask(session: Session, wish: Wish, *, now: datetime) -> None:
    """Do what somebody's wish to join asks for. Nothing here tells who is on the list already.

    A newcomer gets a link to confirm; a reader is told that all is well, once a
    day; to an address that an operator keeps out, nothing goes.
    """
    secret = settings().suppression_secret.get_secret_value()
    asked = joining.ask(session, wish, secret=secret, now=now)
    who = asked.subscriber_id
    match asked.standing:
        case Standing.kept_out:
            log.info("join.kept_out", subscriber=who)
        case Standing.on_it:
            told = service_mail.last_written(session, Kind.on_the_list, subscriber_id=who)
            if told is None or now - told >= _TELL_AGAIN_AFTER:
                values = {"choices": f"/p/{links.own(who, Link.preferences)}"}
                service_mail.write(
                    session, Kind.on_the_list, subscriber_id=who, values=values, now=now
                )
        case Standing.asked if settings().joining.confirm:
            _mail_a_link(session, who, page=wish.page, now=now)
        case Standing.asked:
            let_in(session, who, page=wish.page, now=now)


def newcomer(session: Session, ticket: str, *, now: datetime) -> Newcomer:
    """Whom *ticket* is about; changes nothing. Raises TicketError.

    A link that was used up by a reader who is on the list is no error: mail
    programs and people open it again.
    """
    subject = tickets.subject_of(session, Purpose.confirm, ticket)
    found = _newcomer(session, int(subject))
    if not found.is_in:
        tickets.look(session, Purpose.confirm, ticket, now=now)
    return found


def confirm(session: Session, ticket: str, *, now: datetime) -> Newcomer:
    """The button: they are on the list. Pressed again, it changes nothing. Raises TicketError."""
    known = newcomer(session, ticket, now=now)
    if not known.is_in:
        who = int(tickets.spend(session, Purpose.confirm, ticket, now=now))
        tickets.withdraw(session, Purpose.confirm, str(who), now=now)
        let_in(session, who, page="the confirmation page", now=now)
    return _newcomer(session, known.subscriber_id)


def let_in(session: Session, subscriber_id: int, *, page: str, now: datetime) -> None:
    """Make somebody a reader on their own word, and welcome them if the operator wants it."""
    if not joining.confirm(session, subscriber_id, page=page, now=now):
        return
    log.info("subscriber.confirmed", subscriber=subscriber_id)
    if settings().joining.welcome == "nothing":
        return
    values: dict[str, object] = {
        "choices": f"/p/{links.own(subscriber_id, Link.preferences)}",
        "latest": _latest(session, subscriber_id)
        if settings().joining.welcome == "latest"
        else None,
    }
    service_mail.write(session, Kind.welcome, subscriber_id=subscriber_id, values=values, now=now)


def remind(session: Session, subscriber_id: int, *, now: datetime) -> bool:
    """Mail the link once more to somebody who asked and has not confirmed; once an hour at most."""
    person = session.get(Subscriber, subscriber_id)
    if person is None or person.status is not SubscriberStatus.pending:
        return False
    if just_mailed(session, subscriber_id, now=now) is not None:
        return False
    _mail_a_link(session, subscriber_id, page=person.source, now=now)
    return True


def just_mailed(session: Session, subscriber_id: int, *, now: datetime) -> datetime | None:
    """When the link to confirm was mailed, if less than REMIND_AFTER ago; else None."""
    mailed = service_mail.last_written(session, Kind.confirm, subscriber_id=subscriber_id)
    return mailed if mailed is not None and now - mailed < REMIND_AFTER else None


def wording() -> str:
    """What the form says, in this installation's name."""
    return WORDING.format(publication=settings().publication)


def _mail_a_link(session: Session, subscriber_id: int, *, page: str, now: datetime) -> None:
    good_for = timedelta(days=settings().joining.days)
    ticket = tickets.issue(session, Purpose.confirm, str(subscriber_id), now=now, good_for=good_for)
    until = now + good_for
    values = {
        "confirm_path": f"/confirm/{ticket}",
        "until": f"{until.day} {until:%B %Y}",
        "where": f"on {page}" if page else "on our page",
        "kept_for": f"{settings().joining.days} days",
    }
    service_mail.write(session, Kind.confirm, subscriber_id=subscriber_id, values=values, now=now)
    log.info("join.asked", subscriber=subscriber_id)


def _latest(session: Session, subscriber_id: int) -> dict[str, object] | None:
    """The newest edition that went out: what it brought, and this reader's own link to it."""
    digest = session.exec(
        select(Digest)
        .where(col(Digest.status) == DigestStatus.sent, col(Digest.corrects_id).is_(None))
        .order_by(col(Digest.send_at).desc())
    ).first()
    if digest is None:
        return None
    token = links.token(links.signer().all_for(digest.id or 0, subscriber_id), Link.view)
    brought = session.exec(
        select(Comparison.slug, Comparison.title)
        .join(Revision, col(Revision.comparison_id) == col(Comparison.id))
        .join(DigestItem, col(DigestItem.revision_id) == col(Revision.id))
        .where(col(DigestItem.digest_id) == digest.id)
        .order_by(col(DigestItem.position))
    )
    return {
        "subject": digest.subject,
        "preheader": digest.preheader,
        "path": f"/v/{token}",
        "comparisons": [{"title": title, "path": f"/compare/{slug}"} for slug, title in brought],
    }


def _newcomer(session: Session, subscriber_id: int) -> Newcomer:
    person = session.get(Subscriber, subscriber_id)
    if person is None or person.address is None:
        raise TicketSpent
    name, _, domain = person.address.rpartition("@")
    is_in = person.status is SubscriberStatus.active
    return Newcomer(subscriber_id, is_in, f"{name[:1]}…@{domain}")


def _is_throwaway(domain: str) -> bool:
    known = settings().joining
    return _is_among(domain, known.never_throwaway, known.also_throwaway)


@lru_cache(maxsize=10_000)
def _is_among(domain: str, never: str, also: str) -> bool:
    if domain in _listed(never):
        return False
    parts = domain.split(".")
    ends = {".".join(parts[at:]) for at in range(len(parts) - 1)}
    return bool(ends & blocklist or ends & _listed(also))


def _listed(words: str) -> set[str]:
    return {word.strip().lower() for word in words.split(",") if word.strip()}
