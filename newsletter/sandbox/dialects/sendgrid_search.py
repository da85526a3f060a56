"""SendGrid's two searches: the Email Activity feed (GET /v3/messages) and the logs (POST /v3/logs)."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol
from urllib.parse import parse_qs

from newsletter.sandbox.dialects import Answer, Incoming, Wire, answer_json
from newsletter.sandbox.dialects.contract import Drift, each, fields, hold, parsed
from newsletter.sandbox.events import Kind, fate_of
from newsletter.sandbox.letters import Letter, bare
from newsletter.sandbox.mailbox import Mailbox, Stored

_LOGS: Final = fields({"query": str, "limit": int, "subusers": each(str)})
_MOST: Final = 1000
_USUAL: Final = 10

_MOMENT: Final = r"(?:TIMESTAMP\s+)?[\"'](?P<{0}>[^\"']+)[\"']"
_TERM: Final = re.compile(
    r"\s*(?:"
    r"\(?\s*Contains\(\s*(?P<contains>\w+)\s*,\s*[\"'](?P<part>[^\"']*)[\"']\s*\)\s*\)?"
    r"|(?P<between>\w+)\s+BETWEEN\s+"
    + _MOMENT.format("low")
    + r"\s+AND\s+"
    + _MOMENT.format("high")
    + r"|(?P<in>\w+)\s+IN\s*\((?P<list>[^)]*)\)"
    r"|unique_args\[[\"'](?P<arg>[^\"']+)[\"']\]\s*=\s*[\"'](?P<argval>[^\"']*)[\"']"
    r"|(?P<name>\w+)\s*(?P<op>>=|<=|=|>|<)\s*" + _MOMENT.format("value") + r")\s*"
)
_QUOTED: Final = re.compile(r"[\"']([^\"']*)[\"']")


class Merges(Protocol):
    """What can merge a stored message: the dialect itself."""

    def letter(self, shared: Wire, own: Wire, recipient: str) -> Letter:
        """The merged message."""


class Search:
    """Answers from the mailbox, blind to what is younger than *index_after* seconds."""

    def __init__(self, mailbox: Mailbox, merges: Merges, *, index_after: float) -> None:
        self._mailbox = mailbox
        self._merges = merges
        self._index_after = timedelta(seconds=index_after)

    def answer(self, call: Incoming) -> Answer:
        """The answer to a search, to a question for one message, or 404."""
        try:
            return self._answer(call)
        except KeyError:
            return _error(400, "query is required")
        except (Drift, ValueError) as error:
            return _error(400, str(error))

    def _answer(self, call: Incoming) -> Answer:
        match call.method, call.path.split("/")[2:]:
            case "POST", ["logs"]:
                asked = parsed(call.body)
                hold(asked, _LOGS)
                found = self._found(asked.get("query", ""), asked.get("limit", _USUAL), call.now)
                return answer_json(200, {"messages": [self._log(one) for one in found]})
            case "GET", ["messages"]:
                given = parse_qs(call.query)
                limit = int(given.get("limit", [str(_USUAL)])[0])
                found = self._found(given["query"][0], limit, call.now)
                return answer_json(200, {"messages": [self._activity(one) for one in found]})
            case "GET", ["logs" | "messages" as kind, message_id]:
                return self._single(kind, message_id, call.now)
        return _error(404, "not found")

    def _found(self, query: str, limit: int, now: datetime) -> list[Stored]:
        if not 1 <= limit <= _MOST:
            raise ValueError("limit must be from 1 to 1000")
        where, args, statuses = _conditions(query)
        where |= {"dialect": "sendgrid", "seen_by": (now - self._index_after).timestamp()}
        if not args and not statuses:
            return self._mailbox.search(where=where, limit=limit)
        found: list[Stored] = []
        before: int | None = None
        while len(found) < limit and (
            page := self._mailbox.search(where=where, before=before, limit=_MOST)
        ):
            found += [
                one
                for one in page
                if args.items() <= one.own.get("custom_args", {}).items()
                and (not statuses or status_of(one) in statuses)
            ]
            before = page[-1].id
        return found[:limit]

    def _single(self, kind: str, message_id: str, now: datetime) -> Answer:
        one = self._mailbox.by_provider_id("sendgrid", message_id)
        if one is None or one.accepted_at > now - self._index_after:
            return _error(404, "message not found")
        body = self._log(one) if kind == "logs" else self._activity(one)
        body |= {
            "category" if kind == "logs" else "categories": list(one.tags),
            "custom_args" if kind == "logs" else "unique_args": one.own.get("custom_args", {}),
            "api_key_id": "sandbox",
            "events": [],
        }
        if kind == "logs":
            body["client_ip"] = "192.0.2.1"
            del body["sg_message_id_created_at"]
        return answer_json(200, body)

    def _log(self, one: Stored) -> Wire:
        letter = self._merges.letter(one.shared, one.own, one.recipient)
        return {
            "from_email": bare(letter.sender),
            "sg_message_id": one.provider_id,
            "subject": letter.subject,
            "to_email": one.recipient,
            "status": status_of(one),
            "sg_message_id_created_at": _iso(one.accepted_at),
        }

    def _activity(self, one: Stored) -> Wire:
        letter = self._merges.letter(one.shared, one.own, one.recipient)
        status = status_of(one)
        return {
            "from_email": bare(letter.sender),
            "msg_id": one.provider_id,
            "subject": letter.subject,
            "to_email": one.recipient,
            "status": status if status in {"processed", "delivered"} else "not_delivered",
            "opens_count": 0,
            "clicks_count": 0,
            "last_event_time": _iso(one.accepted_at),
        }


def status_of(one: Stored) -> str:
    """How a message ends, in the logs' words."""
    match fate_of(one.recipient):
        case "bounce":
            return "bounced"
        case "softbounce":
            return "blocked"
        case "drop":
            return "dropped"
        case _:
            return str(Kind.delivered)


