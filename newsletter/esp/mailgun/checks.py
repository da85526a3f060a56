"""How our domain at Mailgun stands: its state, its records, its tracking, its webhooks."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import httpx

from newsletter.esp import CannotTell
from newsletter.esp.checks import Account, Ask, Report, Wanted, joined, objects, same_address
from newsletter.esp.webhooks import Fields, fields_of, text

_WHERE: Final = "under Send, Webhooks, for the domain"
_MEANT: Final[Mapping[str, str]] = {
    "accepted": "the proof that an uncertain copy was taken",
    "delivered": "deliveries",
    "temporary_fail": "soft bounces",
    "permanent_fail": "hard bounces",
    "complained": "complaints",
    "unsubscribed": "its own unsubscribes",
}
_TRACKED: Final[Mapping[str, str]] = {"opened": "opens", "clicked": "clicks"}


def examine(ask: Ask, wanted: Wanted, *, domain: str) -> Account:
    """Ask about everything; *domain* is the one we send through."""
    report = Report("Mailgun")
    path = f"/v4/domains/{quote(domain, safe='')}"
    first = ask("GET", path)
    if not isinstance(first, CannotTell) and first.status_code == httpx.codes.NOT_FOUND:
        report.well("credentials", "Mailgun knows our key.")
        report.wrong(
            "domain",
            f"Mailgun does not know the domain {domain}.",
            "Set `NEWSLETTER_MAILGUN_DOMAIN` to one that it does, and `_URL` to its region.",
        )
        return report.account()
    body = report.knows_us(first, setting="NEWSLETTER_MAILGUN_TOKEN")
    if body is None:
        return report.account()
    report.well("credentials", "Mailgun knows our key.")
    _domain(report, fields_of(body), domain, wanted)
    _tracking(report, ask, domain, wanted)
    _webhooks(report, ask, wanted, domain)
    return report.account()


def _domain(report: Report, body: Fields, domain: str, wanted: Wanted) -> None:
    about = fields_of(body.get("domain"))
    state = text(about, "state") or "unknown"
    if about.get("is_disabled") is True or state == "disabled":
        report.wrong(
            "domain",
            f"Mailgun has switched the domain {domain} off.",
            "Ask its support why, before anything is sent again.",
        )
    elif state != "active":
        report.wrong(
            "domain",
            f"Mailgun has not verified the domain {domain}: its state is {state}.",
            "Publish the records under Domain settings, DNS records, and verify.",
        )
    else:
        report.well("domain", f"Mailgun has verified the domain {domain}.")
    records = list(objects(body.get("sending_dns_records")))
    for record in records:
        if "._domainkey." in (text(record, "name") or ""):
            report.signs_with(text(record, "name") or "")
    kinds = {"TXT", "CNAME"}
    stale = [
        text(one, "name") or ""
        for one in records
        if one.get("valid") != "valid"
        and text(one, "record_type") in kinds
        # The CNAME serves Mailgun's own tracked links, which our mail holds only where it counts.
        and not (
            text(one, "record_type") == "CNAME"
            and "_domainkey" not in (text(one, "name") or "")
            and not wanted.tracking
        )
    ]
    if stale:
        report.wrong(
            "domain records",
            f"Mailgun does not find the right record under {joined(stale)}.",
            "Publish what it shows under Domain settings, DNS records.",
        )
    elif records:
        report.well("domain records", "Mailgun finds the domain's sending records.")


def _tracking(report: Report, ask: Ask, domain: str, wanted: Wanted) -> None:
    path = f"/v3/domains/{quote(domain, safe='')}/tracking"
    body = report.asked(ask, path, what="tracking", about="the domain's tracking")
    if body is None:
        return
    tracking = fields_of(fields_of(body).get("tracking"))
    if fields_of(tracking.get("unsubscribe")).get("active") in {True, "true", "yes"}:
        report.wrong(
            "tracking",
            "Mailgun's own unsubscribe link is on for the domain, and stands beside ours.",
            "Switch unsubscribe tracking off in the domain's settings: a request cannot.",
        )
    else:
        how = "on as it is wanted" if wanted.tracking else "off"
        report.well("tracking", f"Each request switches Mailgun's own tracking {how}.")


def _webhooks(report: Report, ask: Ask, wanted: Wanted, domain: str) -> None:
    path = f"/v3/domains/{quote(domain, safe='')}/webhooks"
    body = report.asked(ask, path, what="webhook", about="webhooks")
    if body is None:
        return
    hooks = fields_of(fields_of(body).get("webhooks"))
    told = {name: _is_ours(hook, wanted) for name, hook in hooks.items()}
    if not any(told.values()):
        report.no_webhook(wanted, _WHERE)
        return
    report.well("webhook", "Mailgun sends events to us.")
    meant = {**_MEANT, **(_TRACKED if wanted.tracking else {})}
    report.hears_everything("webhook events", told, meant=meant, where=_WHERE)


def _is_ours(hook: object, wanted: Wanted) -> bool:
    fields = fields_of(hook)
    urls = fields.get("urls")
    listed = urls if isinstance(urls, list) else [fields.get("url")]
    return any(same_address(wanted.webhook, url) for url in listed)
