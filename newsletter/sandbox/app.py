"""The sandbox as a web application: the providers' paths, the control, the inbox."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from fastapi import FastAPI, Request, Response

from newsletter.clock import utc_now
from newsletter.sandbox.badday import bad_day
from newsletter.sandbox.config import SandboxConfig
from newsletter.sandbox.connections import Connections
from newsletter.sandbox.control import control
from newsletter.sandbox.desks import Desk
from newsletter.sandbox.dialects import Dialect
from newsletter.sandbox.guard import Guard
from newsletter.sandbox.inbox import NoSuchMessage, Pages, inbox, static_files
from newsletter.sandbox.sandbox import Sandbox
from newsletter.sandbox.sns import sns

Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(
    config: SandboxConfig,
    *,
    clock: Callable[[], datetime] = utc_now,
    connections: Connections | None = None,
) -> FastAPI:
    """An app on *config*'s store. *connections* are the server's, so that faults can cut them."""
    sandbox = Sandbox(config, clock=clock, connections=connections or Connections())

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        del app
        sandbox.open()
        try:
            yield
        finally:
            sandbox.close()

    app = FastAPI(title="Sandbox provider", lifespan=life, docs_url=None, redoc_url=None)
    app.state.sandbox = sandbox
    app.add_middleware(Guard, local_only=config.is_local)
    pages = Pages(sandbox)
    app.include_router(control(sandbox))
    app.include_router(sns(sandbox))
    app.include_router(inbox(sandbox, pages))
    app.include_router(bad_day(sandbox, pages))
    app.mount("/static", static_files())

    @app.exception_handler(NoSuchMessage)
    def missing(request: Request, _: Exception) -> Response:
        page = pages.show("missing.html", request)
        page.status_code = 404
        return page

    for dialect in sandbox.dialects.values():
        _speak(app, sandbox, dialect)
    _open_the_desks(app, sandbox)
    return app


def _open_the_desks(app: FastAPI, sandbox: Sandbox) -> None:
    """Open the desks' paths; where two providers share one, the credential says who is meant."""
    who_answers: dict[tuple[str, str], list[Desk]] = {}
    for desk in sandbox.desks:
        for asked in desk.asks:
            who_answers.setdefault(asked, []).append(desk)

    def asking(desks: list[Desk]) -> Endpoint:
        async def ask(request: Request) -> Response:
            meant = next((one for one in desks if one.credential in request.headers), desks[0])
            dialect = sandbox.dialects[meant.dialect]
            return await sandbox.reception.ask(dialect, request, meant.answer)

        return ask

    for (method, path), desks in who_answers.items():
        app.router.add_route(path, asking(desks), methods=[method], include_in_schema=False)


def _speak(app: FastAPI, sandbox: Sandbox, dialect: Dialect) -> None:
    """Open the dialect's paths; bodies are read by the dialect itself, from the raw bytes."""

    def sending() -> Endpoint:
        async def take(request: Request) -> Response:
            return await sandbox.reception.take(dialect, request)

        return take

    def asking() -> Endpoint:
        async def ask(request: Request) -> Response:
            return await sandbox.reception.ask(dialect, request, dialect.question)

        return ask

    for path in dialect.sends:
        app.router.add_route(path, sending(), methods=["POST"], include_in_schema=False)
    for method, path in dialect.asks:
        app.router.add_route(path, asking(), methods=[method], include_in_schema=False)
