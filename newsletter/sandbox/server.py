"""The sandbox as a process: listens until it is told to stop."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from newsletter.sandbox.app import create_app
from newsletter.sandbox.config import SandboxConfig
from newsletter.sandbox.connections import Connections


def serve(config: SandboxConfig) -> None:
    """Serve until SIGTERM or SIGINT, then finish the calls under way and return."""
    asyncio.run(server(config).serve())


class Server(uvicorn.Server):
    """A server for which being told to stop is no failure."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT, without raising them once more afterwards as uvicorn does."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def server(config: SandboxConfig) -> Server:
    """A server that is not running yet; ``await server.serve()`` runs it."""
    connections = Connections()
    return Server(
        uvicorn.Config(
            create_app(config, connections=connections),
            host=config.host,
            port=config.port,
            http=connections.protocol(),
            ws="none",
            lifespan="on",
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=3,
        )
    )
