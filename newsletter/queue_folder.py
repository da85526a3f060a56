"""The queue in a folder, of the embedded default: a message is there whole or not at all.

Kombu's own gives a file its name before there is anything in it, and a reader that comes
between ends its worker: what it reads is no JSON.
"""

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from queue import Empty
from typing import Any, Final, TypeVar

import structlog
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps

log = structlog.get_logger()

T = TypeVar("T")

_TRIES: Final = 20
_PAUSE: Final = 0.05  # seconds; whoever writes a table is done long before the last of the tries


class Channel(filesystem.Channel):
    """Kombu's, with names that are given to whole files only."""

    # Kombu's two classes above this one do not agree about the names.
    def _put(self, queue: str, message: Any, **_: Any) -> None:  # type: ignore[override]  # noqa: ANN401
        name = f"{round(time.monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        whole = Path(self.data_folder_out) / name
        draft = whole.with_suffix(".new")  # a name for which no reader looks
        draft.write_text(dumps(message), encoding="utf-8")
        draft.replace(whole)

    def _get(self, queue: str, timeout: float | None = None) -> Any:  # noqa: ANN401, ARG002 - the same
        try:
            return super()._get(queue)
        except (
            ValueError
        ):  # of a disk that was full, or another version; the next tick brings another
            log.warning("nudge.unreadable")
            raise Empty from None

    def get_table(self, exchange: str) -> Any:  # noqa: ANN401 - the same
        """Which queues there are; one that is being written just now is read again."""
        return _once_written(lambda: super(Channel, self).get_table(exchange))

    def _queue_bind(self, *given: Any) -> None:  # noqa: ANN401 - the same
        _once_written(lambda: super(Channel, self)._queue_bind(*given))


class Transport(filesystem.Transport):
    """Kombu's, by way of our channel."""

    Channel = Channel


def take_over() -> None:
    """From now on ``filesystem://`` means this one."""
    TRANSPORT_ALIASES["filesystem"] = "newsletter.queue_folder:Transport"


def _once_written(read: Callable[[], T]) -> T:
    for _ in range(_TRIES):
        try:
            return read()
        except ValueError:
            time.sleep(_PAUSE)
    return read()
