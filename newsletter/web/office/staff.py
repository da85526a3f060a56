"""The door of the staff's pages: who is calling, by cookie or by token, and what they may do.

A route names the role it needs as the type of its first parameter, so that
strangers never open a transaction::

    @router.post("/schedules/{name}/pause")
    def pause(who: Operator, name: str, form: StaffForm, session: Transaction) -> Response: ...
"""

import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Depends, Request
from markupsafe import Markup
from starlette.datastructures import UploadFile
from starlette.responses import JSONResponse, RedirectResponse, Response

from newsletter import database
from newsletter.accounts import logins, register, tokens
from newsletter.accounts.models import Account, Role
from newsletter.settings import settings
from newsletter.web import pages
from newsletter.web.doors import Now
from newsletter.web.forms import FormRefused, refuse_other_sites

#: The parts of the staff's world in the order of the menu: address, words, and who may go there.
#: A part whose address nobody serves does not stand in the menu.
_EVERYBODY: Final = frozenset(Role)
PARTS: Final[tuple[tuple[str, str, frozenset[Role]], ...]] = (
    ("/desk", "Digests", frozenset({Role.editor})),
    ("/people", "Subscribers", frozenset({Role.operator})),
    ("/schedules", "Schedule", frozenset({Role.operator})),
    ("/console", "Console", frozenset({Role.operator})),
    ("/doctor", "Doctor", frozenset({Role.operator})),
    ("/votes", "Votes", frozenset({Role.operator})),
    ("/reports", "Reports", _EVERYBODY),
    ("/accounts", "Accounts", frozenset({Role.operator})),
    ("/audit", "Log", frozenset({Role.operator})),
)

_WORDS: Final = {
    Role.reader: "who may read the figures",
    Role.editor: "an editor",
    Role.operator: "an operator",
}
_MOST_FIELDS: Final = 400  # of one form
_LARGEST_FIELD: Final = 64 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Whoever is calling. *csrf* is empty for a program, whose token no other site can use."""

    account_id: int
    name: str
    address: str
    roles: frozenset[Role]
    zone: str
    csrf: str
    here: str  # the address they asked for
    login: bytes  # by which login they came in; empty for a program
    parts: frozenset[str]  # those of the menu that somebody serves

    def may(self, *roles: Role) -> bool:
        """Whether they have one of *roles*."""
        return bool(self.roles.intersection(roles))

    @property
    def menu(self) -> list[tuple[str, str, bool]]:
        """Where they may go: address, words, and whether they are there."""
        return [
            (address, words, self.here == address or self.here.startswith(f"{address}/"))
            for address, words, roles in PARTS
            if address in self.parts and self.may(*roles)
        ]

    @property
    def home(self) -> str:
        """Where they start."""
        return next((address for address, _, _ in self.menu), "/account")


class NotSignedIn(Exception):
    """Nobody came in yet, or their login has ended."""

    def __init__(self) -> None:
        super().__init__("This page is for people who have signed in.")


class NotAllowed(Exception):
    """They came in, and this is not for their role."""

    def __init__(self, *wanted: Role) -> None:
        super().__init__(f"This is for {' or '.join(_WORDS[role] for role in wanted)}.")


class NotInPerson(Exception):
    """A program's token does not open what is about keys and accounts."""

    def __init__(self) -> None:
        super().__init__("This is for people who have signed in with a browser, not for a token.")


class Form(dict[str, str]):
    """The fields of a form; of one that stands there several times the last. Files apart."""

    def __init__(self, items: list[tuple[str, str]], files: dict[str, UploadFile]) -> None:
        super().__init__(items)
        self._items, self.files = items, files

    def all(self, name: str) -> list[str]:
        """Every value of *name*, as several ticked boxes send it."""
        return [value for known, value in self._items if known == name]


def cookie_name() -> str:
    """``__Host-`` binds the cookie to this host and to https, where there is https."""
    return "__Host-newsletter" if _is_safe() else "newsletter"


def give_cookie(answer: Response, token: str, *, seconds: int) -> None:
    """Hand the browser its token: no script reads it, and no other site's form sends it."""
    answer.set_cookie(
        cookie_name(),
        token,
        max_age=seconds,
        path="/",
        httponly=True,
        samesite="lax",
        secure=_is_safe(),
    )


def take_cookie(answer: Response) -> None:
    """Let the browser forget its token."""
    answer.delete_cookie(cookie_name(), path="/", httponly=True, samesite="lax", secure=_is_safe())


