"""The second step: codes that a device makes every half minute (RFC 6238), and ways in without the device.

The device's secret is kept sealed under the link secret, so that a copy of the
database alone makes no codes. A recovery code is kept as a hash, and gone when used.
"""

import base64
import hashlib
import hmac
import os
import secrets
from datetime import datetime
from typing import Any, Final, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from sqlalchemy import CursorResult, delete, func, update
from sqlmodel import Session, col, select

from newsletter.accounts import audit
from newsletter.accounts.errors import WrongCode
from newsletter.accounts.models import Account, RecoveryCode
from newsletter.settings import settings

_SECRET: Final = 20  # bytes: RFC 4226, 4 asks for 160 bits
_DIGITS: Final = 6
_STEP: Final = 30  # seconds
_RECOVERY_CODES: Final = 10
_NONCE: Final = 12  # bytes


def fresh_secret() -> str:
    """A new secret in base32, as people type it into a device that cannot see the picture."""
    return base64.b32encode(secrets.token_bytes(_SECRET)).decode()


def is_secret(said: str) -> bool:
    """Whether *said* could be a device's secret."""
    try:
        _bytes(said)
    except WrongCode:
        return False
    return True


def address_for(secret: str, *, account: str, publication: str) -> str:
    """The ``otpauth://`` address that the picture says."""
    totp = TOTP(_bytes(secret), _DIGITS, SHA1(), _STEP)  # noqa: S303 - what every device speaks
    return totp.get_provisioning_uri(account, publication)


def switch_on(
    session: Session, account: Account, *, secret: str, code: str, now: datetime
) -> list[str]:
    """Ask *account* for a code from now on; returns its recovery codes, which are kept nowhere else.

    *code* shows that the device knows *secret*. Raises WrongCode.
    """
    if (step := _step_of(_bytes(secret), code, now=now)) is None:
        raise WrongCode
    account.code_secret, account.code_step = _sealed(_bytes(secret), account.id or 0), step
    session.add(account)
    audit.note(
        session, by=account.name, action="account.second_step_on", subject=account.name, now=now
    )
    return _new_recovery_codes(session, account)


def switch_off(session: Session, account: Account, *, by: str, now: datetime) -> None:
    """Ask *account* for no code any more."""
    if account.code_secret is None:
        return
    account.code_secret = account.code_step = None
    session.add(account)
    session.execute(delete(RecoveryCode).where(col(RecoveryCode.account_id) == account.id))
    audit.note(session, by=by, action="account.second_step_off", subject=account.name, now=now)


def renew_recovery_codes(session: Session, account: Account, *, now: datetime) -> list[str]:
    """New recovery codes; the former ones open nothing any more."""
    audit.note(
        session, by=account.name, action="account.recovery_codes", subject=account.name, now=now
    )
    return _new_recovery_codes(session, account)


def take(session: Session, account: Account, code: str, *, now: datetime) -> None:
    """Use *code* up, of the device or for recovery; none is good twice. Raises WrongCode.

    Of two who bring the same code at the same moment one succeeds: the row count is the lock.
    """
    if account.code_secret is None:
        raise WrongCode
    secret = _opened(account.code_secret, account.id or 0)
    step = _step_of(secret, code, now=now) if secret else None
    if step is not None:
        done = session.execute(
            update(Account)
            .where(
                col(Account.id) == account.id,
                func.coalesce(col(Account.code_step), -1) < step,
            )
            .values(code_step=step)
            .execution_options(synchronize_session=False)
        )
    else:
        done = session.execute(
            delete(RecoveryCode).where(
                col(RecoveryCode.account_id) == account.id,
                col(RecoveryCode.key) == _recovery_key(code, account.id or 0),
            )
        )
    if cast("CursorResult[Any]", done).rowcount != 1:
        raise WrongCode
    if step is None:
        audit.note(
            session,
            by=account.name,
            action="account.recovery_code_used",
            subject=account.name,
            after={"left": recovery_codes_left(session, account)},
            now=now,
        )


def seal_again(session: Session) -> int:
    """Seal every device's secret under the present link secret, before a former one is forgotten.

    Returns how many were under a former one. What no known secret opens stays as it is.
    """
    again = 0
    for account in session.exec(select(Account).where(col(Account.code_secret).is_not(None))):
        sealed, number = account.code_secret or "", account.id or 0
        if _opened_by(_keys()[0], sealed, number) is not None:
            continue
        if (secret := _opened(sealed, number)) is not None:
            account.code_secret = _sealed(secret, number)
            again += 1
    return again


def recovery_codes_left(session: Session, account: Account) -> int:
    """How many ways in without the device *account* still has."""
    of_theirs = col(RecoveryCode.account_id) == account.id
    return session.exec(select(func.count()).select_from(RecoveryCode).where(of_theirs)).one()


def _new_recovery_codes(session: Session, account: Account) -> list[str]:
    session.execute(delete(RecoveryCode).where(col(RecoveryCode.account_id) == account.id))
    made = []
    for _ in range(_RECOVERY_CODES):
        bare = base64.b32encode(secrets.token_bytes(10)).decode().lower()  # 80 bits
        made.append("-".join(bare[at : at + 4] for at in range(0, len(bare), 4)))
        session.add(
            RecoveryCode(account_id=account.id or 0, key=_recovery_key(bare, account.id or 0))
        )
    return made


def _recovery_key(code: str, account_id: int) -> bytes:
    bare = "".join(code.split()).replace("-", "").lower()
    return hashlib.sha256(b"recovery %d " % account_id + bare.encode()).digest()


def _step_of(secret: bytes, code: str, *, now: datetime) -> int | None:
    """The step whose code that is: this one, or its neighbours, for clocks that differ a little."""
    bare = "".join(code.split())
    if len(bare) != _DIGITS or not bare.isascii() or not bare.isdecimal():
        return None
    current = int(now.timestamp()) // _STEP
    hotp = HOTP(secret, _DIGITS, SHA1())  # noqa: S303 - what every device speaks
    good = [
        step
        for step in (current - 1, current, current + 1)
        if hmac.compare_digest(hotp.generate(step), bare.encode())
    ]
    return max(good, default=None)


def _bytes(secret: str) -> bytes:
    """Raises WrongCode for what is no secret of ours."""
    try:
        known = base64.b32decode(secret)
    except ValueError:
        raise WrongCode from None
    if len(known) != _SECRET:
        raise WrongCode
    return known


def _sealed(secret: bytes, account_id: int) -> str:
    """64 characters: the nonce, the secret, and proof of whose it is."""
    nonce = os.urandom(_NONCE)
    sealed = AESGCM(_keys()[0]).encrypt(nonce, secret, b"account %d" % account_id)
    return base64.b64encode(nonce + sealed).decode()


def _opened(sealed: str, account_id: int) -> bytes | None:
    """The secret; None when it was sealed under a link secret that is known no more."""
    opened = (_opened_by(key, sealed, account_id) for key in _keys())
    return next((secret for secret in opened if secret is not None), None)


def _opened_by(key: bytes, sealed: str, account_id: int) -> bytes | None:
    raw = base64.b64decode(sealed)
    try:
        return AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], b"account %d" % account_id)
    except InvalidTag:
        return None


def _keys() -> list[bytes]:
    known = settings()
    former = known.former_link_secrets.get_secret_value().split(",")
    return [
        hashlib.blake2b(one.strip().encode(), digest_size=32, person=b"second step").digest()
        for one in (known.link_secret.get_secret_value(), *former)
        if one.strip()
    ]
