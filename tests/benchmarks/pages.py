"""How long pages take to answer with a year of editions and everybody behind them.

To measure another page, add a line to PAGES: its name, its address, and the role
that opens it (None: anybody). Each is asked 25 times, one after another, of the
application itself in this process, on PostgreSQL; what is given is the median.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Final

from starlette.testclient import TestClient

from newsletter.accounts.models import Role
from newsletter.clock import utc_now
from newsletter.database import reading
from newsletter.editions import production
from newsletter.links import Purpose
from newsletter.web.app import create_app
from subscribers.models import Subscriber
from tests.benchmarks.behind import DRAFT, LAST, NOW, a_year
from tests.benchmarks.table import Figure
from tests.web.scene import link
from tests.web.staffing import signed_in

Say = Callable[[str], None]

LIMIT: Final = 200  # milliseconds
_TIMES: Final = 25

PAGES: Final[tuple[tuple[str, str, Role | None], ...]] = (
    ("the board", "/desk", Role.editor),
    ("an approval", f"/desk/{DRAFT}/approval", Role.editor),
    ("how an edition went", f"/desk/{LAST}/approval", Role.editor),
    ("the desk", f"/desk/{DRAFT}", Role.editor),
    ("the desk as a reader", f"/desk/{DRAFT}?find=77", Role.editor),
    ("the mail in its frame", f"/desk/{DRAFT}/mail.html?reader=reader:77", Role.editor),
    ("versions", f"/desk/{DRAFT}/versions", Role.editor),
    ("readers", "/people", Role.operator),
    ("readers who are found", "/people?q=reader77", Role.operator),
    ("readers of a kind", "/people?status=active&tracking=on&days=30", Role.operator),
    ("a reader's history", "/people/77", Role.operator),
    ("what a deed for many would do", "/people/bulk?status=active", Role.operator),
    ("lists from elsewhere", "/people/import", Role.operator),
    ("the schedule", "/schedules", Role.operator),
    ("one of the schedules", "/schedules/weekly", Role.operator),
    ("the console", "/console", Role.operator),
    ("the doctor", "/doctor", Role.operator),
    ("readers' votes", "/votes", Role.operator),
    ("the accounts", "/accounts", Role.operator),
    ("one's own account", "/account", Role.reader),
    ("reports", "/reports", Role.reader),
    ("the report of an edition", f"/reports/{LAST}", Role.reader),
    ("the audit log", "/audit", Role.operator),
    ("the door", "/sign-in", None),
    ("the front page", "/", None),
    ("where one joins", "/join", None),
    ("what is known of one", "/privacy", None),
    ("a reader's choices", "/p/{preferences}", None),
    ("a reader's way out", "/u/{unsubscribe}", None),
    ("a reader's copy on the web", "/v/{view}", None),
    ("the archive", "/archive", None),
    ("an edition in the archive", f"/archive/{LAST}", None),
    ("an edition's picture", f"/archive/{LAST}.png", None),
    ("the archive's feed", "/archive.atom", None),
)


def measure(folder: Path, people: int, *, say: Say) -> list[Figure]:
    """Ask every page of PAGES with *people* on the list."""
    with a_year(folder, people, say=say):
        app = create_app()
        app.dependency_overrides[utc_now] = lambda: NOW
        with TestClient(app, follow_redirects=False) as client:
            return [_figure(client, *page, people=people) for page in PAGES]


def _figure(
    client: TestClient, name: str, address: str, role: Role | None, *, people: int
) -> Figure:
    client.cookies.clear()
    if role is not None:
        signed_in(client, roles={role}, now=NOW)
    address = address.format_map(_a_readers_links(address))
    took: list[float] = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        answer = client.get(address)
        took.append((time.perf_counter() - began) * 1000)
        if answer.status_code != 200:
            raise RuntimeError(f"{address} answers {answer.status_code}, not 200")
    return Figure(
        f"{name}, {people:,} people",
        median(took),
        "ms",
        LIMIT if people >= 100_000 else None,
        at_most=True,
    )


def _a_readers_links(address: str) -> dict[str, str]:
    """The tokens that stand in the copy that reader 77 had of the last edition, where *address* asks."""
    if "{" not in address:
        return {}
    with reading() as session:
        last = production.by_issue(session, LAST)
        reader = session.get_one(Subscriber, 77)
        return {purpose.name: link(purpose, last, reader) for purpose in Purpose}


def part(folder: Path, sizes: Sequence[int], say: Say) -> list[Figure]:
    """The largest of the lists that were asked for."""
    return measure(folder, max(sizes), say=say)
