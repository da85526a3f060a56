"""What providers tell us: checked on the raw bytes, stored and committed, and only then answered."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException

from newsletter import links, tracing
from newsletter.esp import BadSignature, CannotVerify, Event, ShakesHands
from newsletter.feedback import reclassing, recording
from newsletter.providers import is_set_up
from newsletter.providers import provider as adapter_of
from newsletter.settings import settings
from newsletter.tracing import Facts
from newsletter.web.doors import Now, Transaction

log = structlog.get_logger()

#: Bytes. SendGrid's batches are the largest, at well under a megabyte.
_LARGEST_BATCH: Final = 5 * 1024 * 1024

#: Calls of one provider that are worked on in one process: while the store has one, the next is
#: read. More only take each other's turns on the processor, and fewer events a second come through.
AT_ONCE: Final = 2

router = APIRouter(max_body_size=_LARGEST_BATCH)


async def raw_body(request: Request) -> bytes:
    """The bytes as they came: signatures are over them and not over what they mean."""
    return await request.body()


def turns() -> defaultdict[str, asyncio.Semaphore]:
    """The turns that each provider's calls wait for; one of these for each application."""
    return defaultdict(lambda: asyncio.Semaphore(AT_ONCE))


async def turn(
    provider: str, request: Request, body: Annotated[bytes, Depends(raw_body)]
) -> AsyncIterator[bytes]:
    """The body of a call whose turn it is: who writes slowly keeps nobody waiting."""
    # Also one that was used until yesterday: its bounces and complaints still count.
    if not is_set_up(provider):
        raise HTTPException(404, "This service does not use a provider of that name.")
    async with request.app.state.webhook_turns[provider]:
        yield body


def check(
    provider: str,
    request: Request,
    body: Annotated[bytes, Depends(turn, scope="function")],
    now: Now,
) -> Sequence[Event]:
    """The events of a genuine call; none for a handshake, which is answered here.

    Everything that may ask another server (a certificate, a confirmation) happens
    here, before there is a transaction.
    """
    adapter = adapter_of(provider)
    headers = {name.lower(): value for name, value in request.headers.items()}
    if not isinstance(adapter, ShakesHands):
        return adapter.events(headers, body, now=now)
    try:
        handshake = adapter.handshake(headers, body, now=now)
        if handshake is None:
            return adapter.events(headers, body, now=now)
    except BadSignature as refusal:
        # SNS takes a 401 for final: what comes while our list of topics is wrong would be lost.
        raise CannotVerify(provider, refusal.why) from None
    if not adapter.confirm(handshake):
        raise CannotVerify(provider, "the confirmation did not get through")
    log.info("webhook.confirmed", provider=provider)
    return ()


@router.post("/webhooks/{provider}")
def take(
    provider: str,
    events: Annotated[Sequence[Event], Depends(check)],
    session: Transaction,
    now: Now,
) -> dict[str, int]:
    """Keep *events*: the 200 leaves only after the commit, or the provider would not send them again."""
    with ExitStack() as traced:
        for digest, count in _digests_of(events).items() if tracing.is_on() else ():
            about: Facts = {"provider": provider, "events": count}
            traced.enter_context(tracing.span("webhook.record", digest=digest, **about))
        kept = recording.record_events(session, provider, events, now=now)
        if kept.new and settings().track_by == "provider":
            reclassing.told(session, events)
    return {"new": kept.new, "repeated": kept.repeated, "foreign": kept.foreign}


def _digests_of(events: Sequence[Event]) -> Counter[int]:
    """The editions that *events* are about, with how many of them."""
    copies = (links.copy_of_ref(event.delivery) for event in events if event.delivery)
    return Counter(copy.digest_id for copy in copies if copy is not None)
