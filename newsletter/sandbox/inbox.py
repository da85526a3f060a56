"""The web inbox: every accepted mail as its reader would see it, for people."""

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape
from pydantic import BaseModel
from starlette.staticfiles import StaticFiles

from newsletter.sandbox.control import cannot_report, happened
from newsletter.sandbox.events import Kind
from newsletter.sandbox.mailbox import Stored
from newsletter.sandbox.oneclick import leave, one_click_url
from newsletter.sandbox.preview import Mode, framed, policy
from newsletter.sandbox.sandbox import Sandbox

_PLACE: Final = Path(__file__).parent / "templates"
_PAGE: Final = 50  # messages
_NOTICES: Final = 100
_OFTEN_REPORTED: Final = (
    *(Kind.opened, Kind.machine_opened, Kind.clicked, Kind.complained, Kind.unsubscribed),
    *(Kind.bounced, Kind.soft_bounced, Kind.dropped, Kind.deferred, Kind.delivered, Kind.processed),
)


class View(BaseModel):
    """How a message is looked at."""

    tab: Literal["html", "text", "headers", "source", "events"] = "html"
    width: Literal["phone", "desktop"] = "desktop"
    mode: Mode = "light"
    images: Literal["on", "off"] = "on"


class NoSuchMessage(Exception):
    """Somebody looks for a message that the sandbox does not (or no longer) hold."""

    def __init__(self, message: int) -> None:
        super().__init__(f"The sandbox holds no message {message}.")
        self.message = message


class Pages:
    """Templates, and the one sentence that follows a person to the next page."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._environment = Environment(
            loader=FileSystemLoader(_PLACE),
            autoescape=select_autoescape(["html"]),
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"thousands": _thousands, "moment": _moment, "size": _size}
        self._notices: OrderedDict[str, str] = OrderedDict()

    def show(self, template: str, request: Request, **values: object) -> HTMLResponse:
        """The page; a notice left for it is shown once."""
        note = self._notices.pop(request.query_params.get("note", ""), None)
        page = self._environment.get_template(template).render(
            note=note,
            standing=self._sandbox.courier.standing(),
            rules=len(self._sandbox.faults.plan.rules),
            webhooks=self._sandbox.config.webhook_url is not None,
            **values,
        )
        return HTMLResponse(page)

    def go(self, where: str, note: str) -> RedirectResponse:
        """Go on to *where*, which will show *note*."""
        token = secrets.token_urlsafe(8)
        self._notices[token] = note
        while len(self._notices) > _NOTICES:
            self._notices.popitem(last=False)
        return RedirectResponse(
            f"{where}{'&' if '?' in where else '?'}note={token}", status_code=303
        )


def static_files() -> StaticFiles:
    """The style sheet and the script."""
    return StaticFiles(directory=_PLACE / "static")


def inbox(sandbox: Sandbox, pages: Pages) -> APIRouter:
    """The list at ``/`` and the messages under ``/inbox``."""
    router = APIRouter(include_in_schema=False)

    def wanted(message: int) -> Stored:
        if (one := sandbox.mailbox.get(message)) is None:
            raise NoSuchMessage(message)
        return one

    @router.get("/")
    def mail(
        request: Request,
        q: str = "",
        subject: str = "",
        before: Annotated[int | None, Query(ge=1)] = None,
    ) -> HTMLResponse:
        """All mail, newest first."""
        where: Mapping[str, object] = {"like": q.strip(), "subject": subject}
        found = sandbox.mailbox.search(where=where, before=before, limit=_PAGE + 1)
        return pages.show(
            "list.html",
            request,
            rows=[(one, sandbox.letter(one).subject) for one in found[:_PAGE]],
            older=found[_PAGE - 1].id if len(found) > _PAGE else None,
            total=sandbox.mailbox.count(where),
            everything=sandbox.mailbox.count(),
            groups=sandbox.census.groups(),
            q=q,
            subject=subject,
            before=before,
            config=sandbox.config,
        )

    @router.get("/inbox/{message}")
    def one_mail(request: Request, message: int, view: Annotated[View, Query()]) -> HTMLResponse:
        """One mail: HTML, text, headers, source, and what became of it."""
        one = wanted(message)
        letter = sandbox.letter(one)
        newer = sandbox.mailbox.search(after_id=one.id, limit=1)
        older = sandbox.mailbox.search(before=one.id, limit=1)
        return pages.show(
            "message.html",
            request,
            one=one,
            letter=letter,
            headers=letter.all_headers(message_id=sandbox.message_id(one), sent_at=one.accepted_at),
            source=sandbox.source(one).decode("utf-8", "replace") if view.tab == "source" else "",
            events=happened(sandbox, one.id),
            leaves=one_click_url(letter) is not None,
            kinds=[kind for kind in _OFTEN_REPORTED if cannot_report(sandbox, one, kind) is None],
            newer=newer[0].id if newer else None,
            older=older[0].id if older else None,
            tab=view.tab,
            view=view,
        )

    @router.get("/inbox/{message}/body")
    def body(message: int, mode: Mode = "light", images: Literal["on", "off"] = "on") -> Response:
        """The mail's own HTML, for the frame."""
        html = sandbox.letter(wanted(message)).html
        return HTMLResponse(
            framed(html, mode), headers={"content-security-policy": policy(images=images == "on")}
        )

    @router.post("/inbox/{message}/unsubscribe")
    def unsubscribe(message: int) -> RedirectResponse:
        """The button beside the sender's name."""
        outcome = leave(sandbox.letter(wanted(message)))
        return pages.go(f"/inbox/{message}", outcome.said)

    @router.post("/inbox/{message}/events")
    def report(
        message: int, kind: Annotated[Kind, Form()], link: Annotated[str, Form()] = ""
    ) -> Response:
        """Have the provider report something about this mail."""
        one = wanted(message)
        if why := cannot_report(sandbox, one, kind):
            return pages.go(f"/inbox/{message}?tab=events", why)
        sandbox.courier.report(one.id, kind, link=link or None)
        return pages.go(
            f"/inbox/{message}?tab=events",
            f"Reported {kind.replace('_', ' ')}; the webhook follows.",
        )

    @router.post("/empty")
    def empty() -> RedirectResponse:
        """Throw everything away."""
        sandbox.empty()
        return pages.go("/", "The mailbox is empty.")

    return router


def _thousands(number: int) -> str:
    return f"{number:,}"


def _moment(value: datetime | float) -> str:
    moment = value if isinstance(value, datetime) else datetime.fromtimestamp(value, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _size(text: str) -> str:
    return f"{len(text.encode()) / 1000:.1f} kB"
