"""How our server at Postmark stands: its tracking, its message stream, its webhooks.

The server token answers for the server only; domains belong to the account token, which a
service that sends has no business to hold, so that the domain is judged by DNS alone.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from newsletter.esp.checks import Account, Ask, Report, Wanted, objects, same_address
from newsletter.esp.webhooks import Fields, fields_of, same, text

_WHERE: Final = "in the stream's Webhooks tab"
_MEANT: Final[Mapping[str, str]] = {
    "Delivery": "deliveries",
    "Bounce": "bounces",
    "SpamComplaint": "complaints",
    "SubscriptionChange": "its own unsubscribes",
}
_TRACKED: Final[Mapping[str, str]] = {"Open": "opens", "Click": "clicks"}


def examine(
    ask: Ask, wanted: Wanted, *, stream: str, webhook_user: str, webhook_key: str
) -> Account:
    """Ask about everything; the webhook's user and password are those that ours checks."""
    report = Report("Postmark")
    server = report.knows_us(ask("GET", "/server"), setting="NEWSLETTER_POSTMARK_TOKEN")
    if server is None:
        return report.account()
    report.well("credentials", "Postmark knows our server token.")
    _tracking(report, fields_of(server), wanted)
    _stream(report, ask, stream)
    _webhook(report, ask, wanted, stream, (webhook_user, webhook_key))
    return report.account()


def _tracking(report: Report, server: Fields, wanted: Wanted) -> None:
    if server.get("TrackOpens") is True and not wanted.tracking:
        # A request can switch links off, but not opens.
        report.wrong(
            "tracking",
            "The server adds Postmark's own pixel to every mail, whatever a request says.",
            "Switch open tracking off in the server's settings.",
        )
    elif wanted.tracking:
        report.well("tracking", "Each request switches Postmark's own tracking on as it is wanted.")
    else:
        report.well("tracking", "The server's tracking is as it should be.")


def _stream(report: Report, ask: Ask, stream: str) -> None:
    body = report.asked(
        ask,
        f"/message-streams/{quote(stream, safe='')}",
        what="stream",
        about="message streams",
        absent=(
            f"The server has no message stream {stream}.",
            "Create a Broadcast stream, and set `NEWSLETTER_POSTMARK_STREAM` to its id.",
        ),
    )
    if body is None:
        return
    known = fields_of(body)
    if known.get("ArchivedAt"):
        report.wrong("stream", f"The message stream {stream} is archived.", "Unarchive it.")
    elif known.get("MessageStreamType") != "Broadcasts":
        report.wrong(
            "stream",
            f"The message stream {stream} is not for broadcasts, where newsletters belong.",
            "Set `NEWSLETTER_POSTMARK_STREAM` to the id of a Broadcast stream.",
        )
    else:
        report.well("stream", f"The message stream {stream} is for broadcasts.")
        _unsubscribing(report, known)


def _unsubscribing(report: Report, stream: Fields) -> None:
    config = fields_of(stream.get("SubscriptionManagementConfiguration"))
    handling = (text(config, "UnsubscribeHandlingType") or "").lower()
    if handling == "postmark":
        report.wrong(
            "unsubscribe",
            "Postmark puts its own unsubscribe link and header into the stream's mail.",
            "Have the stream's unsubscribe handling set to Custom: one-click leads to us then.",
        )
    elif handling == "custom":
        report.well("unsubscribe", "The stream leaves unsubscribing to us.")
    else:
        report.unclear(
            "unsubscribe",
            "Postmark does not say that unsubscribing on this stream is left to us.",
            "See that the stream's unsubscribe handling is Custom.",
        )


def _webhook(
    report: Report, ask: Ask, wanted: Wanted, stream: str, credential: tuple[str, str]
) -> None:
    body = report.asked(
        ask, "/webhooks", what="webhook", about="webhooks", params={"MessageStream": stream}
    )
    if body is None:
        return
    hooks = objects(fields_of(body).get("Webhooks"))
    ours = [one for one in hooks if same_address(wanted.webhook, one.get("Url"))]
    if not ours:
        report.no_webhook(wanted, _WHERE)
        return
    report.well("webhook", "Postmark sends events to us.")
    meant = {**_MEANT, **(_TRACKED if wanted.tracking else {})}
    told = {
        name: any(
            fields_of(fields_of(one.get("Triggers")).get(name)).get("Enabled") is True
            for one in ours
        )
        for name in meant
    }
    report.hears_everything("webhook events", told, meant=meant, where=_WHERE)
    if all(_carries(one, *credential) for one in ours):
        report.well("webhook password", "The webhook carries the password that we check.")
    else:
        report.wrong(
            "webhook password",
            "The webhook does not carry the user and password that we check, and is refused.",
            "Give it Basic auth with `NEWSLETTER_POSTMARK_WEBHOOK_USER` and its `_KEY`.",
        )


def _carries(hook: Fields, user: str, password: str) -> bool:
    auth = fields_of(hook.get("HttpAuth"))
    if same(text(auth, "Username") or "", user) and same(text(auth, "Password") or "", password):
        return True
    return f"//{quote(user, safe='')}:{quote(password, safe='')}@" in (text(hook, "Url") or "")
