"""Brevo's answers about an account, a domain and webhooks."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final
from urllib.parse import parse_qs

from typing_extensions import override

from newsletter.sandbox.desks import Desk, Office, heard
from newsletter.sandbox.dialects import Answer, Incoming, Wire, answer_json
from newsletter.sandbox.dialects.brevo_contract import error

_EVENTS: Final = (
    *("sent", "delivered", "deferred", "softBounce", "hardBounce", "invalid", "blocked", "spam"),
    *("unsubscribed", "opened", "click"),
)


_CODES: Final[Mapping[str, str]] = {
    "bounce": "hardBounce",
    "complain": "contactFlaggedAsSpam",
    "unsubscribe": "unsubscribedViaEmail",
}


class BrevoDesk(Desk):
    """The account's settings; the sandbox knows whatever domain it is asked about."""

    dialect: ClassVar[str] = "brevo"
    credential: ClassVar[str] = "api-key"
    asks: ClassVar[Sequence[tuple[str, str]]] = (
        ("GET", "/v3/account"),
        ("GET", "/v3/senders/domains/{domain}"),
        ("GET", "/v3/webhooks"),
        ("GET", "/v3/smtp/blockedContacts"),
    )

    def __init__(self, office: Office) -> None:
        self._office = office

    @override
    def answer(self, call: Incoming) -> Answer:
        standing = self._office.standing()
        match call.path.split("/")[2:]:
            case ["smtp", "blockedContacts"]:
                return self._shunned(call)
            case ["account"]:
                return answer_json(200, {"email": "owner@sandbox.example", "plan": []})
            case ["senders", "domains", name]:
                if standing.domain == "absent":
                    return error(404, "document_not_found", "Domain does not exist")
                return answer_json(200, _domain(name, verified=standing.domain == "verified"))
        hooks = [] if standing.webhook in {"absent", "off"} else [self._webhook()]
        return answer_json(200, {"webhooks": hooks})

    def _shunned(self, call: Incoming) -> Answer:
        asked = parse_qs(call.query)
        limit, offset = int(asked.get("limit", ["50"])[0]), int(asked.get("offset", ["0"])[0])
        if limit > 100:  # noqa: PLR2004 - as documented
            return error(400, "invalid_parameter", "Limit exceeds max value")
        found = self._office.shunned.listed(
            "brevo", reasons=("bounce", "complain", "unsubscribe"), offset=offset, limit=limit
        )
        rows = [
            {
                "email": one.address,
                "senderEmail": "",
                "reason": {"code": _CODES[one.reason], "message": one.reason},
                "blockedAt": one.since.isoformat(),
            }
            for one in found
        ]
        return answer_json(200, {"contacts": rows, "count": len(rows)})

    def _webhook(self) -> Wire:
        standing = self._office.standing()
        return {
            "id": 6,
            "url": self._office.config.webhook_for("brevo") or "",
            "description": "Sandbox",
            "events": heard(_EVENTS, standing, deliveries="delivered", opens={"opened", "click"}),
            "type": "transactional",
            "createdAt": "2026-11-01T12:00:00.000Z",
            "modifiedAt": "2026-11-01T12:00:00.000Z",
        }


def _domain(name: str, *, verified: bool) -> Wire:
    dkim = {"type": "TXT", "value": "k=rsa;p=MIGf", "host_name": f"mail._domainkey.{name}"}
    code = {"type": "TXT", "value": "brevo-code:sandbox", "host_name": "@"}
    return {
        "domain": name,
        "verified": verified,
        "authenticated": verified,
        "dns_records": {
            "dkim_record": {**dkim, "status": verified},
            "brevo_code": {**code, "status": verified},
        },
    }
