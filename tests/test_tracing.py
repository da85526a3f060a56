"""Traces: every process that works on an edition adds to one and the same, and tells no address."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlmodel import Session

from newsletter import tracing
from newsletter.delivery import sending
from newsletter.esp import Event, EventKind
from newsletter.web import webhooks
from tests.conftest import Configure
from tests.support.editions import a_sending_digest, readers
from tests.support.fakes import RememberingEsp

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

ADDRESS: Final = "reader3@readers.example"


@dataclass
class Collector:
    """An OpenTelemetry collector on loopback that keeps every span."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def traces(self) -> dict[str, set[bytes]]:
        found: dict[str, set[bytes]] = {}
        for span in self.spans:
            found.setdefault(span.name, set()).add(span.trace_id)
        return found


@pytest.fixture
def collector(configure: Configure) -> Iterator[Collector]:
    known = Collector()

    class Keeps(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            known.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Keeps) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        known.url = f"http://127.0.0.1:{server.server_port}/v1/traces"
        configure(traces_url=known.url)
        yield known
        tracing.flush()
        tracing._provider().shutdown()  # noqa: SLF001 - its thread must not outlive the collector
        server.shutdown()


@on_sqlite
def test_what_happens_to_an_edition_is_one_trace(
    session: Session, collector: Collector, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "provider", lambda _: RememberingEsp())
    readers(session, 20, now=now)
    digest = a_sending_digest(session, now=now, batch_size=5)
    session.commit()

    sending.send_batches(
        digest.id or 0,
        clock=lambda: now,
        until=now + timedelta(minutes=1),
        draining=threading.Event(),
    )
    with tracing.span("webhook.record", digest=digest.id, events=2):
        pass
    tracing.flush()

    assert collector.traces().keys() == {"batch.post", "batch.settle", "webhook.record"}
    expected = tracing.trace_id(digest.id or 0).to_bytes(16)
    assert set().union(*collector.traces().values()) == {expected}
    assert len([span for span in collector.spans if span.name == "batch.post"]) == 4
    assert ADDRESS.encode() not in b"".join(collector.bodies)


def test_an_error_is_told_by_its_class_and_nothing_it_says(collector: Collector) -> None:
    with pytest.raises(ValueError, match=ADDRESS), tracing.span("batch.post", digest=1):
        raise ValueError(f"cannot mail {ADDRESS}")
    tracing.flush()

    assert [span.status.message for span in collector.spans] == ["ValueError"]
    assert ADDRESS.encode() not in b"".join(collector.bodies)


def test_the_editions_of_a_webhook_call_are_counted(now: datetime) -> None:
    foreign = Event(EventKind.delivered, "x", now, delivery="not one of ours")

    assert webhooks._digests_of([foreign]) == {}  # noqa: SLF001 - what the trace is told


def test_switched_off_nothing_is_made() -> None:
    with tracing.span("batch.post", digest=1, batch=2):
        pass

    assert not tracing.is_on()
    assert tracing._made.cache_info().currsize == 0  # noqa: SLF001 - that is the claim
