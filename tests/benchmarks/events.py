"""Opens and webhook events a second, asked of the application itself on PostgreSQL.

Behind them a year of editions. Opens come from many readers at once, each answered after its
commit, after a first wave that is not counted, in which the process connects to its store; beside
them the same pixel with a forged link, which is answered and not recorded.
Webhook posts are SendGrid's, signed, a thousand events each, by four connections; beside them the
same posts parsed and copied into a table with the same key: nothing checked, nobody asked, no answer.
"""

import asyncio
import base64
import gc
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
import psycopg
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlmodel import select

from digests.models import Digest
from newsletter import links
from newsletter.cli.serving import keep_what_is_loaded
from newsletter.clock import utc_now
from newsletter.database import reading
from newsletter.esp.sendgrid.events import DELIVERY_ARG
from newsletter.links import Purpose
from newsletter.secrets import sandbox_keys
from newsletter.settings import settings
from newsletter.web.app import create_app
from tests.benchmarks.behind import LAST, a_year
from tests.benchmarks.table import Figure

Say = Callable[[str], None]

PEOPLE: Final = 100_000
OPENS: Final = 20_000
AT_ONCE: Final = 200  # readers whose pixel is being answered
POSTS: Final = 60
CALLERS: Final = 4  # connections by which the provider posts at once
EACH: Final = 1000  # events in a post
_LEAST_OPENS, _MOST_MS, _LEAST_EVENTS = 3000, 100, 20_000
_BARE: Final = "CREATE TABLE bare (id text PRIMARY KEY, kind text, at bigint, link text)"
_COPY: Final = "COPY bare (id, kind, at, link) FROM STDIN"
_KINDS: Final = ("processed", "delivered", "open", "click")


def part(folder: Path, _sizes: Sequence[int], say: Say) -> list[Figure]:
    """Opens with their slowest hundredth, and events in the provider's own batches."""
    with a_year(folder, PEOPLE, say=say):
        with reading() as session:
            digest_id = session.exec(select(Digest.id).where(Digest.issue == LAST)).one() or 0
        try:
            return asyncio.run(_measured(digest_id, say))
        finally:
            gc.unfreeze()


async def _measured(digest_id: int, say: Say) -> list[Figure]:
    app = create_app()
    signer = links.signer()
    keep_what_is_loaded()  # as `newsletter web` does
    async with app.router.lifespan_context(app):
        say(f"{OPENS:,} opens, {AT_ONCE} at once")
        readers = random.Random(3).sample(range(1, PEOPLE + 1), AT_ONCE + OPENS)
        pixels = [
            f"/o/{links.token(signer.all_for(digest_id, one), Purpose.open)}.gif" for one in readers
        ]
        await _together(app, pixels[:AT_ONCE])  # a process that has just started connects first
        pixels = pixels[AT_ONCE:]
        forged = [f"/o/{'x' * 28}.gif" for _ in pixels]
        bare, _ = await _together(app, forged)
        rate, took = await _together(app, pixels)
        say(f"{POSTS} posts of {EACH:,} events")
        posts = [_post(signer, digest_id, number) for number in range(POSTS)]
        began = time.perf_counter()
        await asyncio.gather(*(_posting(app, posts[at::CALLERS]) for at in range(CALLERS)))
        events = POSTS * EACH / (time.perf_counter() - began)
        copied = _copied([body for _, body in posts])
    return [
        Figure("opens, committed before the answer", rate, "/s", limit=_LEAST_OPENS),
        Figure("the slowest hundredth of them", took, "ms", limit=_MOST_MS, at_most=True),
        Figure("of the same pixel with nothing to record", 100 * rate / bare, "%"),
        Figure("webhook events, a thousand a post", events, "/s", limit=_LEAST_EVENTS),
        Figure("of the same parsed and copied, no more", 100 * events / copied, "%"),
    ]


def _copied(bodies: Sequence[bytes]) -> float:
    """Events a second without any of what makes them ours."""
    url = settings().database_url.replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        connection.execute(_BARE)
        connection.commit()
        began = time.perf_counter()
        for body in bodies:
            with connection.cursor().copy(_COPY) as rows:
                for one in orjson.loads(body):
                    rows.write_row((one["sg_event_id"], one["event"], one["timestamp"], one["url"]))
            connection.commit()
        return POSTS * EACH / (time.perf_counter() - began)


async def _posting(app: Any, posts: Sequence[tuple[list[tuple[bytes, bytes]], bytes]]) -> None:
    for headers, body in posts:
        await _ask(app, "POST", "/webhooks/sendgrid", headers=headers, body=body)


async def _together(app: Any, addresses: Sequence[str]) -> tuple[float, float]:
    """Answers a second, and milliseconds of the slowest hundredth."""
    waiting, took = iter(addresses), []

    async def reader() -> None:
        for address in waiting:
            began = time.perf_counter()
            await _ask(app, "GET", address)
            took.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    await asyncio.gather(*(reader() for _ in range(AT_ONCE)))
    return len(addresses) / (time.perf_counter() - began), sorted(took)[int(len(took) * 0.99)]


async def _ask(
    app: Callable[[Any, Any, Any], Awaitable[None]],
    method: str,
    address: str,
    *,
    headers: Sequence[tuple[bytes, bytes]] = (),
    body: bytes = b"",
) -> None:
    """One request by ASGI: a client's own work would be measured with a real one."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": address,
        "raw_path": address.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1"), (b"user-agent", b"Mozilla/5.0 (X11)"), *headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": app.state._state if hasattr(app, "state") else {},  # noqa: SLF001 - as a server does
    }
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    if not statuses or statuses[0] >= 300:
        raise RuntimeError(f"{address} answers {statuses}")


def _post(
    signer: links.Signer, digest_id: int, number: int
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """One of SendGrid's posts: what happened to 250 copies."""
    each = EACH // len(_KINDS)
    body = orjson.dumps(
        [
            {
                "event": kind,
                "email": f"reader{one}@readers.example",
                "timestamp": int(utc_now().timestamp()),
                "sg_event_id": f"{kind}-{one}",
                "sg_message_id": f"m{one}",
                "useragent": "Mozilla/5.0 (X11)",
                "url": "https://shiporskip.example/compare/one-vs-other",
                DELIVERY_ARG: links.ref(signer.all_for(digest_id, one)),
            }
            for one in range(1 + number * each, 1 + (number + 1) * each)
            for kind in _KINDS
        ]
    )
    return _signed(body, utc_now()), body


def _signed(body: bytes, at: datetime) -> list[tuple[bytes, bytes]]:
    pem = sandbox_keys(settings().home)["sendgrid_private_key"].encode()
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the sandbox signs with another kind of key")
    stamp = str(int(at.timestamp())).encode()
    signature = base64.b64encode(key.sign(stamp + body, ec.ECDSA(hashes.SHA256())))
    return [
        (b"x-twilio-email-event-webhook-timestamp", stamp),
        (b"x-twilio-email-event-webhook-signature", signature),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
