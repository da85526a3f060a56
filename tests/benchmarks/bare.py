"""The bare loop: selects, encodes and posts, and nothing else.

No ledger, no tokens, no consent, no answer recorded: what a script would do,
with the HTTP client's own ``json=``; or *tuned*, with the fastest encoder there is.
Its calls weigh what ours weigh, so that only our own work makes the difference.
Run as ``python -m tests.benchmarks.bare DATABASE_URL SINK_URL FIRST LAST PER_CALL BYTES MANNER``.
"""

import sys
import time

import httpx
import orjson
import psycopg

_TOKEN = "lwAAAQAAAAAMebM9m0kqzGv2WV0j"  # as long as a real one
_WORDS = ("unsubscribe", "preferences", "view", "open", "click")


def personalization(address: str) -> dict[str, object]:
    """One reader's part of a call, as long as ours."""
    link = f"<http://127.0.0.1:8000/u/{_TOKEN}>"
    return {
        "to": [{"email": address}],
        "headers": {
            "List-Unsubscribe": link,
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "List-Id": "Weekly AI Tool Verdicts <weekly.shiporskip.example>",
        },
        "substitutions": {f"[%{word}%]": _TOKEN for word in _WORDS}
        | {"[%joined%]": "23 November 2026"},
        "custom_args": {"watv_delivery": "lwAAAQAAAAAMa0QD", "watv_batch": "b1-1-6d3135def8"},
    }


def send(
    database: str, sink: str, *, first: int, last: int, per_call: int, html: str, tuned: bool
) -> None:
    content = [{"type": "text/plain", "value": html[:4000]}, {"type": "text/html", "value": html}]
    with (
        psycopg.connect(database.replace("+psycopg", "")) as connection,
        httpx.Client(base_url=sink, timeout=30) as client,
    ):
        for start in range(first, last, per_call):
            rows = connection.execute(
                "SELECT id, address FROM subscriber WHERE id >= %s AND id < %s ORDER BY id",
                (start, min(start + per_call, last)),
            ).fetchall()
            mail = {
                "personalizations": [personalization(address) for _, address in rows],
                "from": {"email": "verdicts@shiporskip.example", "name": "Ship or Skip"},
                "subject": "Everyone ships SmolVLM2-2B except the Founder",
                "content": content,
            }
            if tuned:
                answer = client.post("/v3/mail/send", content=orjson.dumps(mail))
            else:
                answer = client.post("/v3/mail/send", json=mail)
            answer.raise_for_status()


if __name__ == "__main__":
    database, sink, first, last, per_call, weight, manner = sys.argv[1:]
    started = time.monotonic()
    send(
        database,
        sink,
        first=int(first),
        last=int(last),
        per_call=int(per_call),
        html="<p>x</p>" * (int(weight) // 8),
        tuned=manner == "tuned",
    )
    sys.stdout.write(f"{started} {time.monotonic()}\n")
