"""Live connections by peer, so that a fault can cut one as a failing network would."""

import asyncio
import socket
import struct
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

# Closing with a linger of zero seconds makes the kernel send RST instead of FIN.
_LINGER_ZERO: Final = struct.pack("ii", 1, 0)


class Connections:
    """What the server has open; ``protocol`` must be the protocol class that serves it."""

    def __init__(self) -> None:
        self._open: dict[object, asyncio.Transport] = {}

    def protocol(self) -> type[H11Protocol]:
        """The HTTP protocol of this server, which enters and leaves its connections here."""
        connections = self._open

        class Watched(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in the parent
                super().connection_made(transport)
                connections[self.client] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                connections.pop(self.client, None)
                super().connection_lost(exc)

        return Watched

    def cut(self, peer: object) -> bool:
        """Reset the connection with *peer*; False when this server does not hold it."""
        transport = self._open.get(peer)
        if transport is None:
            return False
        held: Any = transport.get_extra_info("socket")
        if held is not None:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        transport.abort()
        return True


class Cut(Response):
    """No answer: the connection is reset instead."""

    def __init__(self, connections: Connections) -> None:
        super().__init__()
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reset, and wait until the server has noticed, or it would answer 500."""
        del send
        client = scope.get("client")
        if not self._connections.cut(tuple(client) if client else None):
            raise ConnectionResetError("The sandbox was told to reset this connection.")
        while (await receive())["type"] != "http.disconnect":
            pass
