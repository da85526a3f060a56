"""What a browser sends: the fields of a form, from which network and site, and where it leads on."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.exceptions import HTTPException


class FormRefused(Exception):
    """The form was not made for this login: another site's, or one from before they came in."""

    def __init__(self) -> None:
        super().__init__("This form was not made for you, or you have signed in anew since.")


async def sent_form(request: Request) -> dict[str, str]:
    """The fields of the body in either of RFC 8058's encodings.

    A body that cannot be read counts as an empty one: whoever posts to the link of
    their own mail wants to leave, however badly their mail program says so.
    """
    try:
        async with request.form(max_files=4, max_fields=20, max_part_size=8192) as form:
            # PostgreSQL stores no NUL, and nobody is to stay on the list, or off it, for one.
            return {
                name: value.replace("\0", "")
                for name, value in form.items()
                if isinstance(value, str)
            }
    except HTTPException as error:
        if error.status_code != 400:  # noqa: PLR2004 - Starlette's word for a body it cannot read
            raise
        return {}


def refuse_other_sites(request: Request) -> None:
    """Refuse what a browser says another site has sent. Raises FormRefused."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise FormRefused


def host_of(request: Request) -> str:
    """Where the request comes from, as the proxies that are believed say it."""
    return request.client.host if request.client else ""


def is_here(address: str) -> bool:
    """Whether *address* is one of ours: a path, which no browser reads as another host."""
    return (
        address.startswith("/")
        and not address.startswith(("//", "/\\"))
        and address.isprintable()
        and "\\" not in address
    )


def onward(address: str) -> str:
    """*address* if it is one of ours, else nothing."""
    return address if is_here(address) else ""


#: The fields of a form that anybody may send.
SentForm = Annotated[dict[str, str], Depends(sent_form)]

#: Put it first among a route's parameters: what another site sends opens no transaction.
FromHere = Annotated[None, Depends(refuse_other_sites)]
