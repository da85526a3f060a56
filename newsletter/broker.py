"""The broker that carries nudges: where it is, how to speak to it, and how many wait in it."""

from typing import Any, Final

import structlog
from kombu import Connection
from kombu.exceptions import KombuError, OperationalError
from redis.exceptions import RedisError

from newsletter import queue_folder
from newsletter.settings import settings

queue_folder.take_over()

log = structlog.get_logger()

QUEUE: Final = "newsletter"
_PATIENCE: Final = 2  # seconds: whoever looks at a page waits for this


def transport_options() -> dict[str, Any]:
    """What the transport must know beyond the address; a folder is made when it is one."""
    known = settings()
    if known.broker.startswith("filesystem:"):
        folders = {
            "data_folder_in": known.home / "queue",
            "data_folder_out": known.home / "queue",
            "processed_folder": known.home / "queue" / "processed",
            "control_folder": known.home / "queue" / "control",
        }
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        return {name: str(folder) for name, folder in folders.items()}
    return {"visibility_timeout": 600, "socket_timeout": 10, "socket_connect_timeout": 5}


def waiting() -> int | None:
    """How many nudges nobody has taken yet; None when the broker does not answer.

    Never counted on: each nudge expires, and the next tick brings another.
    """
    options = transport_options()
    if "socket_timeout" in options:
        options |= {"socket_timeout": _PATIENCE, "socket_connect_timeout": _PATIENCE}
    try:
        with Connection(settings().broker, transport_options=options) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=_PATIENCE)
            channel: Any = connection.default_channel
            try:
                return int(channel.queue_declare(QUEUE, passive=True).message_count)
            except connection.channel_errors:  # Redis has no list that is empty
                return 0
    # KeyError and ImportError: an address of something that Celery, or what is installed, does not know.
    except (KombuError, OperationalError, RedisError, OSError, KeyError, ImportError) as error:
        log.info("broker.away", why=type(error).__name__)
        return None
