"""Resend's answers about domains and webhooks."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final
from urllib.parse import parse_qs

from typing_extensions import override

from newsletter.sandbox.desks import Desk, Office, heard
from newsletter.sandbox.dialects import Answer, Incoming, Wire, answer_json
from newsletter.sandbox.dialects.contract import parsed
from newsletter.sandbox.dialects.resend_contract import error

_DOMAIN_ID: Final = "d91cd9bd-1176-453e-8fc1-35364d380206"
_EVENTS: Final = (
    *("email.sent", "email.delivered", "email.delivery_delayed", "email.bounced"),
    *("email.complained", "email.failed", "email.suppressed", "email.opened", "email.clicked"),
)


_ORIGINS: Final[Mapping[str, str]] = {
    "bounce": "bounce",
    "complain": "complaint",
    "by hand": "manual",
}


class ResendDesk(Desk):
    """The team's settings."""

    dialect: ClassVar[str] = "resend"
    credential: ClassVar[str] = "authorization"
    asks: ClassVar[Sequence[tuple[str, str]]] = (
        ("GET", "/domains"),
        ("GET", "/domains/{domain_id}"),
        ("GET", "/webhooks"),
        ("GET", "/suppressions"),
        ("POST", "/suppressions/batch/add"),
    )

    def __init__(self, office: Office) -> None:
        self._office = office

    @override
    def answer(self, call: Incoming) -> Answer:
        standing = self._office.standing()
        if not standing.may_send:
            return error(
                401, "restricted_api_key", "This API key is restricted to only send emails"
            )
        match call.path.split("/")[1:]:
            case ["domains"]:
                return _listed([] if standing.domain == "absent" else [self._domain()])
            case ["domains", domain_id]:
                if domain_id != _DOMAIN_ID or standing.domain == "absent":
                    return error(404, "not_found", "Domain not found")
                return answer_json(200, {"object": "domain", **self._whole_domain()})
            case ["suppressions", *more]:
                return self._shun(call) if more else self._shunned(call)
        return _listed([] if standing.webhook == "absent" else [self._webhook()])

    def _shunned(self, call: Incoming) -> Answer:
        asked = parse_qs(call.query)
        limit, after = int(asked.get("limit", ["20"])[0]), asked.get("after", [""])[0]
        found = self._office.shunned.listed("resend", reasons=("bounce", "complain", "by hand"))
        rest = [one for one in found if one.address > after]
        rows = [
            {
                "object": "suppression",
                "id": one.address,  # an id of the sandbox's own; what it looks like is nobody's business
                "email": one.address,
                "origin": _ORIGINS[one.reason],
                "source_id": None,
                "created_at": one.since.isoformat(timespec="milliseconds"),
            }
            for one in rest[:limit]
        ]
        more = len(rest) > limit
        return answer_json(200, {"object": "list", "has_more": more, "data": rows})

    def _shun(self, call: Incoming) -> Answer:
        addresses = [str(one) for one in parsed(call.body)["emails"]]
        if not 1 <= len(addresses) <= 100:  # noqa: PLR2004 - as documented
            return error(422, "validation_error", "Between 1 and 100 emails are allowed.")
        self._office.shunned.add("resend", addresses, "by hand", at=call.now)
        return answer_json(200, {"data": [{"object": "suppression", "id": a} for a in addresses]})

    def _domain(self) -> Wire:
        verified = self._office.standing().domain == "verified"
        return {
            "id": _DOMAIN_ID,
            "name": self._office.config.domain,
            "status": "verified" if verified else "pending",
            "created_at": "2026-11-01T12:00:00.000Z",
            "region": "eu-west-1",
            "capabilities": {"sending": "enabled", "receiving": "disabled"},
        }

    def _whole_domain(self) -> Wire:
        tracking, domain = self._office.standing().tracking, self._domain()
        record = {"record": "DKIM", "name": "resend._domainkey", "type": "TXT", "ttl": "Auto"}
        return {
            **domain,
            "open_tracking": tracking,
            "click_tracking": tracking,
            "records": [{**record, "status": domain["status"], "value": "p=MIGf"}],
        }

    def _webhook(self) -> Wire:
        standing = self._office.standing()
        return {
            "id": "7ab123cd-ef45-6789-abcd-ef0123456789",
            "created_at": "2026-11-01T12:00:00.000Z",
            "status": "disabled" if standing.webhook == "off" else "enabled",
            "endpoint": self._office.config.webhook_for("resend") or "",
            "events": heard(
                _EVENTS,
                standing,
                deliveries="email.delivered",
                opens={"email.opened", "email.clicked"},
            ),
        }


def _listed(data: Sequence[Wire]) -> Answer:
    return answer_json(200, {"object": "list", "has_more": False, "data": list(data)})
