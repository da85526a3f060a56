"""Staff for the tests: somebody with certain roles, at a client's or a browser's door."""

import base64
import hmac
import struct
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlmodel import Session
from starlette.testclient import TestClient

from newsletter.accounts import logins, register
from newsletter.accounts.models import Account, Role
from newsletter.clock import utc_now
from newsletter.database import unit_of_work
from newsletter.web.office.staff import cookie_name

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

#: Long enough for any moment at which a test stands still.
_GOOD_FOR: Final = timedelta(days=36500)

#: What a device of the tests holds, as RFC 6238 has it.
SECRET: Final = base64.b32encode(b"12345678901234567890").decode()


def code_at(moment: datetime, secret: str = SECRET) -> str:
    """What a device shows: RFC 4226 and RFC 6238, by another hand than the one that is tested."""
    counter = struct.pack(">Q", int(moment.timestamp()) // 30)
    digest = hmac.digest(base64.b32decode(secret), counter, "sha1")
    [number] = struct.unpack(">I", digest[digest[-1] & 15 :][:4])
    return f"{(number & 0x7FFFFFFF) % 10**6:06d}"


@dataclass(frozen=True, slots=True)
class Staff:
    """Somebody who came in: what their forms carry, and the cookie of their browser."""

    account_id: int
    name: str
    csrf: str
    token: str


def an_account(
    session: Session,
    *,
    roles: Collection[Role] = frozenset(Role),
    name: str = "Ada",
    password: str | None = None,
    now: datetime | None = None,
) -> Account:
    """The account of that name, made if need be, with *roles*."""
    moment = now or utc_now()
    known = [one for one in register.everybody(session) if one.name == name]
    if known:
        known[0].roles = register.joined(roles)
        return known[0]
    address = f"{name.lower()}@shiporskip.example"
    return register.add(
        session, address, name=name, roles=roles, password=password, by="the tests", now=moment
    )


def comes_in(
    *, roles: Collection[Role] = frozenset(Role), name: str = "Ada", now: datetime | None = None
) -> Staff:
    """Let somebody of that name and those roles in."""
    moment = now or utc_now()
    with unit_of_work() as session:
        account = an_account(session, roles=roles, name=name, now=moment)
        token = logins.begin(
            session, account, how="password", browser="Thunderbird", good_for=_GOOD_FOR, now=moment
        )
        return Staff(account.id or 0, account.name, logins.csrf_of(token), token)


def signed_in(
    client: TestClient,
    *,
    roles: Collection[Role] = frozenset(Role),
    name: str = "Ada",
    now: datetime | None = None,
) -> Staff:
    """Let somebody in by *client*; post their forms with ``data={"csrf": staff.csrf, ...}``."""
    staff = comes_in(roles=roles, name=name, now=now)
    client.cookies.set(cookie_name(), staff.token)
    return staff


def signed_in_browser(
    context: "BrowserContext",
    site: str,
    *,
    roles: Collection[Role] = frozenset(Role),
    name: str = "Ada",
    now: datetime | None = None,
) -> Staff:
    """Let somebody in by the browser *context* at the address *site*."""
    staff = comes_in(roles=roles, name=name, now=now)
    context.add_cookies(
        [
            {
                "name": cookie_name(),
                "value": staff.token,
                "url": site,
                "httpOnly": True,
                "sameSite": "Lax",
            }
        ]
    )
    return staff
