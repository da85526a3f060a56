"""A bare sink: reads a request, answers 202, and knows nothing. The cheapest provider there can be.

Run as ``python -m tests.benchmarks.sink PORT``. It counts what arrives and
answers ``GET /`` with the number of calls and bytes.
"""

import asyncio
import sys

_HEAD_END = b"\r\n\r\n"
_ANSWER = (
    b"HTTP/1.1 202 Accepted\r\nX-Message-Id: m\r\nContent-Length: 0\r\n"
    b"Connection: keep-alive\r\n\r\n"
)


class Sink(asyncio.Protocol):
    """One connection: counts down the bytes of each body and answers when it is there."""

    calls = 0
    received = 0

    def __init__(self) -> None:
        self._head = b""
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        Sink.received += len(data)
        if self._missing:
            self._take(len(data))
            return
        self._head += data
        end = self._head.find(_HEAD_END)
        if end < 0:
            return
        head, self._head, rest = self._head[:end].lower(), b"", len(self._head) - end - 4
        if head.startswith(b"get"):
            said = b"%d %d\n" % (Sink.calls, Sink.received)
            self._write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))
            return
        at = head.find(b"content-length:")
        self._missing = int(
            head[at + 15 : head.find(b"\r\n", at) if b"\r\n" in head[at:] else None]
        )
        self._take(rest)

    def _take(self, count: int) -> None:
        self._missing -= count
        if self._missing <= 0:
            Sink.calls += 1
            self._missing = 0
            self._write(_ANSWER)

    def _write(self, data: bytes) -> None:
        self._transport.write(data)  # type: ignore[attr-defined]  # it is a stream's transport


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