def _conditions(query: str) -> tuple[dict[str, object], dict[str, str], frozenset[str]]:
    """A query as conditions on the mailbox, on custom arguments, and on the status."""
    where: dict[str, object] = {}
    args: dict[str, str] = {}
    statuses: frozenset[str] = frozenset()
    at = 0
    while at < len(query):
        term = _TERM.match(query, at)
        if term is None or (term.end() < len(query) and not query[term.end() :].startswith("AND")):
            raise ValueError(f"invalid syntax near {query[at : at + 30]!r}")
        part = term.groupdict()
        if part["arg"]:
            args[part["arg"]] = part["argval"]
        elif part["contains"] == "categories":
            where["tag"] = part["part"]
        elif part["in"] == "status" or part["name"] == "status":
            statuses = frozenset(_QUOTED.findall(part["list"] or f"'{part['value']}'"))
        elif part["in"] == "categories":
            wanted = _QUOTED.findall(part["list"])
            if len(wanted) != 1:
                raise ValueError("the sandbox looks for one category at a time")
            where["tag"] = wanted[0]
        else:
            _plain_condition(part, where)
        at = term.end() + len("AND")
    return where, args, statuses


def _plain_condition(part: Mapping[str, str | None], where: dict[str, object]) -> None:
    value = part["value"] or ""
    match part["name"] or part["between"], part["op"]:
        case "to_email", "=":
            where["recipient"] = value
        case "subject", "=":
            where["subject"] = value
        case (("sg_message_id" | "msg_id"), "="):
            where["provider_id"] = value
        case (("sg_message_id_created_at" | "last_event_time"), (">" | ">=")):
            where["since"] = _moment(value)
        case (("sg_message_id_created_at" | "last_event_time"), ("<" | "<=")):
            where["until"] = _moment(value)
        case (("sg_message_id_created_at" | "last_event_time"), None):
            where |= {"since": _moment(part["low"] or ""), "until": _moment(part["high"] or "")}
        case name, _:
            raise ValueError(f"invalid syntax: {name!r} is not a known field")


def _moment(value: str) -> float:
    moment = datetime.fromisoformat(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _error(status: int, message: str) -> Answer:
    return answer_json(status, {"errors": [{"message": message}]})
