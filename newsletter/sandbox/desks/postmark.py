"""Postmark's answers about a server, its message streams and webhooks."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from typing_extensions import override

from newsletter.sandbox.desks import Desk, Office
from newsletter.sandbox.dialects import Answer, Incoming, Wire, answer_json
from newsletter.sandbox.dialects.contract import parsed

_REASONS: Final[Mapping[str, str]] = {
    "bounce": "HardBounce",
    "complain": "SpamComplaint",
    "unsubscribe": "ManualSuppression",
    "by hand": "ManualSuppression",
}


class PostmarkDesk(Desk):
    """The server's settings; whatever stream is asked about is for broadcasts."""

    dialect: ClassVar[str] = "postmark"
    credential: ClassVar[str] = "x-postmark-server-token"
    asks: ClassVar[Sequence[tuple[str, str]]] = (
        ("GET", "/server"),
        ("GET", "/message-streams/{stream}"),
        ("GET", "/webhooks"),
        ("GET", "/message-streams/{stream}/suppressions/dump"),
        ("POST", "/message-streams/{stream}/suppressions"),
    )

    def __init__(self, office: Office) -> None:
        self._office = office

    @override
    def answer(self, call: Incoming) -> Answer:
        standing = self._office.standing()
        match call.path.split("/")[1:]:
            case ["server"]:
                return answer_json(200, self._server())
            case ["message-streams", stream]:
                if standing.domain == "absent":
                    words = "The message stream for the provided 'ID' was not found."
                    return answer_json(404, {"ErrorCode": 1226, "Message": words})
                return answer_json(200, self._stream(stream))
            case ["message-streams", _, "suppressions", "dump"]:
                return self._shunned()
            case ["message-streams", _, "suppressions"]:
                return self._shun(call)
        hooks = [] if standing.webhook == "absent" else [self._webhook(call)]
        return answer_json(200, {"Webhooks": hooks})

    def _shunned(self) -> Answer:
        rows = [
            {
                "EmailAddress": one.address,
                "SuppressionReason": _REASONS[one.reason],
                "Origin": "Customer" if one.reason == "by hand" else "Recipient",
                "CreatedAt": one.since.isoformat(),
            }
            for one in self._office.shunned.listed(
                "postmark", reasons=("bounce", "complain", "unsubscribe", "by hand")
            )
        ]
        return answer_json(200, {"Suppressions": rows})

    def _shun(self, call: Incoming) -> Answer:
        addresses = [str(one["EmailAddress"]) for one in parsed(call.body)["Suppressions"]]
        if len(addresses) > 50:  # noqa: PLR2004 - as documented
            words = "You may suppress at most 50 email addresses at a time."
            return answer_json(422, {"ErrorCode": 300, "Message": words})
        self._office.shunned.add("postmark", addresses, "by hand", at=call.now)
        rows = [{"EmailAddress": a, "Status": "Suppressed", "Message": None} for a in addresses]
        return answer_json(200, {"Suppressions": rows})

    def _server(self) -> Wire:
        tracking = self._office.standing().tracking
        return {
            "ID": 1,
            "Name": "Sandbox",
            "ServerLink": "https://postmarkapp.com/servers/1/streams",
            "Color": "yellow",
            "DeliveryType": "Live",
            "TrackOpens": tracking,
            "TrackLinks": "HtmlAndText" if tracking else "None",
        }

    def _stream(self, stream: str) -> Wire:
        may_send = self._office.standing().may_send
        return {
            "ID": stream,
            "ServerID": 1,
            "Name": "Newsletters",
            "Description": None,
            "MessageStreamType": "Broadcasts" if may_send else "Transactional",
            "CreatedAt": "2026-11-01T12:00:00-04:00",
            "UpdatedAt": None,
            "ArchivedAt": None,
            "ExpectedPurgeDate": None,
            "SubscriptionManagementConfiguration": {"UnsubscribeHandlingType": "Custom"},
        }

    def _webhook(self, call: Incoming) -> Wire:
        standing, config = self._office.standing(), self._office.config
        stream = call.query.partition("MessageStream=")[2].partition("&")[0]
        right = standing.webhook != "unproven"
        hears = standing.webhook != "deaf"
        opens = hears and standing.tracking
        on, more = {"Enabled": hears}, {"Enabled": hears, "IncludeContent": False}
        return {
            "ID": 1,
            "Url": config.webhook_for("postmark") or "",
            "MessageStream": stream or "broadcast",
            "HttpAuth": {
                "Username": config.keys.postmark_webhook_user,
                "Password": config.keys.postmark_webhook_password if right else "another",
            },
            "HttpHeaders": [],
            "Triggers": {
                "Open": {"Enabled": opens, "PostFirstOpenOnly": False},
                "Click": {"Enabled": opens},
                "Delivery": {"Enabled": standing.webhook != "off"},
                "Bounce": more,
                "SpamComplaint": more,
                "SubscriptionChange": on,
            },
        }
