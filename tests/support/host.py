"""``newsletter`` as on a host of its own: with an address of its own, and a clock that is wrong.

Run as a program: ``python -m tests.support.host ADDRESS SECONDS COMMAND [ARGUMENT ...]``. What it
connects to over TCP sees it come from ADDRESS, one of the loopback network's; its clock is
SECONDS ahead (or behind, below zero). Nothing else is different.
"""

import socket
import sys
from datetime import datetime, timedelta
from typing import Any

from newsletter import clock


def set_off_clock(seconds: float) -> None:
    """Every reading of the clock in this process is off by so much; before anything imports it."""
    right = clock.utc_now

    def utc_now() -> datetime:
        return right() + timedelta(seconds=seconds)

    clock.utc_now = utc_now


def come_from(address: str) -> None:
    """HTTP connections of this process leave from *address*."""
    connect = socket.create_connection

    def create_connection(
        target: tuple[str, int],
        timeout: Any = None,
        source_address: tuple[str, int] | None = None,
        **rest: Any,
    ) -> socket.socket:
        return connect(target, timeout, source_address or (address, 0), **rest)

    socket.create_connection = create_connection  # type: ignore[assignment]  # it takes what that took


if __name__ == "__main__":
    its_address, off_by, *arguments = sys.argv[1:]
    set_off_clock(float(off_by))
    come_from(its_address)
    sys.argv = ["newsletter", *arguments]
    from newsletter.cli import main

    main()
