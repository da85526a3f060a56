"""How our account at SendGrid stands: scopes, authenticated domain, event webhook and its key.

The questions are those of Twilio's own contracts (scopes, domain authentication, webhooks).
"""

from collections.abc import Mapping
from typing import Final

from newsletter.esp.checks import Account, Ask, Report, Wanted, covers, objects, same_address
from newsletter.esp.webhooks import fields_of, same, text

_WHERE: Final = "under Settings, Mail Settings, Event Webhooks"
_MEANT: Final[Mapping[str, str]] = {
    "processed": "the proof that an uncertain copy was taken",
    "delivered": "deliveries",
    "deferred": "delays",
    "bounce": "bounces",
    "dropped": "copies that it kept back",
    "spam_report": "complaints",
    "unsubscribe": "its own unsubscribes",
}
_TRACKED: Final[Mapping[str, str]] = {"open": "opens", "click": "clicks"}


def examine(ask: Ask, wanted: Wanted, *, webhook_key: str) -> Account:
    """Ask about everything; *webhook_key* is the public key that our webhook checks with."""
    report = Report("SendGrid")
    body = report.knows_us(ask("GET", "/v3/scopes"), setting="NEWSLETTER_SENDGRID_TOKEN")
    if body is None:
        return report.account()
    scopes = fields_of(body).get("scopes")
    if isinstance(scopes, list) and "mail.send" in scopes:
        report.well("credentials", "SendGrid knows our key, and it may send.")
    else:
        report.wrong(
            "credentials",
            "SendGrid knows our key, but it may not send.",
            "Give the key the permission Mail Send.",
        )
    _domain(report, ask, wanted)
    report.well(
        "tracking",
        "Each request switches SendGrid's own tracking on as it is wanted, and its unsubscribe off."
        if wanted.tracking
        else "Each request switches SendGrid's own tracking and unsubscribe off.",
    )
    _webhook(report, ask, wanted, webhook_key)
    return report.account()


def _domain(report: Report, ask: Ask, wanted: Wanted) -> None:
    body = report.asked(
        ask,
        "/v3/whitelabel/domains",
        what="domain",
        about="authenticated domains",
        params={"limit": 200},
    )
    if body is None:
        return
    known = [one for one in objects(body) if covers(one.get("domain"), wanted.domain)]
    for one in known:
        for record in fields_of(one.get("dns")).values():
            host = text(fields_of(record), "host") or ""
            if "._domainkey." in host:
                report.signs_with(host)
    if any(one.get("valid") is True for one in known):
        report.well("domain", f"SendGrid has authenticated {wanted.domain}.")
    elif known:
        report.wrong(
            "domain",
            f"SendGrid does not find the records that authenticate {wanted.domain}.",
            "Publish the three CNAME records under Settings, Sender Authentication, and verify.",
        )
    else:
        report.wrong(
            "domain",
            f"SendGrid has not authenticated {wanted.domain}: its mail is not signed as ours.",
            "Authenticate the domain under Settings, Sender Authentication.",
        )


def _webhook(report: Report, ask: Ask, wanted: Wanted, webhook_key: str) -> None:
    path = "/v3/user/webhooks/event/settings/all"
    body = report.asked(ask, path, what="webhook", about="event webhooks")
    if body is None:
        return
    hooks = objects(fields_of(body).get("webhooks"))
    ours = next((one for one in hooks if same_address(wanted.webhook, one.get("url"))), None)
    if ours is None:
        report.no_webhook(wanted, _WHERE)
        return
    if ours.get("enabled") is not True:
        report.wrong("webhook", "The webhook is switched off.", f"Enable it {_WHERE}.")
        return
    report.well("webhook", "SendGrid sends events to us.")
    meant = {**_MEANT, **(_TRACKED if wanted.tracking else {})}
    told = {name: ours.get(name) is True for name in meant}
    report.hears_everything("webhook events", told, meant=meant, where=_WHERE)
    key = text(ours, "public_key")
    if not key:
        report.wrong(
            "webhook signature",
            "The webhook is not signed, so that every one of its posts is refused.",
            f"Switch on its signature verification {_WHERE}.",
        )
    elif not same(key, webhook_key):
        report.wrong(
            "webhook signature",
            "The webhook is signed with another key than the one we check with.",
            "Set `NEWSLETTER_SENDGRID_WEBHOOK_KEY` to its verification key.",
        )
    else:
        report.well("webhook signature", "The webhook is signed with the key that we check with.")
