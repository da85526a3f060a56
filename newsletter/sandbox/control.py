"""The machine's side: what arrived, what is ordered, what the webhooks did. JSON over HTTP."""

from collections.abc import Iterator
from typing import Annotated

import orjson
from fastapi import APIRouter, HTTPException, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from newsletter.sandbox.desks import Standing
from newsletter.sandbox.events import Kind
from newsletter.sandbox.faults import FaultPlan, FaultRule
from newsletter.sandbox.mailbox import Stored
from newsletter.sandbox.oneclick import Leaving, leave
from newsletter.sandbox.sandbox import Sandbox

#: Values as they come out of the store, for JSON.
Facts = dict[str, object]


class Wanted(BaseModel):
    """Which messages to list: page by *before* or *after* an id, narrowed by the rest."""

    model_config = ConfigDict(extra="forbid")

    after: int | None = Field(default=None, ge=0)
    before: int | None = Field(default=None, ge=1)
    limit: int = Field(default=50, ge=1, le=1000)
    recipient: str | None = None
    subject: str | None = None  # before merging, exactly
    like: str | None = None  # part of the recipient or the subject
    batch: str | None = None
    ref: str | None = None
    dialect: str | None = None


class Report(BaseModel):
    """Something that is to happen to a message now."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    link: str | None = None  # for a click


def control(sandbox: Sandbox) -> APIRouter:  # noqa: C901, PLR0915 - one small function for each path
    """The routes under ``/sandbox``."""
    router = APIRouter(prefix="/sandbox", tags=["control"])

    def wanted(message: int) -> Stored:
        if (one := sandbox.mailbox.get(message)) is None:
            raise HTTPException(404, f"The sandbox holds no message {message}.")
        return one

    @router.get("/health")
    def health() -> Facts:
        """Whether the sandbox answers, and how much it holds."""
        return {"ok": True, "messages": sandbox.mailbox.count()}

    @router.get("/faults")
    def faults() -> Facts:
        """The plan in force and how often each rule has struck."""
        plan = sandbox.faults.plan
        return {
            **plan.model_dump(mode="json", exclude_none=True),
            "strikes": list(sandbox.faults.strikes),
        }

    @router.put("/faults")
    def order(plan: FaultPlan) -> Facts:
        """Replace the plan."""
        sandbox.order(plan)
        return faults()

    @router.post("/faults/rules", status_code=201)
    def add(rule: FaultRule) -> Facts:
        """Add one rule behind the others."""
        plan = sandbox.faults.plan
        sandbox.order(plan.model_copy(update={"rules": (*plan.rules, rule)}))
        return faults()

    @router.delete("/faults")
    def calm() -> Facts:
        """Order a quiet day."""
        sandbox.order(FaultPlan())
        return faults()

    @router.get("/account")
    def standing() -> Standing:
        """How the accounts stand with their providers."""
        return sandbox.standing()

    @router.put("/account")
    def stand(wanted: Standing) -> Standing:
        """Let them stand like this: a domain that is not verified, a webhook that hears nothing."""
        sandbox.stand(wanted)
        return sandbox.standing()

    @router.get("/counts.json")
    def counts() -> Facts:
        """Totals of the mailbox, and the webhooks' standing."""
        return {**sandbox.census.counts(), "webhooks": sandbox.courier.standing()}

    @router.get("/mailbox.json")
    def mailbox(asked: Annotated[Wanted, Query()]) -> Facts:
        """Messages in short, newest first; oldest first behind *after*."""
        where = asked.model_dump(exclude={"after", "before", "limit"})
        found = sandbox.mailbox.search(
            where=where, after_id=asked.after, before=asked.before, limit=asked.limit
        )
        return {
            "total": sandbox.mailbox.count(where),
            "messages": [_in_short(sandbox, one) for one in found],
            "next": found[-1].id if len(found) == asked.limit else None,
        }

    @router.get("/recipients.ndjson")
    def recipients(after: int = 0, limit: int | None = None) -> StreamingResponse:
        """Every accepted copy, one JSON object a line: id, recipient, ref, batch, dialect, call."""

        def lines() -> Iterator[bytes]:
            page: list[bytes] = []
            for row in sandbox.census.recipients(after_id=after, limit=limit):
                page.append(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
                if len(page) == 1000:  # noqa: PLR2004 - lines a chunk
                    yield b"".join(page)
                    page.clear()
            yield b"".join(page)

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    @router.get("/duplicates.json")
    def duplicates() -> Facts:
        """Delivery references that were accepted more than once."""
        return {"duplicates": sandbox.census.duplicates()}

    @router.get("/messages/{message}.json")
    def message(message: int) -> Facts:
        """One message as its reader gets it."""
        one = wanted(message)
        letter = sandbox.letter(one)
        return {
            **_in_short(sandbox, one),
            "from": letter.sender,
            "to": letter.recipient,
            "headers": letter.all_headers(
                message_id=sandbox.message_id(one), sent_at=one.accepted_at
            ),
            "meta": dict(letter.meta),
            "html": letter.html,
            "text": letter.text,
            "events": happened(sandbox, one.id),
        }

    @router.get("/messages/{message}.eml")
    def source(message: int) -> Response:
        """Its RFC 5322 source."""
        return Response(sandbox.source(wanted(message)), media_type="message/rfc822")

    @router.post("/messages/{message}/events", status_code=202)
    def report(message: int, asked: Report) -> Facts:
        """Let something happen to a message now; the webhook follows."""
        one = wanted(message)
        if why := cannot_report(sandbox, one, asked.kind):
            raise HTTPException(409, why)
        sandbox.courier.report(one.id, asked.kind, link=asked.link)
        return {"message": one.id, "kind": asked.kind}

    @router.post("/messages/{message}/unsubscribe")
    def unsubscribe(message: int) -> Facts:
        """Press the mail client's unsubscribe button (RFC 8058)."""
        outcome: Leaving = leave(sandbox.letter(wanted(message)))
        return {"left": outcome.left, "said": outcome.said, "status": outcome.status}

    @router.get("/webhooks.json")
    def webhooks() -> dict[str, int]:
        """How many posts are waiting, done, given up or lost; how many events are to come."""
        return sandbox.courier.standing()

    @router.post("/webhooks/hurry", status_code=202)
    def hurry() -> dict[str, int]:
        """Make every event and retry that is waiting due now."""
        sandbox.courier.hurry()
        return sandbox.courier.standing()

    @router.post("/reset")
    def reset() -> Facts:
        """Throw away all mail, events and idempotency keys; ordered faults stay."""
        sandbox.empty()
        return {"messages": 0}

    return router


def cannot_report(sandbox: Sandbox, one: Stored, kind: Kind) -> str | None:
    """Why *kind* cannot be reported for a message, in one sentence, or None."""
    if sandbox.config.webhook_url is None:
        return "This sandbox was started without a webhook address, so nobody would hear of it."
    if not sandbox.dialects[one.dialect].webhooks.tells(kind):
        return f"{one.dialect} has no webhook event for {kind.replace('_', ' ')}."
    return None


def happened(sandbox: Sandbox, message: int) -> list[Facts]:
    """The events of a message, each with how its webhook went."""
    rows = sandbox.store.read().execute(
        "SELECT event.kind, event.due_at, event.link, post.state, post.status, post.error,"
        " post.attempts, post.due_at AS next_at, post.ended_at FROM event"
        " LEFT JOIN post ON post.id = event.post WHERE event.message = ?"
        " ORDER BY event.due_at, event.id",
        (message,),
    )
    return [dict(row) for row in rows]


def _in_short(sandbox: Sandbox, one: Stored) -> Facts:
    return {
        "id": one.id,
        "dialect": one.dialect,
        "call": one.number,
        "provider_id": one.provider_id,
        "recipient": one.recipient,
        "ref": one.ref,
        "batch": one.batch,
        "tags": list(one.tags),
        "subject": sandbox.letter(one).subject,
        "accepted_at": one.accepted_at.isoformat(),
    }
