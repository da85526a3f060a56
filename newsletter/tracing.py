"""Traces, when they are switched on: one for each edition, from the tick to the webhook.

Every process that works on an edition puts its spans into the same trace, whose
id is made of the edition's own, so nothing has to be carried through queues or
providers. Spans hold ids and counts, never an address; an error is its class.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Final

from newsletter.settings import settings

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

#: What a span tells besides its name.
Facts = dict[str, str | float | bool]

#: Seconds that a process may take to hand over its last spans.
_LAST_WORDS: Final = 5.0
_MAKING: Final = Lock()


@contextmanager
def span(name: str, *, digest: int | None = None, **facts: str | float | bool) -> Iterator[None]:
    """A span around the body, if there is a collector; in the trace of *digest* where one is named.

    Costs next to nothing when it is switched off. The body's exception goes on as it is.
    """
    if (tracer := _tracer()) is None:
        yield
        return
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - only when switched on

    known = facts if digest is None else {"digest": digest, **facts}
    with tracer.start_as_current_span(
        name,
        context=_trace_of(digest) if digest is not None else None,
        attributes={f"newsletter.{key}": value for key, value in known.items()},
        # The library would keep the exception's words, which may quote what people told us.
        record_exception=False,
        set_status_on_exception=False,
    ) as opened:
        try:
            yield
        except BaseException as error:
            opened.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def is_on() -> bool:
    """Whether somebody collects spans: for what is only worth finding out then."""
    return bool(settings().traces_url)


def trace_id(digest: int) -> int:
    """The 128 bits that name the trace of *digest* in this installation."""
    ours = hashlib.blake2b(settings().web_url.encode(), digest_size=32).digest()
    return int.from_bytes(hashlib.blake2b(b"%d" % digest, digest_size=16, key=ours).digest())


def flush() -> None:
    """Hand over what is waiting; for a process that is about to end."""
    if is_on():
        _provider().force_flush(round(_LAST_WORDS * 1000))


def _trace_of(digest: int) -> "Context | None":
    """The edition's trace as a parent; a span that is inside one already stays there."""
    from opentelemetry import trace  # noqa: PLC0415 - only when switched on

    if trace.get_current_span().get_span_context().trace_id == trace_id(digest):
        return None
    root = trace.SpanContext(
        trace_id=trace_id(digest),
        span_id=trace_id(digest) >> 64 or 1,
        is_remote=True,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(root))


def _tracer() -> "Tracer | None":
    return _provider().get_tracer("newsletter") if is_on() else None


def _provider() -> "TracerProvider":
    """One exporter for each process, made on the first span: after a fork, not before."""
    with _MAKING:  # a cache is no lock: of many threads that ask first, one makes it
        return _made()


@lru_cache
def _made() -> "TracerProvider":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - as above
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - as above

    provider = TracerProvider(resource=Resource.create({"service.name": "newsletter"}))
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=settings().traces_url, timeout=_LAST_WORDS))
    )
    return provider
