"""The web application: its routes, and the one table that gives every domain error its status."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

import structlog
from fastapi import FastAPI, Request, status
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from digests.lifecycle import DigestError, IllegalTransition, NoSuchDigest, NotWhatWasSeen
from digests.making.draft import BadWords
from digests.making.versions import NoSuchVersion
from digests.reading.exchange import FactsRefused
from digests.reading.page_lines import PageRefused
from digests.schedules.schedule_terms import BadSchedule, NoSuchSchedule
from digests.store.community import CommunityError, NoSuchTool
from digests.store.finding import BadCursor
from newsletter.accounts.errors import (
    AccountError,
    AccountExists,
    LastOperator,
    NoName,
    NoRoles,
    NoSuchAccount,
    NoSuchToken,
    NoSuchZone,
    WeakPassword,
    WrongCode,
    WrongPassword,
)
from newsletter.esp import BadPayload, BadSignature, CannotVerify, EspError
from newsletter.knocking import TooOften
from newsletter.readers.people import NobodyThere
from newsletter.readers.uploads import NotThere, NotYet
from newsletter.readers.voting import NoSuchChoice
from newsletter.rendering.mjml import BadTemplate
from newsletter.settings import SettingsError
from newsletter.tickets import NoSuchTicket, TicketError
from newsletter.web import desk, health, intake, metrics, pages, static, webhooks
from newsletter.web.desk import approval, board, changes, history, trials
from newsletter.web.desk.mail import NoSuchReader
from newsletter.web.forms import FormRefused
from newsletter.web.mailed import (
    ballots,
    choosing,
    clicks,
    joining,
    moving,
    pixel,
    privacy,
    readers,
)
from newsletter.web.mailed.readers import BrokenLink, NobodysLink
from newsletter.web.office import (
    account,
    accounts,
    audit,
    bulk,
    console,
    doctor,
    entering,
    lists,
    people,
    reports,
    schedules,
    second_step,
    staff,
    votes,
)
from newsletter.web.office.second_step import NobodyWaits
from newsletter.web.office.staff import NotAllowed, NotInPerson, NotSignedIn
from newsletter.web.site import api, archive, browse, compare, feeds, front
from subscribers.addresses import BadAddress
from subscribers.bulk import NobodyToDoItTo, TooLate
from subscribers.subscription import AddressSuppressed, SubscriberError

log = structlog.get_logger()

#: The nearest class in an error's own order decides, so a base catches what has no line of its own.
STATUS: Final[dict[type[Exception], int]] = {
    DigestError: status.HTTP_409_CONFLICT,
    NoSuchDigest: status.HTTP_404_NOT_FOUND,
    IllegalTransition: status.HTTP_409_CONFLICT,
    NotWhatWasSeen: status.HTTP_409_CONFLICT,
    CommunityError: status.HTTP_409_CONFLICT,
    NoSuchTool: status.HTTP_404_NOT_FOUND,
    NoSuchChoice: status.HTTP_422_UNPROCESSABLE_CONTENT,
    BadCursor: status.HTTP_404_NOT_FOUND,
    BadWords: status.HTTP_422_UNPROCESSABLE_CONTENT,
    NoSuchReader: status.HTTP_404_NOT_FOUND,
    NobodyThere: status.HTTP_404_NOT_FOUND,
    NotThere: status.HTTP_404_NOT_FOUND,
    NotYet: status.HTTP_409_CONFLICT,
    NobodyToDoItTo: status.HTTP_409_CONFLICT,
    TooLate: status.HTTP_409_CONFLICT,
    NoSuchVersion: status.HTTP_404_NOT_FOUND,
    SubscriberError: status.HTTP_409_CONFLICT,
    AddressSuppressed: status.HTTP_409_CONFLICT,
    BadAddress: status.HTTP_422_UNPROCESSABLE_CONTENT,
    FactsRefused: status.HTTP_422_UNPROCESSABLE_CONTENT,
    PageRefused: status.HTTP_422_UNPROCESSABLE_CONTENT,
    BadSchedule: status.HTTP_422_UNPROCESSABLE_CONTENT,
    NoSuchSchedule: status.HTTP_404_NOT_FOUND,
    BadTemplate: status.HTTP_500_INTERNAL_SERVER_ERROR,
    SettingsError: status.HTTP_500_INTERNAL_SERVER_ERROR,
    BrokenLink: status.HTTP_404_NOT_FOUND,
    EspError: status.HTTP_502_BAD_GATEWAY,
    AccountError: status.HTTP_409_CONFLICT,
    NoSuchAccount: status.HTTP_404_NOT_FOUND,
    AccountExists: status.HTTP_409_CONFLICT,
    LastOperator: status.HTTP_409_CONFLICT,
    NoName: status.HTTP_422_UNPROCESSABLE_CONTENT,
    NoRoles: status.HTTP_422_UNPROCESSABLE_CONTENT,
    NoSuchZone: status.HTTP_422_UNPROCESSABLE_CONTENT,
    WeakPassword: status.HTTP_422_UNPROCESSABLE_CONTENT,
    NoSuchToken: status.HTTP_404_NOT_FOUND,
    WrongCode: status.HTTP_422_UNPROCESSABLE_CONTENT,
    WrongPassword: status.HTTP_422_UNPROCESSABLE_CONTENT,
    TooOften: status.HTTP_429_TOO_MANY_REQUESTS,
    TicketError: status.HTTP_410_GONE,
    NoSuchTicket: status.HTTP_404_NOT_FOUND,
    NotSignedIn: status.HTTP_401_UNAUTHORIZED,
    NotAllowed: status.HTTP_403_FORBIDDEN,
    NotInPerson: status.HTTP_403_FORBIDDEN,
    FormRefused: status.HTTP_403_FORBIDDEN,
    # Never 403, which Postmark takes for good, and never 406, which Mailgun does: a provider
    # whose secret we hold wrongly must go on trying until an operator has put it right.
    BadSignature: status.HTTP_401_UNAUTHORIZED,
    BadPayload: status.HTTP_400_BAD_REQUEST,
    CannotVerify: status.HTTP_503_SERVICE_UNAVAILABLE,
}

#: Every part of the site, in the order in which addresses are tried.
ROUTERS: Final = tuple(
    part.router
    for part in (
        readers,
        privacy,
        choosing,
        moving,
        clicks,
        joining,
        ballots,
        archive,
        browse,
        feeds,
        api,
        compare,
        webhooks,
        intake,
        front,
        entering,
        second_step,
        account,
        accounts,
        audit,
        desk,
        changes,
        history,
        approval,
        trials,
        board,
        reports,
        bulk,
        lists,
        people,
        schedules,
        console,
        doctor,
        votes,
        health,
        metrics,
        static,
    )
)

_LARGEST_FORM: Final = 64 * 1024  # bytes; routes that take more say so themselves
_AGAIN_AFTER: Final = {"Retry-After": "60"}  # seconds
_SENTENCES: Final = {
    404: "There is no page at this address.",
    405: "This address does not take that kind of request.",
    413: "That was larger than this address takes.",
}


def create_app() -> FastAPI:
    """The whole web side. Nothing about its routes is published: most of them are personal."""
    app = _Application(
        title="Weekly AI Tool Verdicts",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        max_body_size=_LARGEST_FORM,
        lifespan=_lifespan,
    )
    app.state.opens = pixel.opens_together()
    app.state.webhook_turns = webhooks.turns()
    app.router.routes.append(pixel.route)
    for router in ROUTERS:
        app.include_router(router)
    for known in STATUS:
        app.add_exception_handler(known, _domain_error)
    app.add_exception_handler(NotSignedIn, staff.ask_to_sign_in)
    app.add_exception_handler(NobodyWaits, second_step.start_over)
    for unreachable in (OperationalError, InterfaceError, PoolTimeout):
        app.add_exception_handler(unreachable, _store_away)
    app.add_exception_handler(DataError, _unstorable)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(Exception, _unexpected)
    # Of the routers, not of the application: an included router's routes are not among its own.
    app.state.parts = staff.parts_of(
        path
        for router in ROUTERS
        for route in router.routes
        if isinstance(path := getattr(route, "path", None), str)
    )
    return app


class _Application(FastAPI):
    """FastAPI with our headers around everything, the framework's own refusals included."""

    def build_middleware_stack(self) -> ASGIApp:
        """The framework's layers, inside our headers."""
        return pages.Headers(super().build_middleware_stack())


