"""How our account at SES stands: out of its sandbox, the identity, the configuration set, its events."""

from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import quote

from newsletter.esp.checks import Account, Ask, Report, Wanted, objects
from newsletter.esp.webhooks import fields_of, text

_MEANT: Final[Mapping[str, str]] = {
    "SEND": "the proof that an uncertain copy was taken",
    "DELIVERY": "deliveries",
    "DELIVERY_DELAY": "delays",
    "BOUNCE": "bounces",
    "COMPLAINT": "complaints",
    "REJECT": "copies that it kept back",
    "RENDERING_FAILURE": "copies that it could not fill in",
}
_TRACKED: Final[Mapping[str, str]] = {"OPEN": "opens", "CLICK": "clicks"}
_SET: Final = "NEWSLETTER_SES_CONFIGURATION_SET"


def examine(
    ask: Ask, wanted: Wanted, *, configuration_set: str, topics: Collection[str]
) -> Account:
    """Ask about everything; *topics* are the SNS topics whose events we take."""
    report = Report("SES")
    body = report.knows_us(ask("GET", "/v2/email/account"), setting="NEWSLETTER_SES_TOKEN")
    if body is None:
        return report.account()
    account = fields_of(body)
    if account.get("SendingEnabled") is not True:
        report.wrong(
            "credentials",
            "SES knows our key, and sending is switched off for the account.",
            "Read the account's status in the SES console: Amazon may have paused it.",
        )
    elif account.get("ProductionAccessEnabled") is not True:
        report.wrong(
            "credentials",
            "The account is in SES's own sandbox, and reaches only addresses that were verified.",
            "Request production access in the SES console.",
        )
    else:
        report.well("credentials", "SES knows our key, and the account may send.")
    _identity(report, ask, wanted)
    _events(report, ask, wanted, configuration_set, topics)
    return report.account()


def _identity(report: Report, ask: Ask, wanted: Wanted) -> None:
    body = report.asked(
        ask,
        f"/v2/email/identities/{quote(wanted.domain, safe='')}",
        what="domain",
        about="the identity",
        absent=(
            f"SES has no identity {wanted.domain} in this region.",
            "Create it under Configuration, Identities, or set `NEWSLETTER_SES_REGION`.",
        ),
    )
    if body is None:
        return
    identity = fields_of(body)
    dkim = fields_of(identity.get("DkimAttributes"))
    tokens = dkim.get("Tokens")
    if dkim.get("SigningAttributesOrigin") != "EXTERNAL" and isinstance(tokens, list):
        report.signs_with(*(f"{token}._domainkey.{wanted.domain}" for token in tokens))
    if identity.get("VerifiedForSendingStatus") is not True:
        report.wrong(
            "domain",
            f"SES has not verified {wanted.domain} for sending.",
            "Publish the records of the identity, and wait until it is verified.",
        )
    elif dkim.get("SigningEnabled") is not True or dkim.get("Status") != "SUCCESS":
        report.wrong(
            "domain",
            f"SES does not sign mail from {wanted.domain}.",
            "Publish the identity's three CNAME records, and switch Easy DKIM on.",
        )
    else:
        report.well("domain", f"SES has verified {wanted.domain} and signs its mail.")


def _events(
    report: Report, ask: Ask, wanted: Wanted, configuration_set: str, topics: Collection[str]
) -> None:
    if not configuration_set:
        report.wrong(
            "configuration set",
            "No configuration set is named, so that SES tells us nothing of any mail.",
            f"Create one with an SNS destination, and set `{_SET}`.",
        )
        return
    body = report.asked(
        ask,
        f"/v2/email/configuration-sets/{quote(configuration_set, safe='')}/event-destinations",
        what="configuration set",
        about="the configuration set",
        absent=(
            f"SES has no configuration set {configuration_set}, and refuses mail that names it.",
            f"Create it, or set `{_SET}` to one that is there.",
        ),
    )
    if body is None:
        return
    report.well("configuration set", f"SES has the configuration set {configuration_set}.")
    every = [
        one
        for one in objects(fields_of(body).get("EventDestinations"))
        if one.get("Enabled") is True
    ]
    ours = [
        one
        for one in every
        if text(fields_of(one.get("SnsDestination")), "TopicArn") in set(topics)
    ]
    _tracking(report, {kind for one in every for kind in _kinds(one)}, wanted)
    if not ours:
        report.wrong(
            "webhook",
            "The configuration set sends nothing to an SNS topic that we take events from.",
            "Add an SNS destination to it, and name its topic in `NEWSLETTER_SES_TOPICS`.",
        )
        return
    report.well("webhook", "The configuration set sends events to a topic that we take them from.")
    heard = {kind for one in ours for kind in _kinds(one)}
    meant = {**_MEANT, **(_TRACKED if wanted.tracking else {})}
    told = {name: name in heard for name in meant}
    where = "in the configuration set's event destination"
    report.hears_everything("webhook events", told, meant=meant, where=where)


def _tracking(report: Report, published: Collection[object], wanted: Wanted) -> None:
    """SES rewrites links and adds its pixel exactly when a destination wants those events."""
    on = sorted(str(kind).lower() for kind in published if kind in _TRACKED)
    if on and not wanted.tracking:
        report.wrong(
            "tracking",
            f"The configuration set publishes {' and '.join(on)} events: SES changes our mail for "
            "them.",
            "Take them out of its event destinations: a request cannot.",
        )
    elif not on and wanted.tracking:
        report.wrong(
            "tracking",
            "Opens are to be counted by the provider, and the configuration set publishes none.",
            "Add them to its event destination, or set `NEWSLETTER_TRACK_BY=us`.",
        )
    else:
        report.well("tracking", "The configuration set's tracking is as it should be.")


def _kinds(destination: Mapping[str, object]) -> list[object]:
    kinds = destination.get("MatchingEventTypes")
    return kinds if isinstance(kinds, list) else []
