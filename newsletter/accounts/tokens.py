"""A program's key to one account's roles: made once, shown once, ended at any time."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session, col, select, update

from newsletter.accounts import audit
from newsletter.accounts.errors import NoSuchToken, TokenNameTaken
from newsletter.accounts.logins import key_of
from newsletter.accounts.models import Account, ApiToken

#: By it, scanners of published code know a token when they see one.
PREFIX: Final = "newsletter_"
_BYTES: Final = 32
_LONGEST_NAME: Final = 60  # characters
_USED_EVERY: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whose token it is, and by what name."""

    account: Account
    token: ApiToken


def make(  # noqa: PLR0913 - whose, what for, how long and on whose word
    session: Session,
    account: Account,
    name: str,
    *,
    good_for: timedelta | None = None,
    by: str,
    now: datetime,
) -> str:
    """A new token of *account* called *name*; it is kept nowhere but with whoever gets it now.

    Good for ever unless *good_for* says how long. Raises TokenNameTaken.
    """
    name = " ".join(name.split())[:_LONGEST_NAME]
    if not name or any(one.name.casefold() == name.casefold() for one in of(session, account)):
        raise TokenNameTaken(name)
    token = PREFIX + secrets.token_urlsafe(_BYTES)
    ends_at = now + good_for if good_for else None
    session.add(
        ApiToken(
            key=key_of(token), account_id=account.id or 0, name=name, made_at=now, ends_at=ends_at
        )
    )
    _note(session, "token.made", account, name, by=by, now=now, after={"ends_at": ends_at})
    return token


def find(session: Session, token: str, *, now: datetime) -> Bearer | None:
    """Whose *token* it is; None for one that was never made, has ended, or whose account is kept out."""
    key = key_of(token)
    row = session.exec(
        select(Account, ApiToken)
        .join(ApiToken, col(ApiToken.account_id) == col(Account.id))
        .where(col(ApiToken.key) == key, col(Account.disabled_at).is_(None))
    ).first()
    # Only a hash is looked up, whose neighbours tell nothing about the token; then in constant time.
    if row is None or not hmac.compare_digest(row[1].key, key):
        return None
    if row[1].ends_at is not None and row[1].ends_at <= now:
        return None
    return Bearer(*row)


def is_long_unseen(token: ApiToken, *, now: datetime) -> bool:
    """Whether it is time to write down that *token* is still in use."""
    return token.used_at is None or now - token.used_at >= _USED_EVERY


def saw(session: Session, token_id: int, *, now: datetime) -> None:
    """Write down that the token is still in use."""
    session.execute(update(ApiToken).where(col(ApiToken.id) == token_id).values(used_at=now))


def of(session: Session, account: Account) -> list[ApiToken]:
    """The tokens of *account* by name, those that have ended by themselves too."""
    return list(
        session.exec(
            select(ApiToken)
            .where(col(ApiToken.account_id) == account.id)
            .order_by(col(ApiToken.name))
        )
    )


def end(session: Session, account: Account, name: str, *, by: str, now: datetime) -> None:
    """End the token of that name: it opens nothing from now on. Raises NoSuchToken."""
    for one in of(session, account):
        if one.name.casefold() == " ".join(name.split()).casefold():
            session.delete(one)
            _note(session, "token.ended", account, one.name, by=by, now=now)
            return
    raise NoSuchToken(account.name, name)


def _note(  # noqa: PLR0913 - as audit.note
    session: Session,
    action: str,
    account: Account,
    name: str,
    *,
    by: str,
    now: datetime,
    after: dict[str, object] | None = None,
) -> None:
    subject = f"{account.name}: {name}"
    audit.note(session, by=by, action=action, subject=subject, after=after, now=now)
