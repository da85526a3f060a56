"""Coming in with a browser: a token that only the browser has, and a row that can be ended."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import CursorResult, delete
from sqlmodel import Session, col, select, update

from newsletter.accounts import audit
from newsletter.accounts.models import Account, Login

#: How often a login's last sign of life is written down.
_SEEN_EVERY: Final = timedelta(minutes=10)
_TOKEN_BYTES: Final = 32
_FOR_A_CODE: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Found:
    """Who holds a token, by which login."""

    account: Account
    login: Login


def begin(  # noqa: PLR0913 - all that a login says about itself
    session: Session,
    account: Account,
    *,
    how: str,
    browser: str = "",
    good_for: timedelta,
    now: datetime,
) -> str:
    """Let *account* in; returns the token for the browser, which is kept nowhere else.

    With a second step switched on, the login opens nothing until the code is given.
    """
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    waits = account.code_secret is not None
    session.execute(delete(Login).where(col(Login.ends_at) <= now))
    session.add(
        Login(
            key=key_of(token),
            account_id=account.id or 0,
            how=how,
            browser=browser[:300],
            begun_at=now,
            seen_at=now,
            ends_at=now + (_FOR_A_CODE if waits else good_for),
            awaits_code=waits,
        )
    )
    if not waits:
        audit.note(
            session,
            by=account.name,
            action="login.begun",
            subject=account.name,
            after={"how": how},
            now=now,
        )
    return token


def complete(
    session: Session, login: Login, account: Account, *, good_for: timedelta, now: datetime
) -> None:
    """The second step is done as well: *login* opens what *account* may open."""
    login.awaits_code, login.ends_at = False, now + good_for
    session.add(login)
    audit.note(
        session,
        by=account.name,
        action="login.begun",
        subject=account.name,
        after={"how": f"{login.how} and code"},
        now=now,
    )


def find(session: Session, token: str, *, now: datetime) -> Found | None:
    """Who came in with *token*, None when that login has ended or its account is kept out.

    One that still waits for its code is found as well: look at ``login.awaits_code``.
    """
    row = session.exec(
        select(Account, Login)
        .join(Login, col(Login.account_id) == col(Account.id))
        .where(
            col(Login.key) == key_of(token),
            col(Login.ends_at) > now,
            col(Account.disabled_at).is_(None),
        )
    ).first()
    return Found(*row) if row is not None else None


def is_long_unseen(login: Login, *, now: datetime) -> bool:
    """Whether it is time to write down that *login* is still in use."""
    return now - login.seen_at >= _SEEN_EVERY


def saw(session: Session, key: bytes, *, now: datetime) -> None:
    """Write down that the login is still in use."""
    session.execute(update(Login).where(col(Login.key) == key).values(seen_at=now))


def of(session: Session, account_id: int, *, now: datetime) -> list[Login]:
    """The logins of one account that open something, the latest first."""
    return list(
        session.exec(
            select(Login)
            .where(
                col(Login.account_id) == account_id,
                col(Login.ends_at) > now,
                ~col(Login.awaits_code),
            )
            .order_by(col(Login.seen_at).desc(), col(Login.key))
        )
    )


def end(session: Session, login: Login, account: Account, *, by: str, now: datetime) -> None:
    """End one login: its token opens nothing from now on."""
    session.delete(login)
    audit.note(session, by=by, action="login.ended", subject=account.name, now=now)


def end_all(session: Session, account: Account, *, by: str, now: datetime) -> int:
    """End every login of *account*; returns how many there were."""
    ended = session.execute(delete(Login).where(col(Login.account_id) == account.id))
    count = cast("CursorResult[Any]", ended).rowcount
    audit.note(
        session,
        by=by,
        action="login.ended",
        subject=account.name,
        after={"all_of_them": count},
        now=now,
    )
    return count


def key_of(token: str) -> bytes:
    """The 32 bytes by which a token is known; they do not lead back to it."""
    return hashlib.sha256(token.encode()).digest()


def name_of(login: Login) -> str:
    """What a page calls *login*: it says nothing about its token."""
    return hashlib.sha256(b"name of " + login.key).hexdigest()[:16]


def csrf_of(token: str) -> str:
    """What every form of this login carries, and no other site can know."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()[:32]
