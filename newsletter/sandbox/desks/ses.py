"""SES's answers about an account, an identity and a configuration set's event destinations."""

from collections.abc import Sequence
from typing import ClassVar, Final
from urllib.parse import parse_qs, unquote

from typing_extensions import override

from newsletter.sandbox.desks import Desk, Office, heard
from newsletter.sandbox.dialects import Answer, Incoming, Wire, answer_json
from newsletter.sandbox.dialects.contract import parsed
from newsletter.sandbox.shunned import Reason

_EVENTS: Final = (
    *("SEND", "REJECT", "BOUNCE", "COMPLAINT", "DELIVERY", "OPEN", "CLICK"),
    *("RENDERING_FAILURE", "DELIVERY_DELAY"),
)


class SesDesk(Desk):
    """The account's settings; the sandbox knows whatever identity and set it is asked about."""

    dialect: ClassVar[str] = "ses"
    credential: ClassVar[str] = "x-amz-date"
    asks: ClassVar[Sequence[tuple[str, str]]] = (
        ("GET", "/v2/email/account"),
        ("GET", "/v2/email/identities/{identity}"),
        ("GET", "/v2/email/configuration-sets/{name}/event-destinations"),
        ("GET", "/v2/email/suppression/addresses"),
        ("PUT", "/v2/email/suppression/addresses"),
    )

    def __init__(self, office: Office) -> None:
        self._office = office

    @override
    def answer(self, call: Incoming) -> Answer:
        standing = self._office.standing()
        match call.path.split("/")[3:]:
            case ["suppression", "addresses"]:
                return self._shun(call) if call.method == "PUT" else self._shunned(call)
            case ["account"]:
                return answer_json(200, _account(may_send=standing.may_send))
            case ["identities", name]:
                if standing.domain == "absent":
                    return _missing(f"Email identity {unquote(name)} does not exist.")
                return answer_json(200, _identity(verified=standing.domain == "verified"))
            case ["configuration-sets", name, _] if standing.webhook == "absent":
                return _missing(f"Configuration set <{unquote(name)}> does not exist.")
        return answer_json(200, {"EventDestinations": [self._destination()]})

    def _shunned(self, call: Incoming) -> Answer:
        asked = parse_qs(call.query)
        size, offset = int(asked.get("PageSize", ["100"])[0]), int(asked.get("NextToken", ["0"])[0])
        found = self._office.shunned.listed(
            "ses", reasons=("bounce", "complain"), offset=offset, limit=size + 1
        )
        rows = [
            {
                "EmailAddress": one.address,
                "Reason": "BOUNCE" if one.reason == "bounce" else "COMPLAINT",
                "LastUpdateTime": one.since.timestamp(),
            }
            for one in found[:size]
        ]
        onward = {"NextToken": str(offset + size)} if len(found) > size else {}
        return answer_json(200, {"SuppressedDestinationSummaries": rows, **onward})

    def _shun(self, call: Incoming) -> Answer:
        asked = parsed(call.body)
        reason: Reason = "bounce" if asked["Reason"] == "BOUNCE" else "complain"
        self._office.shunned.add("ses", [asked["EmailAddress"]], reason, at=call.now)
        return answer_json(200, {})

    def _destination(self) -> Wire:
        standing = self._office.standing()
        topic = self._office.config.keys.ses_topic_arn
        return {
            "Name": "sandbox",
            "Enabled": standing.webhook != "off",
            "MatchingEventTypes": heard(
                _EVENTS, standing, deliveries="DELIVERY", opens={"OPEN", "CLICK"}
            ),
            "SnsDestination": {
                "TopicArn": f"{topic}-of-others" if standing.webhook == "unproven" else topic
            },
        }


def _account(*, may_send: bool) -> Wire:
    return {
        "DedicatedIpAutoWarmupEnabled": False,
        "EnforcementStatus": "HEALTHY",
        "ProductionAccessEnabled": may_send,
        "SendQuota": {"Max24HourSend": 50000.0, "MaxSendRate": 14.0, "SentLast24Hours": 0.0},
        "SendingEnabled": True,
        "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
    }


def _identity(*, verified: bool) -> Wire:
    return {
        "IdentityType": "DOMAIN",
        "FeedbackForwardingStatus": True,
        "VerifiedForSendingStatus": verified,
        "VerificationStatus": "SUCCESS" if verified else "PENDING",
        "DkimAttributes": {
            "SigningEnabled": verified,
            "Status": "SUCCESS" if verified else "PENDING",
            "Tokens": ["tokenone", "tokentwo", "tokenthree"],
            "SigningAttributesOrigin": "AWS_SES",
        },
        "Policies": {},
        "Tags": [],
    }


def _missing(words: str) -> Answer:
    return answer_json(404, {"message": words}, {"x-amzn-errortype": "NotFoundException"})