def status_of(error: Exception) -> int:
    """The status that the table gives *error*, by the nearest of its classes."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await app.state.opens.drain()


async def _domain_error(request: Request, error: Exception) -> Response:
    code = status_of(error)
    log.info("request.refused", status=code, why=type(error).__name__)
    if isinstance(error, NobodysLink) and not pages.is_for_a_program(request):
        return pages.page("nobodys_link.html", status=code)
    headers = _AGAIN_AFTER if code == status.HTTP_503_SERVICE_UNAVAILABLE else None
    if isinstance(error, TooOften):
        headers = {"Retry-After": str(error.wait)}
    return pages.refusal(request, code, str(error), headers)


async def _store_away(request: Request, error: Exception) -> Response:
    # The statement and its values stay out of the log: they hold what people told us.
    log.error("store.away", why=type(error).__name__, said=str(getattr(error, "orig", ""))[:200])
    return pages.refusal(
        request,
        status.HTTP_503_SERVICE_UNAVAILABLE,
        "The service cannot reach its store at the moment.",
        _AGAIN_AFTER,
    )


async def _unstorable(request: Request, _error: Exception) -> Response:
    """PostgreSQL knows no NUL, and people type none: whoever sends one looks for holes."""
    log.warning("request.unstorable")
    return pages.refusal(
        request,
        status.HTTP_422_UNPROCESSABLE_CONTENT,
        "That holds signs that can be neither stored nor looked for.",
    )


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(
        error, HTTPException
    ):  # pragma: no cover - Starlette calls it for nothing else
        raise error
    sentence = str(error.detail)
    if sentence == HTTPStatus(error.status_code).phrase:  # nobody has said anything of their own
        sentence = _SENTENCES.get(error.status_code, f"{sentence}.")
    return pages.refusal(request, error.status_code, sentence, dict(error.headers or {}))


async def _unreadable(request: Request, error: Exception) -> Response:
    """A body or parameter of the wrong shape: where, and what was expected there."""
    if not isinstance(error, RequestValidationError):  # pragma: no cover - as above
        raise error
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "body"
    said = str(first["msg"]).rstrip(".")
    return pages.refusal(request, status.HTTP_422_UNPROCESSABLE_CONTENT, f"{where}: {said}.")


async def _unexpected(request: Request, _error: Exception) -> Response:
    """A calm page; Starlette raises the error again for the server's log, which has no addresses."""
    return pages.refusal(
        request,
        status.HTTP_500_INTERNAL_SERVER_ERROR,
        "Something went wrong on our side, and we have a record of it.",
    )
