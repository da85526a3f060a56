"""What Mailgun's messages call allows: a form, recipient variables, and its limits."""

import re
from collections.abc import Mapping, Sequence
from email.utils import getaddresses
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from python_multipart import FormParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, parse_options_header

from newsletter.sandbox.dialects import Answer, Incoming, Refused, Wire, answer_json
from newsletter.sandbox.letters import bare, is_address

_MOST: Final = 1000
_OPTIONS_WEIGHT: Final = 16_000  # bytes of o:, h: and v: together
_VARIABLE: Final = re.compile(r"%recipient\.([^%\s]+)%")
_KNOWN: Final = frozenset(
    {
        *("from", "to", "subject", "text", "html", "recipient-variables"),
        *("o:tag", "o:tracking", "o:tracking-clicks", "o:tracking-opens"),
        *("o:testmode", "o:require-tls", "o:skip-verification", "o:dkim"),
    }
)
_SWITCHES: Final = frozenset({"yes", "no", "true", "false", "htmlonly"})
_SWITCHED: Final = frozenset(name for name in _KNOWN if name.startswith("o:")) - {"o:tag"}


def checked(call: Incoming) -> tuple[Wire, list[Wire]]:
    """What all copies share, and each recipient's own part; raise Refused as Mailgun does."""
    form = _form(call)
    for name, values in form.items():
        if name not in _KNOWN and not name.startswith(("h:", "v:")):
            raise refused(400, f"{name} is not a field of this call")
        if len(values) > 1 and name not in {"to", "o:tag"}:
            raise refused(400, f"{name} is given more than once")
        if name in _SWITCHED and values[0].lower() not in _SWITCHES:
            raise refused(400, f"{name} must be yes or no")
    for name in ("from", "to"):
        if not form.get(name):
            raise refused(400, f"{name} parameter is missing")
    if not form.get("text") and not form.get("html"):
        raise refused(400, "Need at least one of 'text' or 'html' parameters specified")
    if not is_address(bare(form["from"][0])):
        raise refused(400, "from parameter is not a valid address. please check documentation")
    shared = _shared(form)
    return shared, _recipients(form, shared, call)


def merged(template: str, recipient: str, values: Mapping[str, Any]) -> str:
    """*template* with ``%recipient.key%`` and ``%recipient%`` filled in; values are not escaped."""
    filled = _VARIABLE.sub(lambda found: str(values.get(found[1], found[0])), template)
    return filled.replace("%recipient%", recipient)


def refused(status: int, message: str) -> Refused:
    """A refusal of the whole call; Mailgun knows no other."""
    return Refused(error(status, message))


def error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Mailgun's error body."""
    return answer_json(status, {"message": message}, headers)


def _form(call: Incoming) -> dict[str, list[str]]:
    kind, options = parse_options_header(call.headers.get("content-type", ""))
    form: dict[str, list[str]] = {}
    try:
        if kind == b"application/x-www-form-urlencoded":
            for name, value in parse_qsl(call.body.decode(), keep_blank_values=True):
                form.setdefault(name, []).append(value)
            return form
        if kind != b"multipart/form-data":
            raise refused(400, "The body must be a form, multipart or URL-encoded.")

        def keep(field: Field) -> None:
            name = (field.field_name or b"").decode()
            form.setdefault(name, []).append((field.value or b"").decode())

        parser = FormParser(
            "multipart/form-data",
            on_field=keep,
            on_file=lambda _: _no_files(),
            boundary=options.get(b"boundary"),
        )
        parser.write(call.body)
        parser.finalize()
    except (FormParserError, UnicodeDecodeError):
        raise refused(400, "The form could not be read.") from None
    return form


def _no_files() -> None:
    raise refused(400, "The sandbox does not model attachments.")


def _shared(form: Mapping[str, Sequence[str]]) -> Wire:
    headers = {name[2:]: values[0] for name, values in form.items() if name.startswith("h:")}
    variables = {name[2:]: values[0] for name, values in form.items() if name.startswith("v:")}
    options = [(n, v) for n, values in form.items() for v in values if n[:2] in {"o:", "h:", "v:"}]
    if sum(len(n.encode()) + len(v.encode()) for n, v in options) > _OPTIONS_WEIGHT:
        raise refused(400, "The o:, h: and v: parameters together are larger than 16 kB.")
    for name, value in headers.items():
        if not name or any(mark in name + value for mark in "\r\n\0"):
            raise refused(400, f"h:{name} is not one line of text")
    return {
        "from": form["from"][0],
        "subject": form.get("subject", [""])[0],
        "text": form.get("text", [""])[0],
        "html": form.get("html", [""])[0],
        "headers": headers,
        "variables": variables,
        "tags": list(form.get("o:tag", ())),
        "testmode": form.get("o:testmode", ["no"])[0].lower() in {"yes", "true"},
    }


def _recipients(form: Mapping[str, Sequence[str]], shared: Wire, call: Incoming) -> list[Wire]:
    people = getaddresses(list(form["to"]))
    if len(people) > _MOST:
        raise refused(400, "Too many recipients, max is 1000")
    for _, address in people:
        if not is_address(address):
            raise refused(400, "to parameter is not a valid address. please check documentation")
        if call.refuses(address):
            # Here the sandbox is kinder than Mailgun, which may not say which one it was.
            raise refused(400, f"to parameter is not a valid address: {address}")
    variables = _variables(form, people)
    wanted: set[str] = set()
    for text in (
        *(shared["subject"], shared["text"], shared["html"]),
        *shared["headers"].values(),
        *shared["variables"].values(),
    ):
        wanted.update(_VARIABLE.findall(text))
    found = []
    for name, address in people:
        own = variables.get(address, {})
        if missing := wanted - own.keys():
            raise refused(400, f"recipient-variables lack {min(missing)} for a recipient")
        found.append({"name": name, "address": address, "values": own})
    return found


def _variables(
    form: Mapping[str, Sequence[str]], people: Sequence[tuple[str, str]]
) -> dict[str, Wire]:
    if "recipient-variables" not in form:
        if len(people) > 1:
            raise refused(
                400, "Without recipient-variables every recipient would see all the addresses."
            )
        return {}
    try:
        variables = orjson.loads(form["recipient-variables"][0])
    except orjson.JSONDecodeError:
        raise refused(400, "recipient-variables is not valid JSON") from None
    if not isinstance(variables, dict) or not all(isinstance(v, dict) for v in variables.values()):
        raise refused(400, "recipient-variables must be an object of objects")
    return variables
