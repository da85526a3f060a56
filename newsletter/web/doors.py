"""What a route asks for at its door: a transaction, the moment, and proof of who is calling."""

import hmac
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Final

from fastapi import Depends, Header, HTTPException, Path, status
from sqlmodel import Session

from newsletter import database
from newsletter.clock import utc_now
from newsletter.settings import settings

_UNKNOWN_CALLER: Final = HTTPException(
    status.HTTP_401_UNAUTHORIZED,
    "Send the site's token in the header: Authorization: Bearer TOKEN.",
    headers={"WWW-Authenticate": 'Bearer realm="newsletter"'},
)


def open_transaction() -> Iterator[Session]:
    """One unit of work for a request that writes."""
    with database.unit_of_work() as session:
        yield session


def open_reading() -> Iterator[Session]:
    """One transaction for a request that only looks."""
    with database.reading() as session:
        yield session


def check_site_token(authorization: Annotated[str, Header()] = "") -> None:
    """Let only the site's own server pass; compared in constant time.

    An installation without a token takes nobody, not everybody.
    """
    scheme, _, given = authorization.partition(" ")
    known = settings()
    former = known.former_site_tokens.get_secret_value().split(",")
    genuine = [
        hmac.compare_digest(given.strip().encode(), one.strip().encode())
        for one in (known.site_token.get_secret_value(), *former)
        if one.strip()
    ]
    if scheme.lower() != "bearer" or not any(genuine):
        raise _UNKNOWN_CALLER


#: Committed before the answer leaves (``scope="function"``): a commit that fails is a 500 and
#: not a success, and the page that an answer leads to sees the change.
Transaction = Annotated[Session, Depends(open_transaction, scope="function")]

#: A session that cannot change anything: it is rolled back before the answer leaves.
Reading = Annotated[Session, Depends(open_reading, scope="function")]

#: The moment of the request, aware, in UTC.
Now = Annotated[datetime, Depends(utc_now)]

#: A row's number in an address; what is larger than any is refused before a database is asked.
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]

#: Put it first among a route's parameters, so that strangers never open a transaction.
SiteToken = Annotated[None, Depends(check_site_token)]
