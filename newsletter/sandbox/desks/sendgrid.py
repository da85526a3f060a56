"""SendGrid's answers about scopes, authenticated domains and event webhooks."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final
from urllib.parse import parse_qs

from typing_extensions import override

from newsletter.sandbox.desks import Desk, Office, without_nothing
from newsletter.sandbox.dialects import Answer, Incoming, Wire, answer_json
from newsletter.sandbox.dialects.contract import parsed
from newsletter.sandbox.shunned import Reason

_EVENTS = (
    *("processed", "delivered", "deferred", "bounce", "dropped", "spam_report", "unsubscribe"),
    *("group_unsubscribe", "group_resubscribe", "open", "click"),
)


_LISTS: Final[Mapping[str, Sequence[Reason]]] = {
    "bounces": ("bounce",),
    "spam_reports": ("complain",),
    "unsubscribes": ("unsubscribe", "by hand"),
    "invalid_emails": (),
}


class SendGridDesk(Desk):
    """The account's settings, as the v3 interface tells them."""

    dialect: ClassVar[str] = "sendgrid"
    credential: ClassVar[str] = "authorization"
    asks: ClassVar[Sequence[tuple[str, str]]] = (
        ("GET", "/v3/scopes"),
        ("GET", "/v3/whitelabel/domains"),
        ("GET", "/v3/user/webhooks/event/settings/all"),
        *(("GET", f"/v3/suppression/{name}") for name in _LISTS),
        ("POST", "/v3/asm/suppressions/global"),
    )

    def __init__(self, office: Office) -> None:
        self._office = office

    @override
    def answer(self, call: Incoming) -> Answer:
        standing = self._office.standing()
        match call.path.split("/")[2]:
            case "suppression":
                return self._listed(call)
            case "asm":
                return self._put_on(call)
            case "scopes":
                send = ["mail.send"] if standing.may_send else []
                return answer_json(200, {"scopes": [*send, "user.webhooks.event.settings.read"]})
            case "whitelabel":
                return answer_json(200, [] if standing.domain == "absent" else [self._domain()])
        hooks = [] if standing.webhook == "absent" else [self._webhook()]
        return answer_json(200, {"max_allowed": 5, "webhooks": hooks})

    def _listed(self, call: Incoming) -> Answer:
        asked = parse_qs(call.query)
        limit, offset = int(asked.get("limit", ["500"])[0]), int(asked.get("offset", ["0"])[0])
        found = self._office.shunned.listed(
            "sendgrid",
            reasons=_LISTS[call.path.rpartition("/")[2]],
            offset=offset,
            limit=min(limit, 500),
        )
        rows = [
            {"created": int(one.since.timestamp()), "email": one.address, "reason": one.reason}
            for one in found
        ]
        return answer_json(200, rows)

    def _put_on(self, call: Incoming) -> Answer:
        addresses = [str(one) for one in parsed(call.body)["recipient_emails"]]
        self._office.shunned.add("sendgrid", addresses, "by hand", at=call.now)
        return answer_json(201, {"recipient_emails": addresses})

    def _domain(self) -> Wire:
        valid = self._office.standing().domain == "verified"
        name = self._office.config.domain
        return {
            "id": 45373692,
            "user_id": 1,
            "subdomain": "em4242",
            "domain": name,
            "username": "sandbox",
            "ips": [],
            "custom_spf": False,
            "default": True,
            "legacy": False,
            "automatic_security": True,
            "valid": valid,
            "dns": {
                "mail_cname": _record(f"em4242.{name}", "u1.wl.sendgrid.net", valid=valid),
                "dkim1": _record(f"s1._domainkey.{name}", "s1.domainkey.u1.wl", valid=valid),
                "dkim2": _record(f"s2._domainkey.{name}", "s2.domainkey.u1.wl", valid=valid),
            },
        }

    def _webhook(self) -> Wire:
        standing, config = self._office.standing(), self._office.config
        deaf = standing.webhook == "deaf"
        key = None if standing.webhook == "unproven" else config.keys.sendgrid_public_key
        return without_nothing(
            {
                "enabled": standing.webhook != "off",
                "url": config.webhook_for("sendgrid") or "",
                **{event: event == "delivered" or not deaf for event in _EVENTS},
                "friendly_name": "Sandbox",
                "id": "77d4a5da-7015-11ed-a1eb-0242ac120002",
                "public_key": key,
                "created_date": "2026-11-01T12:00:00Z",
                "updated_date": "2026-11-01T12:00:00Z",
            }
        )


def _record(host: str, data: str, *, valid: bool) -> Wire:
    return {"valid": valid, "type": "cname", "host": host, "data": data}
