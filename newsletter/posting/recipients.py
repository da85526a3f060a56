"""Whose letter it is, asked when it is claimed: the address, and whether they may have it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlmodel import Session

from newsletter.accounts.models import Account
from newsletter.seeds import Seed
from newsletter.service_mail import FORMS, Form, Kind, ServiceMail
from subscribers.models import Subscriber, SubscriberStatus, Suppression
from subscribers.moving import AddressChange


@dataclass(frozen=True, slots=True)
class To:
    """Where a letter goes, and what its template may say about the person."""

    address: str
    name: str = ""
    subscriber_id: int | None = None  # for the links of their own in the letter's foot


@dataclass(frozen=True, slots=True)
class Nobody:
    """The letter must not be sent, and why."""

    reason: str


def recipient(session: Session, letter: ServiceMail, *, now: datetime) -> To | Nobody:
    """Ask who *letter* is for, at this moment."""
    if letter.kind not in set(Kind):
        return Nobody("written by a newer version of this service")
    if letter.useful_until <= now:
        return Nobody("came too late to be of use")
    form = FORMS[Kind(letter.kind)]
    book = "account" if letter.account_id is not None else "subscriber"
    if (look_up := BOOKS.get(book)) is None:
        return Nobody(f"there is no book of addresses for this {book}")
    return look_up(session, letter, form)


def _subscriber(session: Session, letter: ServiceMail, form: Form) -> To | Nobody:
    person = session.get(Subscriber, letter.subscriber_id)
    if person is None or person.address is None or person.address_key is None:
        return Nobody("erased")
    if form.wanted and person.status is not SubscriberStatus.active:
        return Nobody(str(person.status))
    if letter.other_id is not None:  # to the address they want, which is not theirs yet
        return _wanted_address(session, letter.other_id, person.name or "")
    suppression = session.get(Suppression, person.address_key)
    if suppression and (not form.asked_for or suppression.reason == "operator"):
        return Nobody("suppressed")
    return To(person.address, person.name or "", person.id)


def _wanted_address(session: Session, change_id: int, name: str) -> To | Nobody:
    change = session.get(AddressChange, change_id)
    if change is None:
        return Nobody("no longer asked for")
    if session.get(Suppression, change.address_key) is not None:
        return Nobody("suppressed")
    return To(change.address, name)


def _account(session: Session, letter: ServiceMail, _form: Form) -> To | Nobody:
    account = session.get(Account, letter.account_id)
    if account is None or account.disabled_at is not None:
        return Nobody("the account is disabled")
    if letter.other_id is not None:  # a test copy for the seed list
        seed = session.get(Seed, letter.other_id)
        return To(seed.address) if seed else Nobody("no longer on the seed list")
    return To(account.address, account.name)


#: How an address is found for each kind of person.
BOOKS: Final[dict[str, Callable[[Session, ServiceMail, Form], To | Nobody]]] = {
    "subscriber": _subscriber,
    "account": _account,
}
