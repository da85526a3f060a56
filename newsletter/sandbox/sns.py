"""The topic's own pages: its certificate, and the address at which a subscription is confirmed."""

import secrets
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query, Response

from newsletter.sandbox.dialects.ses_events import (
    CERTIFICATE,
    CONFIRMATION,
    SUBSCRIPTION,
    SesEvents,
)
from newsletter.sandbox.sandbox import Sandbox

_TOKEN = "sns-token"  # noqa: S105 - a setting's name
_CONFIRMED = "sns-confirmed"


def sns(sandbox: Sandbox) -> APIRouter:
    """What Amazon SNS offers beside its notifications."""
    router = APIRouter(tags=["sns"])
    keys = sandbox.config.keys

    @router.get(CERTIFICATE, include_in_schema=False)
    def certificate() -> Response:
        """The certificate that notifications are signed with."""
        return Response(keys.ses_certificate, media_type="application/x-pem-file")

    @router.post("/sandbox/sns/subscription", status_code=202)
    def subscribe() -> dict[str, bool]:
        """Ask the webhook's endpoint to confirm, as SNS does when a subscription is made."""
        events = sandbox.dialects["ses"].webhooks
        if sandbox.config.webhook_url is None or not isinstance(events, SesEvents):
            raise HTTPException(409, "This sandbox was started without a webhook address.")
        token = secrets.token_hex(32)
        asked = {
            "Action": "ConfirmSubscription",
            "TopicArn": keys.ses_topic_arn,
            "Token": token,
        }
        url = f"{sandbox.config.url}{CONFIRMATION}?{urlencode(asked)}"
        sandbox.store.remember(_TOKEN, token)
        sandbox.store.remember(_CONFIRMED, None)
        body = events.subscription(token, url, sandbox.clock())
        sandbox.courier.post("ses", SUBSCRIPTION, body)
        return subscription()

    @router.get("/sandbox/sns/subscription")
    def subscription() -> dict[str, bool]:
        """Whether the endpoint has confirmed."""
        return {"confirmed": sandbox.store.setting(_CONFIRMED) is not None}

    @router.get(CONFIRMATION, include_in_schema=False)
    def confirm(token: Annotated[str, Query(alias="Token")]) -> Response:
        """What SubscribeURL leads to."""
        wanted = sandbox.store.setting(_TOKEN)
        if wanted is None or not secrets.compare_digest(wanted.encode(), token.encode()):
            raise HTTPException(400, "The token is not the one that was sent.")
        sandbox.store.remember(_CONFIRMED, "yes")
        arn = f"<SubscriptionArn>{keys.ses_topic_arn}:sandbox</SubscriptionArn>"
        result = f"<ConfirmSubscriptionResult>{arn}</ConfirmSubscriptionResult>"
        return Response(
            f"<ConfirmSubscriptionResponse>{result}</ConfirmSubscriptionResponse>",
            media_type="text/xml",
        )

    return router
