"""Structured logs: an event name in the past tense, ids beside it, and never an address."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

from newsletter.settings import settings

_ADDRESS: Final = re.compile(r"[^\s@<>\"'=/?&:,]+@[^\s@<>\"',?&)]+\.[^\s@<>\"',?&)]+")


def set_up_logging() -> None:
    """Send our events and the libraries' records to standard error in one shape; safe to call twice."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        without_addresses,
    ]
    last: Any = (
        structlog.processors.JSONRenderer()
        if settings().log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings().log_level.upper())
    # One line for each request, statement and tick would drown the events, and httpx's hold URLs.
    ticks = ("celery.beat", "celery.worker.strategy", "celery.worker.request", "celery.app.trace")
    for noisy in ("httpx", "httpcore", "uvicorn.access", "alembic", "kombu", "amqp", *ticks):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def keep_out_of_answers() -> None:
    """Send what a command logs to standard error: its answer is what stands on standard output."""

    def to_standard_error(*_: object) -> structlog.PrintLogger:
        return structlog.PrintLogger(sys.stderr)  # as it is now: tests put another in its place

    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_addresses,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        logger_factory=to_standard_error,
        wrapper_class=structlog.BoundLogger,
        cache_logger_on_first_use=False,
    )


def without_addresses(
    _logger: Any,  # noqa: ANN401 - structlog's signature
    _method: str,
    event: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """Black out whatever looks like an address, in libraries' messages and tracebacks too."""
    for key, value in event.items():
        if isinstance(value, str) and "@" in value:
            event[key] = _ADDRESS.sub("[address]", value)
    return event
