"""How our account at Brevo stands: its key, the domain, the transactional webhook."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from newsletter.esp.checks import Account, Ask, Report, Wanted, objects, same_address
from newsletter.esp.webhooks import fields_of, text

_WHERE: Final = "under Transactional, Settings, Webhook"
# As the interface calls them; what arrives has other spellings.
_MEANT: Final[Mapping[str, str]] = {
    "sent": "the proof that an uncertain copy was taken",
    "delivered": "deliveries",
    "deferred": "delays",
    "softBounce": "soft bounces",
    "hardBounce": "hard bounces",
    "invalid": "addresses that it finds invalid",
    "blocked": "copies that it kept back",
    "spam": "complaints",
    "unsubscribed": "its own unsubscribes",
}
_TRACKED: Final[Mapping[str, str]] = {
    "opened": "opens",
    "click": "clicks",
}
_ALSO: Final[Mapping[str, str]] = {"sent": "request"}


def examine(ask: Ask, wanted: Wanted) -> Account:
    """Ask about everything that Brevo can be asked."""
    report = Report("Brevo")
    if report.knows_us(ask("GET", "/v3/account"), setting="NEWSLETTER_BREVO_TOKEN") is None:
        return report.account()
    report.well("credentials", "Brevo knows our key.")
    _domain(report, ask, wanted)
    report.unclear(
        "tracking",
        "Brevo does not tell by its interface whether it tracks opens and clicks.",
        "See under Transactional, Settings, Tracking that it does: it is to count them."
        if wanted.tracking
        else "See under Transactional, Settings, Tracking that it does not: its pixel and links "
        "would stand in our mail.",
    )
    _webhook(report, ask, wanted)
    return report.account()


def _domain(report: Report, ask: Ask, wanted: Wanted) -> None:
    body = report.asked(
        ask,
        f"/v3/senders/domains/{quote(wanted.domain, safe='')}",
        what="domain",
        about="the domain",
        absent=(
            f"Brevo does not know {wanted.domain}.",
            "Add the domain under Senders, Domains, Dedicated IPs, and authenticate it.",
        ),
    )
    if body is None:
        return
    domain = fields_of(body)
    for name, record in fields_of(domain.get("dns_records")).items():
        host = text(fields_of(record), "host_name") or ""
        if "dkim" in name and "_domainkey" in host:
            report.signs_with(host if host.endswith(wanted.domain) else f"{host}.{wanted.domain}")
    if domain.get("authenticated") is True:
        report.well("domain", f"Brevo has authenticated {wanted.domain}.")
    else:
        report.wrong(
            "domain",
            f"Brevo has not authenticated {wanted.domain}: its mail is not signed as ours.",
            "Publish the records under Senders, Domains, Dedicated IPs, and authenticate it.",
        )


def _webhook(report: Report, ask: Ask, wanted: Wanted) -> None:
    body = report.asked(
        ask, "/v3/webhooks", what="webhook", about="webhooks", params={"type": "transactional"}
    )
    if body is None:
        return
    hooks = objects(fields_of(body).get("webhooks"))
    ours = [one for one in hooks if same_address(wanted.webhook, one.get("url"))]
    if not ours:
        report.no_webhook(wanted, _WHERE)
        return
    report.well("webhook", "Brevo sends events to us.")
    heard: set[object] = set()
    for one in ours:
        events = one.get("events")
        heard.update(events if isinstance(events, list) else ())
    meant = {**_MEANT, **(_TRACKED if wanted.tracking else {})}
    told = {name: name in heard or _ALSO.get(name) in heard for name in meant}
    report.hears_everything("webhook events", told, meant=meant, where=_WHERE)
