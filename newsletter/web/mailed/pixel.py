"""The pixel: a picture of one dot that always arrives, and the open it stands for."""

import base64
from collections.abc import Sequence
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from newsletter import links
from newsletter.clock import utc_now
from newsletter.database import unit_of_work
from newsletter.feedback.recording import record_opens
from newsletter.web.grouping import Together
from subscribers.programs import loads_pictures

#: One transparent dot, GIF89a.
DOT: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")

_HEADERS: Final = {
    "cache-control": "no-store, max-age=0",
    "cross-origin-resource-policy": "cross-origin",  # it is made to stand in other people's pages
}


class Open(NamedTuple):
    """One load of the pixel."""

    copy: links.CopyRef
    machine: bool


def is_machine(user_agent: str, method: str) -> bool:
    """Whether a load of a picture came from a program and not from a person's mail client."""
    return method == "HEAD" or loads_pictures(user_agent)


def opens_together() -> Together[Open]:
    """What keeps opens in groups; one for each application."""
    return Together(_keep, lost="open.lost")


async def show(request: Request) -> Response:
    """Record the open, then show the dot; the dot comes whatever happens to the record.

    A forged link gets the same answer: a picture is no place to argue.
    """
    link = request.path_params["token"]
    if (copy := links.copy_of(link, links.Purpose.open)) is not None:
        machine = is_machine(request.headers.get("user-agent", ""), request.method)
        await request.app.state.opens.kept(Open(copy, machine))
    return Response(DOT, media_type="image/gif", headers=_HEADERS)


#: A plain route: what a typed one does for each request would halve the opens a second.
route = Route("/o/{token}.gif", show, methods=["GET"])


def _keep(opens: Sequence[Open]) -> None:
    now = utc_now()
    with unit_of_work() as session:
        record_opens(session, opens, now=now)
