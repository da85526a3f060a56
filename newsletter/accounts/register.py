"""The register of accounts: who there is, and what each of them may do."""

from collections.abc import Collection, Iterable
from datetime import datetime
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import delete
from sqlmodel import Session, col, select

from newsletter.accounts import audit, passwords
from newsletter.accounts.errors import (
    AccountExists,
    LastOperator,
    NoName,
    NoRoles,
    NoSuchAccount,
    NoSuchZone,
)
from newsletter.accounts.models import Account, ApiToken, Login, Role
from subscribers.addresses import BadAddress, normal_form

_LONGEST_NAME: Final = 120  # characters
_OCEANS: Final = {"Atlantic", "Indian", "Pacific"}
_PLACES: Final = {"Africa", "America", "Antarctica", "Asia", "Australia", "Europe"} | _OCEANS


def add(  # noqa: PLR0913 - all that an account says about itself
    session: Session,
    address: str,
    *,
    name: str,
    roles: Collection[Role],
    by: str,
    now: datetime,
    zone: str = "UTC",
    password: str | None = None,
) -> Account:
    """A new account. Raises AccountExists, NoName, NoRoles, BadAddress, WeakPassword or NoSuchZone."""
    normal, name = normal_form(address), " ".join(name.split())
    if not 0 < len(name) <= _LONGEST_NAME:
        raise NoName
    if not roles:
        raise NoRoles
    for one in everybody(session):
        if normal == one.address:
            raise AccountExists("address", one.name)
        if name.casefold() == one.name.casefold():
            raise AccountExists("name", one.name)
    account = Account(
        address=normal,
        name=name,
        roles=joined(roles),
        zone=checked_zone(zone),
        password=passwords.hashed(password, known=(normal, name)) if password else None,
        added_at=now,
        added_by=by,
    )
    session.add(account)
    session.flush()
    after = {"roles": account.roles, "password": password is not None}
    audit.note(session, by=by, action="account.added", subject=name, after=after, now=now)
    return account


def everybody(session: Session) -> list[Account]:
    """All accounts by name, the disabled ones too."""
    return list(session.exec(select(Account).order_by(col(Account.name))))


def find(session: Session, who: str) -> Account:
    """The account of that name or address. Raises NoSuchAccount."""
    wanted = " ".join(who.split()).casefold()
    for one in everybody(session):
        if wanted in {one.name.casefold(), one.address}:
            return one
    raise NoSuchAccount(who)


def by_address(session: Session, address: str) -> Account | None:
    """Whoever comes in with *address*; None for nobody, and for what is no address at all."""
    try:
        normal = normal_form(address)
    except BadAddress:
        return None
    return session.exec(select(Account).where(col(Account.address) == normal)).first()


def set_roles(
    session: Session, account: Account, roles: Collection[Role], *, by: str, now: datetime
) -> None:
    """Give *account* exactly *roles*. Raises NoRoles, and LastOperator: somebody must let people in."""
    if not roles:
        raise NoRoles
    if Role.operator not in roles:
        _keep_an_operator(session, account)
    before, account.roles = account.roles, joined(roles)
    session.add(account)
    if before != account.roles:
        _note(session, account, "roles", before=before, after=account.roles, by=by, now=now)


def set_password(  # noqa: PLR0913 - who gives what to whom, and which login stays
    session: Session, account: Account, password: str, *, by: str, now: datetime, keep: bytes = b""
) -> None:
    """Give *account* that password, and end its logins, except the one whose key is *keep*.

    Raises WeakPassword.
    """
    hashed = passwords.hashed(password, known=(account.address, account.name))
    keep_password(session, account, hashed, by=by, now=now, keep=keep)


def keep_password(  # noqa: PLR0913 - as set_password
    session: Session, account: Account, hashed: str, *, by: str, now: datetime, keep: bytes = b""
) -> None:
    """As ``set_password``, with a password that was hashed before the transaction began."""
    account.password = hashed
    session.add(account)
    session.execute(
        delete(Login).where(col(Login.account_id) == account.id, col(Login.key) != keep)
    )
    audit.note(session, by=by, action="account.password", subject=account.name, now=now)


def set_zone(session: Session, account: Account, zone: str, *, now: datetime) -> None:
    """Show times to *account* as clocks in *zone* have them. Raises NoSuchZone."""
    before, account.zone = account.zone, checked_zone(zone)
    session.add(account)
    if before != zone:
        _note(session, account, "zone", before=before, after=zone, by=account.name, now=now)


def disable(session: Session, account: Account, *, by: str, now: datetime) -> bool:
    """Let *account* in no more, from this moment on; its programs neither. False if it was so already."""
    if account.disabled_at is not None:
        return False
    _keep_an_operator(session, account)
    account.disabled_at = now
    session.add(account)
    for kind in (Login, ApiToken):
        session.execute(delete(kind).where(col(kind.account_id) == account.id))
    audit.note(session, by=by, action="account.disabled", subject=account.name, now=now)
    return True


def enable(session: Session, account: Account, *, by: str, now: datetime) -> bool:
    """Let *account* in again. False if it was never kept out."""
    if account.disabled_at is None:
        return False
    account.disabled_at = None
    session.add(account)
    audit.note(session, by=by, action="account.enabled", subject=account.name, now=now)
    return True


def roles_of(account: Account) -> frozenset[Role]:
    """What *account* may do."""
    return frozenset(Role(role) for role in account.roles.split())


def joined(roles: Iterable[Role]) -> str:
    """*roles* as they are kept: each once, in the order of Role."""
    wanted = frozenset(roles)
    return " ".join(role for role in Role if role in wanted)


@cache
def zones() -> tuple[str, ...]:
    """The zones that places have; the others are their former or technical names."""
    return (
        "UTC",
        *sorted(one for one in available_timezones() if one.partition("/")[0] in _PLACES),
    )


def checked_zone(zone: str) -> str:
    """*zone* if clocks somewhere show it. Raises NoSuchZone."""
    if zone not in available_timezones():
        raise NoSuchZone(zone)
    return ZoneInfo(zone).key


def _keep_an_operator(session: Session, account: Account) -> None:
    others = [
        one
        for one in everybody(session)
        if one.id != account.id and one.disabled_at is None and Role.operator in roles_of(one)
    ]
    if Role.operator in roles_of(account) and account.disabled_at is None and not others:
        raise LastOperator(account.name)


def _note(  # noqa: PLR0913 - as audit.note
    session: Session,
    account: Account,
    part: str,
    *,
    before: str,
    after: str,
    by: str,
    now: datetime,
) -> None:
    audit.note(
        session,
        by=by,
        action=f"account.{part}",
        subject=account.name,
        before={part: before},
        after={part: after},
        now=now,
    )
