"""Telling a webhook: each alert's beginning and its end, signed, until it has been heard."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Final

import httpx
import structlog
from standardwebhooks.webhooks import Webhook

from digests.ledger import halting
from newsletter.database import reading, unit_of_work
from newsletter.settings import settings
from newsletter.watching import alerts
from newsletter.watching.alerts import Alert

log = structlog.get_logger()

_PATIENCE: Final = 5.0  # seconds for each phase of a call


def tell(*, clock: Callable[[], datetime], transport: httpx.BaseTransport | None = None) -> int:
    """Call the webhook about everything it has not heard of; returns how many calls it took.

    Each call has its claim before it and its note after it, and no transaction is open while it
    lasts. One that fails is made again, at longer and longer intervals, for a day: so a call may
    come twice, with the same ``webhook-id``, and never not at all. A copy of a store calls nobody
    until an operator says that it is the one. *transport* is for tests.
    """
    known = settings().alerts
    if not known.url:
        return 0
    with reading() as session:
        if halting.is_restored(session):
            return 0
        due = list(alerts.to_tell(session, now=clock()))
    if not due:
        return 0
    taken = 0
    with httpx.Client(timeout=_PATIENCE, follow_redirects=False, transport=transport) as http:
        for alert in due:
            now = clock()
            with unit_of_work() as session:
                if not alerts.take(session, alert, now=now):
                    continue
            if _call(http, alert, now=now):
                taken += 1
                with unit_of_work() as session:
                    alerts.heard(session, alert.id or 0, edges=1 if alert.ended_at is None else 2)
    return taken


def _call(http: httpx.Client, alert: Alert, *, now: datetime) -> bool:
    known = settings().alerts
    body = json.dumps(_as_json(alert), ensure_ascii=False)
    name = f"alert-{alert.id}-{'began' if alert.ended_at is None else 'ended'}"
    headers = {
        "content-type": "application/json",
        "user-agent": "newsletter",
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
    }
    if secret := known.secret.get_secret_value():
        headers["webhook-signature"] = Webhook(secret).sign(name, now, body)
    try:
        answer = http.post(known.url, content=body.encode(), headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        log.warning("alert.not_told", alert=alert.key, why=type(error).__name__)
        return False
    if not answer.is_success:
        log.warning("alert.not_told", alert=alert.key, status=answer.status_code)
    return answer.is_success


def _as_json(alert: Alert) -> dict[str, object]:
    """What a chat room or a pager shows: *text* alone is enough for most of them."""
    over = alert.ended_at is not None
    words = f"Over: {alert.what}" if over else f"{alert.what} {alert.remedy}"
    return {
        "text": f"{settings().publication}: {words}",
        "alert": alert.key,
        "state": "ended" if over else "began",
        "severity": alert.severity,
        "what": alert.what,
        "remedy": alert.remedy,
        "began_at": alert.began_at.isoformat(),
        "ended_at": alert.ended_at.isoformat() if alert.ended_at else None,
        "console": f"{settings().web_url}/console",
    }
