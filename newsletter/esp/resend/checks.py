"""How our team at Resend stands: its key, the domain with its tracking, the webhook.

A key that may only send may ask nothing: Resend answers it 401 with the name restricted_api_key.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import httpx

from newsletter.esp import CannotTell
from newsletter.esp.checks import Account, Ask, Report, Wanted, covers, objects, same_address
from newsletter.esp.refusals import body_of, text_in
from newsletter.esp.webhooks import Fields, fields_of, text

_WHERE: Final = "under Webhooks"
_MEANT: Final[Mapping[str, str]] = {
    "email.sent": "the proof that an uncertain copy was taken",
    "email.delivered": "deliveries",
    "email.delivery_delayed": "delays",
    "email.bounced": "bounces",
    "email.complained": "complaints",
    "email.failed": "copies that it could not send",
    "email.suppressed": "copies that it kept back",
}
_TRACKED: Final[Mapping[str, str]] = {"email.opened": "opens", "email.clicked": "clicks"}


def examine(ask: Ask, wanted: Wanted) -> Account:
    """Ask about everything that the key may ask."""
    report = Report("Resend")
    first = ask("GET", "/domains", params={"limit": 100})
    if _may_only_send(first):
        report.well("credentials", "Resend knows our key, which may only send.")
        report.unclear(
            "domain",
            "A key that may only send cannot ask Resend about domain, tracking and webhook.",
            "Look in its dashboard, or run this once with a key that has full access.",
        )
        return report.account()
    body = report.knows_us(first, setting="NEWSLETTER_RESEND_TOKEN")
    if body is None:
        return report.account()
    report.well("credentials", "Resend knows our key.")
    _domain(report, ask, fields_of(body), wanted)
    _webhook(report, ask, wanted)
    return report.account()


def _may_only_send(answer: httpx.Response | CannotTell) -> bool:
    return (
        not isinstance(answer, CannotTell)
        and answer.status_code == httpx.codes.UNAUTHORIZED
        and text_in(body_of(answer), "name") == "restricted_api_key"
    )


def _domain(report: Report, ask: Ask, listed: Fields, wanted: Wanted) -> None:
    known = [one for one in objects(listed.get("data")) if covers(one.get("name"), wanted.domain)]
    known.sort(key=lambda one: -len(str(one.get("name"))))
    if not known:
        report.wrong(
            "domain",
            f"Resend does not know {wanted.domain}, and refuses mail from it.",
            "Add the domain under Domains, and publish its records.",
        )
        return
    status = text(known[0], "status") or ""
    if status == "verified":
        report.well("domain", f"Resend has verified {wanted.domain}.")
    else:
        report.wrong(
            "domain",
            f"Resend has not verified {wanted.domain}: its status is {status or 'unknown'}.",
            "Publish the records under Domains, and verify.",
        )
    path = f"/domains/{quote(text(known[0], 'id') or '', safe='')}"
    body = report.asked(ask, path, what="tracking", about="the domain's tracking")
    if body is not None:
        domain = fields_of(body)
        _tracking(report, domain, wanted)
        name = text(domain, "name") or wanted.domain
        for record in objects(domain.get("records")):
            if record.get("record") == "DKIM" and (host := text(record, "name")):
                report.signs_with(host if host.endswith(name) else f"{host}.{name}")


def _tracking(report: Report, domain: Fields, wanted: Wanted) -> None:
    on = [kind for kind in ("open", "click") if domain.get(f"{kind}_tracking") is True]
    if on and not wanted.tracking:
        report.wrong(
            "tracking",
            f"Resend's own {' and '.join(on)} tracking is on for the domain, and changes our mail.",
            "Switch it off in the domain's configuration: a request cannot.",
        )
    elif not on and wanted.tracking:
        report.wrong(
            "tracking",
            "Opens are to be counted by the provider, and the domain does not track them.",
            "Switch tracking on in the domain's configuration, or set `NEWSLETTER_TRACK_BY=us`.",
        )
    else:
        report.well("tracking", "The domain's tracking is as it should be.")


def _webhook(report: Report, ask: Ask, wanted: Wanted) -> None:
    body = report.asked(ask, "/webhooks", what="webhook", about="webhooks", params={"limit": 100})
    if body is None:
        return
    hooks = objects(fields_of(body).get("data"))
    ours = [one for one in hooks if same_address(wanted.webhook, one.get("endpoint"))]
    if not ours:
        report.no_webhook(wanted, _WHERE)
        return
    running = [one for one in ours if one.get("status") != "disabled"]
    if not running:
        report.wrong("webhook", "The webhook is switched off.", f"Enable it {_WHERE}.")
        return
    report.well("webhook", "Resend sends events to us.")
    meant = {**_MEANT, **(_TRACKED if wanted.tracking else {})}
    heard: set[object] = set()
    for one in running:
        events = one.get("events")
        heard.update(events if isinstance(events, list) else ())
    told = {name: name in heard for name in meant}
    report.hears_everything("webhook events", told, meant=meant, where=_WHERE)
