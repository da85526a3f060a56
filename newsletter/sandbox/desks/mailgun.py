"""Mailgun's answers about a domain, its tracking and its webhooks."""

from collections.abc import Sequence
from typing import ClassVar, Final

from typing_extensions import override

from newsletter.sandbox.desks import Desk, Office, heard
from newsletter.sandbox.dialects import Answer, Incoming, Wire, answer_json
from newsletter.sandbox.dialects.mailgun_contract import error

_EVENTS: Final = (
    *("accepted", "delivered", "temporary_fail", "permanent_fail", "complained", "unsubscribed"),
    *("opened", "clicked"),
)


class MailgunDesk(Desk):
    """The domain's settings; the sandbox knows whatever domain it is asked about."""

    dialect: ClassVar[str] = "mailgun"
    credential: ClassVar[str] = "authorization"
    asks: ClassVar[Sequence[tuple[str, str]]] = (
        ("GET", "/v4/domains/{domain}"),
        ("GET", "/v3/domains/{domain}/tracking"),
        ("GET", "/v3/domains/{domain}/webhooks"),
    )

    def __init__(self, office: Office) -> None:
        self._office = office

    @override
    def answer(self, call: Incoming) -> Answer:
        if self._office.standing().domain == "absent":
            return error(404, "Domain not found")
        match call.path.split("/")[3:]:
            case [domain]:
                return answer_json(200, self._domain(domain))
            case [_, "tracking"]:
                return answer_json(200, {"tracking": self._tracking()})
        return answer_json(200, {"webhooks": self._webhooks()})

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
