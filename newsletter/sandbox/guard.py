"""Who may talk to the sandbox's pages: this machine's own browser, and no other site through it."""

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOCAL: Final = frozenset({"127.0.0.1", "localhost", "::1", "testserver"})
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


class Guard:
    """Refuses foreign hosts (when only local ones make sense) and writes ordered by other sites."""

    def __init__(self, app: ASGIApp, *, local_only: bool) -> None:
        self._app = app
        self._local_only = local_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with security headers on its answer, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if (why := self._refusal(scope["method"], headers)) is not None:
            await PlainTextResponse(why, 403)(scope, receive, send)
            return

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((name, value) for name, value in _ALWAYS if name not in present),
                ]
            await send(message)

        await self._app(scope, receive, secured)

    def _refusal(self, method: str, headers: Headers) -> str | None:
        host = headers.get("host", "")
        # A name that a stranger's DNS points at this machine is not this machine's name.
        if self._local_only and (urlsplit(f"//{host}").hostname or "") not in _LOCAL:
            return "This sandbox answers to local names only."
        if method not in _SAFE and _comes_from_elsewhere(headers, host):
            return "Another site may not write to this sandbox."
        return None


def _comes_from_elsewhere(headers: Headers, host: str) -> bool:
    """Whether a browser says that another site sends this; programs say nothing of the kind."""
    if (site := headers.get("sec-fetch-site")) is not None:
        return site not in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != host


_ALWAYS: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    # "no-referrer" would also blank the Origin of our own forms.
    (b"referrer-policy", b"same-origin"),
)
