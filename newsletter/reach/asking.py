"""One question to one link: politely, bounded, and only at the public address that was checked."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import httpcore

from newsletter.reach.addresses import NotForUs, check_url, resolve

_MOST_HOPS: Final = 5
_WITHIN: Final = 10.0  # seconds for one link, redirects included
_PATIENCE: Final = 5.0  # seconds for each connection, and each wait for bytes
_HEAD_REFUSED: Final = frozenset({400, 401, 403, 404, 405, 406, 410, 500, 501, 502, 503})
#: They are there, and do not care for programs: no fault of the link's.
_SHY: Final = frozenset({401, 402, 403, 405, 406, 429, 451, 999})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

Resolve = Callable[[str, int], list[tuple[str, int]]]


class Verdict(StrEnum):
    """What became of asking."""

    answers = "answers"
    away = "away"  # to another site
    refuses = "refuses"  # 404, 410, 500 and their like
    silent = "silent"  # no such name, no connection, no answer in time
    private = "private"  # not ours to ask


@dataclass(frozen=True, slots=True)
class Answer:
    """*said* is a phrase for editors; *leads_to* the site it redirects to."""

    verdict: Verdict
    said: str
    leads_to: str | None = None


def ask(url: str, *, sender: str, lookup: Resolve = resolve, within: float = _WITHIN) -> Answer:
    """Ask *url* by HEAD, by GET where that is refused, and follow its redirects; reads no body.

    *sender* goes with each request as our name. Every hop's name is resolved once, all
    of its addresses are checked, and the connection goes to one of those.
    """
    until = time.monotonic() + within
    try:
        first = _site(url)
        with httpcore.ConnectionPool(
            network_backend=_Checked(lookup, until), ssl_context=ssl.create_default_context()
        ) as pool:
            status, at = _follow(pool, url, sender=sender)
    except NotForUs as refused:
        return Answer(Verdict.private, str(refused))
    except (OSError, UnicodeError, httpcore.TimeoutException, httpcore.NetworkError) as error:
        return Answer(Verdict.silent, _why(error))
    except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, httpcore.ProxyError):
        return Answer(Verdict.silent, "its answer cannot be read")
    return _judged(status, first, at)


def _judged(status: int, first: str, at: str) -> Answer:
    if status in _REDIRECTS:
        return Answer(Verdict.refuses, "it redirects in a circle")
    if status >= 400 and status not in _SHY:  # noqa: PLR2004 - HTTP's own boundary
        return Answer(Verdict.refuses, f"it answers {status}")
    if _site(at) != first:
        return Answer(Verdict.away, f"it redirects to {_site(at)}", _site(at))
    return Answer(Verdict.answers, f"it answers {status}")


def _follow(pool: httpcore.ConnectionPool, url: str, *, sender: str) -> tuple[int, str]:
    status = 0
    for _ in range(_MOST_HOPS + 1):
        check_url(url)
        status, location = _status(pool, "HEAD", url, sender)
        if status in _HEAD_REFUSED:
            status, location = _status(pool, "GET", url, sender)
        if status not in _REDIRECTS or not location:
            return status, url
        url = urljoin(url, location)
    return status, url


def _status(
    pool: httpcore.ConnectionPool, method: str, url: str, sender: str
) -> tuple[int, str | None]:
    """The status and where it redirects to; of a body nothing is read: the connection is closed."""
    headers: dict[bytes | str, bytes | str] = {
        "Host": _host_header(url),
        "User-Agent": sender,
        "Accept": "*/*",
        "Connection": "close",
    }
    waits = dict.fromkeys(("connect", "read", "write", "pool"), _PATIENCE)
    with pool.stream(method, _ascii(url), headers=headers, extensions={"timeout": waits}) as got:
        known = {name.lower(): value for name, value in got.headers}
        location = known.get(b"location")
        return got.status, location.decode("latin-1") if location else None


class _Checked(httpcore.SyncBackend):
    """Connects to an address that was looked at, and never to a name that might mean another by now."""

    def __init__(self, lookup: Resolve, until: float) -> None:
        self._lookup, self._until = lookup, until

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        *others, last = self._found(host, port)
        for address, at in others:
            # A site with one address that is dead is reached at the next, as by browsers.
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return self._at(address, at, timeout, local_address, socket_options)
        return self._at(*last, timeout, local_address, socket_options)

    def _at(
        self,
        address: str,
        port: int,
        timeout: float | None,
        local_address: str | None,
        socket_options: Iterable[Any] | None,
    ) -> httpcore.NetworkStream:
        left = _left(self._until, timeout)
        stream = super().connect_tcp(address, port, left, local_address, socket_options)
        return _Bounded(stream, self._until)

    def _found(self, host: str, port: int) -> list[tuple[str, int]]:
        """Where *host* is. The system's own lookup knows no deadline: one that is slow is left behind."""
        answer: Future[list[tuple[str, int]]] = Future()

        def look() -> None:
            try:
                answer.set_result(self._lookup(host, port))
            except Exception as error:  # noqa: BLE001 - it belongs to whoever waits
                answer.set_exception(error)

        threading.Thread(target=look, daemon=True).start()
        try:
            return answer.result(_left(self._until, _PATIENCE))
        except TimeoutError:
            raise httpcore.ConnectTimeout("its name was not found in time") from None


class _Bounded(httpcore.NetworkStream):
    """A connection that ends with the time there is, however slowly the other side drips."""

    def __init__(self, stream: httpcore.NetworkStream, until: float) -> None:
        self._stream, self._until = stream, until

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._until, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._until, timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(self._until, timeout)
        return _Bounded(self._stream.start_tls(ssl_context, server_hostname, left), self._until)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - httpcore's own signature
        return self._stream.get_extra_info(info)


def _left(until: float, timeout: float | None) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("no time left")
    return min(left, timeout or left)


def _site(url: str) -> str:
    """The host without what makes no other site of it."""
    return check_url(url)[1].lower().removeprefix("www.")


def _host_header(url: str) -> str:
    host = check_url(url)[1]
    return f"[{host}]" if ":" in host else host.encode("idna").decode()


def _ascii(url: str) -> str:
    """*url* with its host as the wire has it, without a fragment, and nothing that is not ASCII."""
    parts = urlsplit(url)
    path = "".join(c if c.isascii() and c > " " else _percent(c) for c in parts.path or "/")
    query = "".join(c if c.isascii() and c > " " else _percent(c) for c in parts.query)
    return f"{parts.scheme}://{_host_header(url)}{path}" + (f"?{query}" if query else "")


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def _why(error: Exception) -> str:
    if isinstance(error, httpcore.TimeoutException):
        return "it does not answer in time"
    if (
        isinstance(error, (ssl.SSLError, ssl.CertificateError))
        or "certificate" in str(error).lower()
    ):
        return "its certificate does not hold"
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return "its name cannot be looked up at the moment"
    if isinstance(error, (OSError, UnicodeError)):
        return "there is no such site"
    return "it takes no connection"