def find_caller(request: Request, now: Now) -> SignedIn | None:
    """Who is calling, None for a stranger. Its transaction is over before the route's begins.

    A program says ``Authorization: Bearer TOKEN``; what a browser holds does not count beside it.
    """
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme:
        return _of_a_program(request, bearer.strip(), now) if scheme.lower() == "bearer" else None
    token = request.cookies.get(cookie_name(), "")
    if not token:
        return None
    with database.reading() as session:
        found = logins.find(session, token, now=now)
        if found is None or found.login.awaits_code:
            return None
        csrf, key = logins.csrf_of(token), found.login.key
        caller = _signed_in(request, found.account, csrf=csrf, login=key)
        is_long_unseen = logins.is_long_unseen(found.login, now=now)
    if is_long_unseen:
        with database.unit_of_work() as session:
            logins.saw(session, caller.login, now=now)
    return caller


def _of_a_program(request: Request, token: str, now: Now) -> SignedIn | None:
    with database.reading() as session:
        found = tokens.find(session, token, now=now)
        if found is None:
            return None
        caller = _signed_in(request, found.account, csrf="", login=b"")
        token_id = found.token.id or 0
        is_long_unseen = tokens.is_long_unseen(found.token, now=now)
    if is_long_unseen:
        with database.unit_of_work() as session:
            tokens.saw(session, token_id, now=now)
    return caller


def _signed_in(request: Request, account: Account, *, csrf: str, login: bytes) -> SignedIn:
    return SignedIn(
        account_id=account.id or 0,
        name=account.name,
        address=account.address,
        roles=register.roles_of(account),
        zone=account.zone,
        csrf=csrf,
        here=request.url.path,
        login=login,
        parts=_served(request),
    )


Caller = Annotated[SignedIn | None, Depends(find_caller)]


def _role(*wanted: Role) -> Callable[[SignedIn | None], SignedIn]:
    def check(caller: Caller) -> SignedIn:
        if caller is None:
            raise NotSignedIn
        if not caller.may(*wanted):
            raise NotAllowed(*wanted)
        return caller

    return check


#: Anybody who has come in.
Figures = Annotated[SignedIn, Depends(_role(*Role))]
Editor = Annotated[SignedIn, Depends(_role(Role.editor))]
Operator = Annotated[SignedIn, Depends(_role(Role.operator))]


def _in_person(caller: Figures) -> SignedIn:
    if not caller.login:
        raise NotInPerson
    return caller


def _an_operator_in_person(caller: Operator) -> SignedIn:
    return _in_person(caller)


#: Whoever came in with a browser: a program makes itself no further keys and lets nobody in.
InPerson = Annotated[SignedIn, Depends(_in_person)]
OperatorInPerson = Annotated[SignedIn, Depends(_an_operator_in_person)]


async def checked_form(request: Request, caller: Caller) -> Form:
    """The submitted form, once it has shown that a page of ours made it for this login.

    A script may give the proof in the header ``X-CSRF`` instead. Raises FormRefused.
    """
    if caller is None:
        raise NotSignedIn
    refuse_other_sites(request)
    sent = await request.form(max_fields=_MOST_FIELDS, max_part_size=_LARGEST_FIELD)
    form = Form(
        [(name, value) for name, value in sent.multi_items() if isinstance(value, str)],
        {name: value for name, value in sent.multi_items() if isinstance(value, UploadFile)},
    )
    given = form.pop("csrf", "") or request.headers.get("x-csrf", "")
    if caller.csrf and not hmac.compare_digest(given.encode(), caller.csrf.encode()):
        raise FormRefused
    return form


StaffForm = Annotated[Form, Depends(checked_form)]


def staff_page(
    name: str, *, who: SignedIn, status: int = 200, policy: str = pages.QUIET, **context: object
) -> Response:
    """The page *name*, which extends ``staff.html``, as *who* may see it."""
    field = Markup('<input type="hidden" name="csrf" value="{}">').format(who.csrf)
    return pages.page(name, status=status, policy=policy, who=who, csrf_field=field, **context)


async def ask_to_sign_in(request: Request, error: Exception) -> Response:
    """A person is led to the door, and from there back; a program is told why."""
    if pages.is_for_a_program(request):
        return JSONResponse(
            {"detail": str(error)}, 401, headers={"www-authenticate": 'Bearer realm="newsletter"'}
        )
    wanted = "/"
    if request.method in pages.LOOK:
        wanted = f"{request.url.path}?{request.url.query}".rstrip("?")
    return RedirectResponse(f"/sign-in?{urlencode({'next': wanted})}", 303)


def _is_safe() -> bool:
    return settings().web_url.startswith("https://")


def _served(request: Request) -> frozenset[str]:
    served: frozenset[str] = request.app.state.parts
    return served


def parts_of(paths: Iterator[str]) -> frozenset[str]:
    """Which parts of the menu are among *paths*."""
    return frozenset(paths) & {address for address, _, _ in PARTS}
