"""How every answer looks and what it may do: the templates, and the headers that hold browsers to it."""

import hashlib
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from digests.models import Digest
from digests.schedules.hours import hour_of_digest
from newsletter.settings import settings
from newsletter.web.browsers import browser

#: A page that can be opened can be asked about.
LOOK: Final = ["GET", "HEAD"]

TAGLINE: Final = "New AI tools ship daily. We compare them before you waste an afternoon."

STATIC: Final = Path(__file__).parent / "static"

#: Readers' pages run nothing and load nothing but our own style sheet and pictures.
QUIET: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
#: A page that refreshes itself with our own script.
SCRIPTED: Final = f"{QUIET}; script-src 'self'; connect-src 'self'"
#: A page with a frame of our own in it.
FRAMING: Final = f"{QUIET}; frame-src 'self'"
#: A mail's own HTML: its inline styles, and nothing that runs, submits or pretends to be us.
MAIL: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' https:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors {ancestors}; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)

#: What holds unless a route says otherwise. Nothing is kept by caches, and no address with a
#: token in it is told to the next site.
_DEFAULTS: Final = {
    "content-security-policy": QUIET,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_HSTS: Final = "max-age=31536000"

#: Paths that programs call: they get their refusals as JSON.
_FOR_PROGRAMS: Final = ("/api/", "/webhooks/", "/health", "/ready", "/status.json", "/metrics")


def page(name: str, *, status: int = 200, policy: str = QUIET, **context: object) -> Response:
    """The page *name* as an answer; everything in *context* is escaped where it is shown."""
    return HTMLResponse(
        rendered(name, **context), status, headers={"content-security-policy": policy}
    )


def rendered(name: str, **context: object) -> str:
    """The template *name* as HTML, with what every page says about us."""
    known = settings()
    return (
        templates()
        .get_template(name)
        .render(
            publication=known.publication,
            tagline=TAGLINE,
            postal_address=known.postal_address,
            contact=known.reply_to or known.sender_address,
            **context,
        )
    )


def refusal(
    request: Request, status: int, sentence: str, headers: dict[str, str] | None = None
) -> Response:
    """What went wrong, in one sentence: a page for people, ``{"detail": ...}`` for programs."""
    answer: Response
    if is_for_a_program(request):
        answer = JSONResponse({"detail": sentence}, status)
    else:
        title, advice = _TITLES.get(status, _TITLES[500] if status >= 500 else _TITLES[400])  # noqa: PLR2004 - HTTP's own boundary
        room = request.url.path.split("/")[1]
        if room in _STAFFS:
            advice = _AT_WORK.get(status, advice)
        answer = page(
            "refusal.html",
            status=status,
            title=title,
            sentence=sentence,
            advice=advice,
            back=(_OPEN | _STAFFS).get(room) if status != 403 else None,  # noqa: PLR2004 - not with their role
        )
    answer.headers.update(headers or {})
    return answer


def is_for_a_program(request: Request) -> bool:
    """Whether whoever is asking reads JSON rather than pages."""
    return (
        request.url.path.startswith(_FOR_PROGRAMS)
        or "authorization" in request.headers
        or request.headers.get("accept", "").startswith("application/json")
    )


#: Where the way back leads, and what stands on it: for everybody, and for the staff.
_OPEN: Final = {
    "archive": ("/archive", "Every edition"),
    "compare": ("/compare", "Every comparison"),
    "tools": ("/compare", "Every comparison"),
}
_STAFFS: Final = {
    "desk": ("/desk", "All digests"),
    "people": ("/people", "The subscribers"),
    "schedules": ("/schedules", "The schedule"),
    "console": ("/console", "The console"),
    "reports": ("/reports", "The reports"),
    "accounts": ("/accounts", "The accounts"),
    "votes": ("/votes", "The votes"),
}
#: No mail leads to the staff's pages.
_AT_WORK: Final = {
    400: "Go back, and try it from the page you came from.",
    404: "It may be gone, or have another name.",
    405: "Go to the page that it belongs to, and use the button there.",
}
_TITLES: Final = {
    400: ("That did not work", "Go back, and try it from the page or the mail you came from."),
    401: ("Not without a key", "This address is for programs that hold a token."),
    403: ("Not with your role", "Ask an operator if it should be."),
    404: ("Nothing here", "If a link in a mail led here, open it from the mail once more."),
    405: ("Not that way", "Open the link from the mail, and use the button on its page."),
    409: ("That has changed meanwhile", "Look at it as it stands now, then decide again."),
    410: ("Not any more", "The page or the mail that it came from can give you a new one."),
    413: ("Too much at once", "Nothing on these pages needs that much."),
    429: ("Too many tries", "Wait a little, then try again."),
    500: ("Our mistake", "Nothing was changed. Please try again in a minute."),
    503: ("Not just now", "Nothing was changed. Please try again in a minute."),
}


class Headers:
    """Puts the default headers on every answer that does not bring its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, and dress the answer as it leaves."""

        async def send_dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                _dress(MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, send_dressed if scope["type"] == "http" else send)


def _dress(headers: MutableHeaders) -> None:
    for name, value in _DEFAULTS.items():
        headers.setdefault(name, value)
    if settings().web_url.startswith("https://"):
        headers.setdefault("strict-transport-security", _HSTS)


@lru_cache
def templates() -> Environment:
    """The pages' templates: escaping on, and a name that is missing is an error, not a gap."""
    made = Environment(
        loader=PackageLoader("newsletter", "templates/pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["asset"] = asset
    made.filters |= {"day": day, "moment": moment, "clock": clock, "soon": soon, "count": count}
    made.filters["browser"] = browser
    made.filters["groups"] = groups
    made.filters["coded"] = coded
    made.filters["goes"] = goes
    made.filters["length_of"] = length_of
    return made


@lru_cache
def asset(name: str) -> str:
    """The address of a static file, with its content's hash: it may be kept for ever."""
    digest = hashlib.blake2b((STATIC / name).read_bytes(), digest_size=6).hexdigest()
    return f"/static/{name}?v={digest}"


def day(at: datetime, zone: str = "UTC") -> str:
    """``3 October 2026``, where clocks show *zone*."""
    there = at.astimezone(ZoneInfo(zone))
    return f"{there.day} {there:%B %Y}"


def moment(at: datetime, zone: str = "UTC") -> str:
    """``Mon 23 Nov, 09:00``, where clocks show *zone*; the zone itself is not named."""
    there = at.astimezone(ZoneInfo(zone))
    return f"{there:%a} {there.day} {there:%b, %H:%M}"


def goes(digest: Digest) -> str:
    """``Mon 23 Nov, 09:00 Europe/Berlin``, or by whose clocks it goes."""
    hour = hour_of_digest(digest)
    return f"{hour.words}{' by' if hour.is_everybodys_own else ''} {hour.clocks}"


def clock(at: datetime, zone: str = "UTC") -> str:
    """``09:00:07``, where clocks show *zone*."""
    return f"{at.astimezone(ZoneInfo(zone)):%H:%M:%S}"


def soon(at: datetime, now: datetime, zone: str = "UTC") -> str:
    """The clock to the second for what is hours away, else the day as well."""
    return clock(at, zone) if abs(at - now) < timedelta(hours=12) else moment(at, zone)


def length_of(time: timedelta) -> str:
    """``2 d 3 h``, ``21 h 14 min``, ``14 min 3 s``: two units are enough to plan by."""
    seconds = max(0, round(time.total_seconds()))
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h")]
    parts += [(seconds // 60 % 60, "min"), (seconds % 60, "s")]
    while len(parts) > 1 and not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count) or "0 s"


def groups(long: str) -> str:
    """``ABCD EFGH``: what is to be typed, four characters at a time."""
    return " ".join(long[at : at + 4] for at in range(0, len(long), 4))


def coded(sentence: str) -> Markup:
    """What stands between `backticks` as code; everything escaped."""
    parts = (
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part)
        for at, part in enumerate(sentence.split("`"))
    )
    return Markup("").join(parts)


def count(number: int) -> str:
    """``48,212``."""
    return f"{number:,}"
