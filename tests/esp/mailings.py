"""Builders of valid mailings, and adapters whose wire is a function."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from newsletter.esp import Content, Copy, Mailing

NOW: Final = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
KEY: Final = "6d9c53b4-6b0f-4c1e-8a5f-b7c3b1f7e000"

A_CONTENT: Final = Content(
    subject="Cursor or Copilot, [%edition%]",
    html='<p class="a">Ship — or skip? <a href="https://news.example.com/u/[%token%]">Leave</a></p>',
    text="Ship or skip?\nLeave: https://news.example.com/u/[%token%]\n",
    fields=("token", "edition"),
    headers=(
        ("List-Unsubscribe", "<https://news.example.com/u/[%token%]>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("List-Id", "Weekly AI Tool Verdicts <weekly.example.com>"),
    ),
)


def some_copies(number: int, *, fields: int = 2) -> tuple[Copy, ...]:
    return tuple(
        Copy(
            ref=f"d-{i:06d}",
            address=f"reader{i}@example.com",
            values=tuple(f"v{field}-{i}" for field in range(fields)),
        )
        for i in range(number)
    )


def a_mailing(copies: int | Sequence[Copy] = 2, **changes: Any) -> Mailing:
    """A mailing to *copies* readers, or of these copies."""
    content: Content = changes.pop("content", A_CONTENT)
    parts: dict[str, Any] = {
        "batch": "b-0001",
        "key": KEY,
        "sender_name": "Ship or Skip",
        "sender_address": "verdicts@example.com",
        "reply_to": None,
        "content": content,
        "copies": (
            some_copies(copies, fields=len(content.fields)) if isinstance(copies, int) else copies
        ),
    }
    return Mailing(**(parts | changes))


def answering(answer: httpx.Response | Exception) -> httpx.MockTransport:
    """A network at whose other end every call gets *answer*."""

    def handle(_request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return httpx.MockTransport(handle)


def recording(
    seen: list[httpx.Request], answer: Callable[[httpx.Request], httpx.Response]
) -> httpx.MockTransport:
    """A network that keeps every call in *seen*."""

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answer(request)

    return httpx.MockTransport(handle)
