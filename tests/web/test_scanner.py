"""A mail scanner opens every link in every mail, by GET and by HEAD: nothing changes."""

from datetime import datetime, timedelta

from fastapi.routing import APIRoute
from sqlalchemy import text
from starlette.testclient import TestClient

from newsletter import tickets
from newsletter.database import reading, unit_of_work
from newsletter.tickets import Purpose
from newsletter.web.app import ROUTERS
from tests.web.scene import Sent, on_both
from tests.web.staffing import an_account

TABLES = (
    *(
        "subscriber",
        "consent",
        "suppression",
        "digest",
        "delivery",
        "batch",
        "rendition",
        "vote",
        "bookmark",
        "standing",
    ),
    *("ticket", "account", "account_login", "audit"),
)


@on_both
def test_nothing_a_scanner_can_open_changes_anybody(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    ticket = _a_ticket(now)
    before = everything()

    for path in _every_address(sent, ticket):
        for method in ("GET", "HEAD"):
            answer = web.request(method, path)
            led_on = path.startswith("/r/") and answer.status_code == 302
            asked_who = answer.headers.get("location", "").startswith("/sign-in")
            assert answer.status_code in {200, 401, 404} or asked_who or led_on, path
            assert "set-cookie" not in answer.headers, path

    assert everything() == before


@on_both
def test_looking_at_the_pixel_is_all_that_a_scanner_leaves_behind(
    web: TestClient, sent: Sent
) -> None:
    for path in _every_address(sent, "spent"):
        web.get(path, headers={"user-agent": "Mozilla/5.0 (Windows NT 10.0) a scanner"})

    with reading() as session:
        kinds = session.connection().execute(text("SELECT kind FROM engagement")).scalars().all()
    assert kinds == ["opened"]


def _every_address(sent: Sent, ticket: str) -> list[str]:
    """Every route that answers a GET, with the links of a real copy in it."""
    tokens = {"u": sent.unsubscribe, "p": sent.preferences, "v": sent.view, "o": sent.open}
    tokens |= {"b": sent.verdict, "kept": sent.verdict, "r": sent.click}
    # A parameter that a new route brings needs a value here, a real one where there is one.
    values = {
        "issue": sent.issue,
        "ticket": ticket,
        "account_id": "1",
        "slug": "smolvlm2-vs-mistral-3-small",
        "tool": "smolvlm2",
        "choice": "ship",
        "number": "0",
        "name": "weekly",
    }
    found = [f"/o/{sent.open}.gif"]
    for router in ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute) and "GET" in (route.methods or ()):
                kind = route.path.split("/")[1]
                known = values | {"token": tokens.get(kind, "")}
                found.append(route.path.format(**known))
    return found


def _a_ticket(now: datetime) -> str:
    """A link by which somebody of the staff could come in."""
    with unit_of_work() as session:
        account = an_account(session, now=now)
        good_for = timedelta(hours=1)
        return tickets.issue(session, Purpose.sign_in, str(account.id), now=now, good_for=good_for)


def everything() -> dict[str, list[tuple[object, ...]]]:
    with reading() as session:
        return {
            table: sorted(
                map(tuple, session.connection().execute(text(f"SELECT * FROM {table}"))),  # noqa: S608 - our own names
                key=repr,
            )
            for table in TABLES
        }
