"""Mailgun's answers about a domain, its tracking and its webhooks."""

from collections.abc import Mapping, Sequence
from email.utils import format_datetime
from typing import ClassVar, Final
from urllib.parse import parse_qs, urlencode

from typing_extensions import override

from newsletter.sandbox.desks import Desk, Office, heard
from newsletter.sandbox.dialects import Answer, Incoming, Wire, answer_json
from newsletter.sandbox.dialects.contract import parsed
from newsletter.sandbox.dialects.mailgun_contract import error
from newsletter.sandbox.shunned import Reason

_EVENTS: Final = (
    *("accepted", "delivered", "temporary_fail", "permanent_fail", "complained", "unsubscribed"),
    *("opened", "clicked"),
)


_LISTS: Final[Mapping[str, Sequence[Reason]]] = {
    "bounces": ("bounce",),
    "complaints": ("complain",),
    "unsubscribes": ("unsubscribe",),
}


class MailgunDesk(Desk):
    """The domain's settings; the sandbox knows whatever domain it is asked about."""

    dialect: ClassVar[str] = "mailgun"
    credential: ClassVar[str] = "authorization"
    asks: ClassVar[Sequence[tuple[str, str]]] = (
        ("GET", "/v4/domains/{domain}"),
        ("GET", "/v3/domains/{domain}/tracking"),
        ("GET", "/v3/domains/{domain}/webhooks"),
        *((method, f"/v3/{{domain}}/{name}") for name in _LISTS for method in ("GET", "POST")),
    )

    def __init__(self, office: Office) -> None:
        self._office = office

    @override
    def answer(self, call: Incoming) -> Answer:
        name = call.path.rpartition("/")[2]
        if name in _LISTS:
            return self._put_on(call, name) if call.method == "POST" else self._listed(call, name)
        if self._office.standing().domain == "absent":
            return error(404, "Domain not found")
        match call.path.split("/")[3:]:
            case [domain]:
                return answer_json(200, self._domain(domain))
            case [_, "tracking"]:
                return answer_json(200, {"tracking": self._tracking()})
        return answer_json(200, {"webhooks": self._webhooks()})

    def _listed(self, call: Incoming, name: str) -> Answer:
        asked = parse_qs(call.query)
        limit, after = int(asked.get("limit", ["100"])[0]), asked.get("address", [""])[0]
        found = self._office.shunned.listed("mailgun", reasons=_LISTS[name])
        page = [one for one in found if one.address > after][:limit]
        last = page[-1].address if page else after
        onward = urlencode({"page": "next", "address": last, "limit": limit})
        rows = [
            {"address": one.address, "created_at": format_datetime(one.since, usegmt=True)}
            for one in page
        ]
        here = f"{self._office.config.url}{call.path}"
        return answer_json(200, {"items": rows, "paging": {"next": f"{here}?{onward}"}})

    def _put_on(self, call: Incoming, name: str) -> Answer:
        rows = parsed(call.body)
        if not isinstance(rows, list) or len(rows) > 1000:  # noqa: PLR2004 - as documented
            return error(400, "Batch size should be less than 1000")
        addresses = [str(row["address"]) for row in rows]
        self._office.shunned.add("mailgun", addresses, _LISTS[name][0], at=call.now)
        return answer_json(
            200, {"message": f"{len(rows)} addresses have been added to the {name} table"}
        )

    def _domain(self, name: str) -> Wire:
        standing = self._office.standing()
        verified = standing.domain == "verified"
        state = "active" if verified else "unverified"
        records = ((name, "v=spf1 include:mailgun.org ~all"), (f"mx._domainkey.{name}", "k=rsa"))
        return {
            "domain": {
                "id": "5f1f0d6b",
                "name": name,
                "state": state if standing.may_send else "disabled",
                "is_disabled": not standing.may_send,
                "type": "custom",
                "created_at": "Sun, 01 Nov 2026 12:00:00 GMT",
                "require_tls": False,
                "skip_verification": False,
                "wildcard": False,
                "spam_action": "disabled",
                "web_scheme": "https",
            },
            "receiving_dns_records": [],
            "sending_dns_records": [
                {
                    "record_type": "TXT",
                    "valid": "valid" if verified else "unknown",
                    "name": host,
                    "value": value,
                    "cached": [],
                    "is_active": verified,
                }
                for host, value in records
            ],
        }

    def _tracking(self) -> Wire:
        active = self._office.standing().tracking
        return {
            "open": {"active": active},
            "click": {"active": active},
            "unsubscribe": {"active": active, "html_footer": "", "text_footer": ""},
        }

    def _webhooks(self) -> Wire:
        standing = self._office.standing()
        if standing.webhook in {"absent", "off"}:
            return {}
        told = heard(_EVENTS, standing, deliveries="delivered", opens={"opened", "clicked"})
        return {
            event: {"urls": [self._office.config.webhook_for("mailgun") or ""]} for event in told
        }
