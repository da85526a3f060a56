"""Where a worker can be told to die: every step between a claim and its settlement.

The service holds no hooks for this. A worker started by chaos wraps the
service's own functions, before Celery forks the pool, and looks at each step
whether an order to die there stands. An order is a file; whoever removes it
carries it out, so that each order kills exactly one process.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from digests import lifecycle
from digests.ledger import claims, proofs, settlement
from newsletter.delivery import dispatch, reconciling, sending
from newsletter.esp.registry import adapters

#: What stands in the table, in the order in which a batch meets the steps.
STEPS: Final[Mapping[str, str]] = {
    "planning": "the edition planned, not committed",
    "claimed": "claimed, nothing encoded",
    "encoded": "encoded, before the intent",
    "intending": "the intent written, not committed",
    "intended": "the intent committed, no byte has left",
    "under-way": "the bytes under way",
    "unanswered": "all bytes left, no answer read",
    "answered": "answered, not recorded",
    "recording": "recording, not committed",
    "recorded": "recorded",
    "sweeping": "leases taken back, not committed",
    "closing": "the books closed, not committed",
    "reconciling": "reconciling: looked at, nobody asked",
    "taken-over": "reconciling: claimed again, nothing encoded",
    "again": "reconciling: the intent committed again, no byte has left",
    "asking": "reconciling: the provider asked, no answer read",
    "told": "reconciling: answered, not recorded",
    "settling": "reconciling: settling, not committed",
    "settled": "reconciling: settled",
}

#: Met only once or twice in an edition's life.
RARE: Final = frozenset({"planning", "closing"})
#: Met only where the provider keeps idempotency keys, and where it can be asked at all.
KEYED: Final = frozenset({"taken-over", "again"})
ASKABLE: Final = frozenset({"asking", "told"})


class Orders:
    """The orders that stand: one file for each, in a folder that both sides know."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def place(self, step: str) -> bool:
        """Let the next process that comes to *step* die there; False when that is ordered already."""
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            (self._folder / step).open("x").close()
        except FileExistsError:
            return False
        return True

    def take(self, step: str) -> bool:
        """Whether there was an order for *step*; it is gone now."""
        try:
            (self._folder / step).unlink()
        except FileNotFoundError:
            return False
        return True

    def stands(self, step: str) -> bool:
        return (self._folder / step).exists()


class Here(threading.local):
    """What this thread is doing."""

    reconciling = False
    posting = False


def install(orders: Orders) -> None:
    """Wrap the service's steps in this process. A step that is no longer there fails at once."""
    here = Here()

    def at(step: str, *, again: str | None = None) -> None:
        """Die here, if that is ordered; *again* is the step's name while reconciling."""
        name = again if here.reconciling else step
        if name is not None and orders.take(name):
            os.kill(os.getpid(), signal.SIGKILL)

    for adapter in adapters.values():
        _wrap(
            adapter,
            "encode",
            before=lambda: at("claimed", again="taken-over"),
            after=lambda: at("encoded"),
        )
        _wrap(
            adapter,
            "send",
            before=lambda: at("intended", again="again"),
            after=lambda: at("answered", again="told"),
            during=_flag(here, "posting"),
        )
        _wrap(
            adapter,
            "find",
            after=lambda: at("answered", again="told"),
            during=_flag(here, "posting"),
        )
    _wrap(claims, "intend", after=lambda: at("intending"))
    for answer in ("accept", "put_back", "doubt"):
        _wrap(settlement, answer, after=lambda: at("recording", again="settling"))
    for proof in ("prove_accepted", "prove_absent", "prove_copies"):
        _wrap(proofs, proof, after=lambda: at("settling", again="settling"))
    _wrap(sending, "record", after=lambda: at("recorded"))
    _wrap(dispatch, "start", after=lambda: at("planning"))
    _wrap(dispatch, "sweep", after=lambda: at("sweeping"))
    _wrap(lifecycle, "finish", after=lambda: at("closing"))
    _wrap(
        reconciling,
        "settle",
        before=lambda: at("reconciling", again="reconciling"),
        after=lambda: at("settled", again="settled"),
        during=_flag(here, "reconciling"),
    )
    _watch_the_wire(here, at)


def _watch_the_wire(here: Here, at: Callable[..., None]) -> None:
    """Two steps lie inside a request; httpx tells them to whoever asks for a trace of it."""
    send = httpx.Client.send

    def heard(event: str, _: Mapping[str, Any]) -> None:
        if event == "http11.send_request_headers.complete":
            at("under-way")
        elif event == "http11.send_request_body.complete":
            at("unanswered", again="asking")

    def watched(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        if here.posting:
            request.extensions = {**request.extensions, "trace": heard}
        return send(self, request, **options)

    httpx.Client.send = watched  # type: ignore[method-assign]  # chaos sits in the wire


def _flag(here: Here, name: str) -> Callable[[], contextlib.AbstractContextManager[None]]:
    @contextlib.contextmanager
    def raised() -> Any:
        setattr(here, name, True)
        try:
            yield
        finally:
            setattr(here, name, False)

    return raised


def _wrap(
    owner: Any,
    name: str,
    *,
    before: Callable[[], None] = lambda: None,
    after: Callable[[], None] = lambda: None,
    during: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
) -> None:
    """Put *before*, *during* and *after* around ``owner.name``, which callers look up there."""
    inner = getattr(owner, name)

    def wrapped(*given: Any, **named: Any) -> Any:
        with during():
            before()
            found = inner(*given, **named)
            after()
        return found

    setattr(owner, name, wrapped)
