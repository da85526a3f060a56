"""One reader's whole life in a browser without scripts, on real processes; and what is left at the end."""

import json
import re
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import redis as redis_client
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import MetaData, text
from sqlmodel import Session, col, select

from digests.ledger.receipt import receipt
from digests.models import Batch, Delivery, Digest
from newsletter import links
from newsletter.database import open_engine
from newsletter.links import Purpose
from newsletter.tasks.tidying import tidy
from subscribers.models import Subscriber
from tests.conftest import Configure
from tests.support.editions import a_sending_digest, readers
from tests.support.processes import free_port, running, wait_until
from tests.support.servers import Redis

pytestmark = pytest.mark.processes

Environment = dict[str, str]
GRETE = "Grete.Hermann@readers.example"


@pytest.fixture(params=["sqlite and a folder", "postgresql and redis"])
def environment(
    request: pytest.FixtureRequest, tmp_path: Path, configure: Configure
) -> Environment:
    """The settings of one installation: the embedded default, or the servers of production."""
    settings = {
        "home": str(tmp_path / "var"),
        "port": str(free_port()),
        "sandbox_port": str(free_port()),
        "tick": "0.5",
        "send_threads": "1",
        "track_opens": "false",
    }
    if request.param == "sqlite and a folder":
        settings["database_url"] = request.getfixturevalue("sqlite_database")
    else:
        redis: Redis = request.getfixturevalue("redis")
        settings["database_url"] = request.getfixturevalue("postgresql_database")
        settings["broker_url"] = settings["redis_url"] = redis.url
    configure(**settings)
    return {f"NEWSLETTER_{name.upper()}": value for name, value in settings.items()}


@pytest.fixture
def web(environment: Environment) -> str:
    return f"http://127.0.0.1:{environment['NEWSLETTER_PORT']}"


@pytest.fixture
def sandbox(environment: Environment) -> str:
    return f"http://127.0.0.1:{environment['NEWSLETTER_SANDBOX_PORT']}"


def service(
    stack: ExitStack, folder: Path, environment: Environment, web: str, sandbox: str
) -> None:
    """The four processes of an installation."""
    for part, answers in (("sandbox", sandbox), ("web", f"{web}/health"), ("worker", None)):
        stack.enter_context(running(part, folder=folder, environment=environment, answers=answers))
    stack.enter_context(running("beat", folder=folder, environment=environment))


def mailed(sandbox: str, path: str, *, after: int = 0) -> str:
    """Where the newest letter to Grete with a link under *path* leads."""
    found: list[str] = []

    def look() -> bool:
        asked: dict[str, str | int] = {"recipient": GRETE, "after": after}
        listed = httpx.get(f"{sandbox}/sandbox/mailbox.json", params=asked).json()["messages"]
        for message in listed:
            mail = httpx.get(f"{sandbox}/sandbox/messages/{message['id']}.json").json()
            found.extend(re.findall(rf"http://\S+{path}[\w-]{{28,}}", mail["text"]))
        return bool(found)

    wait_until(look, within=60, what=f"a letter with {path}")
    return found[-1]


def newest(sandbox: str) -> int:
    """The number of the last mail that has come, to tell what comes after it."""
    listed = httpx.get(f"{sandbox}/sandbox/mailbox.json", params={"limit": 1}).json()["messages"]
    return int(listed[0]["id"]) if listed else 0


def press(page: Page, name: str) -> None:
    """Press a button by keyboard."""
    page.get_by_role("button", name=name).focus()
    page.keyboard.press("Enter")


def enter(page: Page, address: str) -> None:
    """Type an address by keyboard."""
    page.get_by_label("Your address").focus()
    page.keyboard.type(address)


# On SQLite the claims about what is left, down to the bytes of its files, are test_privacy's.
@pytest.mark.parametrize("environment", ["postgresql and redis"], indirect=True)
@pytest.mark.browser
def test_a_life_from_joining_to_being_forgotten_and_nothing_is_left_of_it(  # noqa: PLR0915 - a whole life
    browser: Browser, environment: Environment, web: str, sandbox: str, tmp_path: Path
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    with ExitStack() as stack:
        service(stack, tmp_path, environment, web, sandbox)

        page.goto(f"{web}/join")
        enter(page, GRETE)
        page.keyboard.press("Enter")
        page.goto(mailed(sandbox, "/confirm/"))
        press(page, "Confirm the subscription")
        expect(page.get_by_role("heading", level=1)).to_have_text("You are on the list")

        page.get_by_role("link", name="Choose what you get").focus()
        page.keyboard.press("Enter")
        press(page, "Record nothing about me")
        expect(page.get_by_role("status")).to_contain_text("neither opens nor clicks")

        page.get_by_role("link", name=re.compile("^Unsubscribe")).first.focus()
        page.keyboard.press("Enter")
        page.get_by_label("It comes too often").focus()
        page.keyboard.press("Space")
        press(page, "Unsubscribe")
        expect(page.get_by_role("heading", level=1)).to_have_text("You are unsubscribed")

        before = newest(sandbox)
        page.get_by_role("link", name="joining again").focus()
        page.keyboard.press("Enter")
        enter(page, GRETE.upper())
        page.keyboard.press("Enter")
        page.goto(mailed(sandbox, "/confirm/", after=before))
        press(page, "Confirm the subscription")
        expect(page.get_by_role("heading", level=1)).to_have_text("You are on the list")

        page.get_by_role("link", name="What is known about you").focus()
        page.keyboard.press("Enter")
        enter(page, GRETE)
        press(page, "Tell me what is known")
        page.goto(mailed(sandbox, "/privacy/export/"))
        press(page, "Send it to me")
        answer = mailed(sandbox, "/privacy/known/")
        page.goto(answer)
        expect(page.get_by_text(GRETE)).to_be_visible()
        told = httpx.get(f"{answer}/file.json").json()
        happened = [(consent["what"], consent["wording"]) for consent in told["consents"]]
        assert ("left", "It comes too often") in happened
        assert [what for what, _ in happened].count("confirmed") == 2

        page.goto(f"{web}/privacy")
        enter(page, GRETE)
        press(page, "Erase me")
        page.goto(mailed(sandbox, "/privacy/erase/"))
        assert any(GRETE in words for words in in_tables(environment))
        press(page, "Erase me")
        expect(page.get_by_role("heading", level=1)).to_have_text("You are erased")
        tidy()  # what beat has a worker do once an hour, while all of them are at work
        in_use = {"tables": in_tables(environment), "files": in_files(tmp_path)}
        if "NEWSLETTER_REDIS_URL" in environment:
            in_use["redis"] = in_redis(environment["NEWSLETTER_REDIS_URL"])
            assert in_use["redis"], "there is something to search"
    context.close()

    in_use["at the end"] = in_files(tmp_path)
    name = GRETE.partition("@")[0].lower()
    for where, held in in_use.items():
        assert [words[:200] for words in held if name in words.lower()] == [], where


@pytest.mark.parametrize("environment", ["sqlite and a folder"], indirect=True)
def test_who_leaves_while_an_edition_is_sent_is_out_of_the_very_next_batch(
    environment: Environment, web: str, sandbox: str, tmp_path: Path
) -> None:
    engine = open_engine(environment["NEWSLETTER_DATABASE_URL"])
    now = datetime.now(UTC)  # noqa: TID251 - the workers live in real time
    with Session(engine) as session, session.begin():
        readers(session, 40, now=now)
        digest_id = a_sending_digest(session, now=now, batch_size=2).id or 0
    slow = {"rules": [{"kind": "slow", "rate": 1.0, "seconds": 0.5}]}

    def newest_batch(*states: str) -> int:
        with Session(engine) as session:
            numbers = select(Batch.number).where(col(Batch.status).in_(states))
            return max(session.exec(numbers).all(), default=0)

    with ExitStack() as stack:
        for part, answers in (("sandbox", sandbox), ("web", f"{web}/health")):
            stack.enter_context(
                running(part, folder=tmp_path, environment=environment, answers=answers)
            )
        httpx.put(f"{sandbox}/sandbox/faults", json=slow).raise_for_status()
        for part in ("worker", "beat"):
            stack.enter_context(running(part, folder=tmp_path, environment=environment))
        wait_until(lambda: newest_batch("accepted"), within=60, what="a first batch")
        with Session(engine) as session:
            # Somebody whose batch nobody has claimed at this moment.
            planned = select(Batch.number).where(col(Batch.status) == "planned")
            number = min(session.exec(planned).all())
            copies = select(Delivery.subscriber_id).where(col(Delivery.batch) == number + 2)
            leaver = session.exec(copies).first() or 0
            address = session.get_one(Subscriber, leaver).address
        link = links.token(links.signer().all_for(digest_id, leaver), Purpose.unsubscribe)
        left = httpx.post(f"{web}/u/{link}", data={"List-Unsubscribe": "One-Click"})
        claimed_by_then = newest_batch("claimed", "accepted", "uncertain")
        httpx.delete(f"{sandbox}/sandbox/faults").raise_for_status()
        wait_until(lambda: not newest_batch("planned", "claimed"), within=60, what="the rest")
        listed = httpx.get(f"{sandbox}/sandbox/mailbox.json", params={"limit": 100}).json()

    assert left.text == "You are unsubscribed.\n"
    assert claimed_by_then < 20, "the send was running"
    recipients = [message["recipient"] for message in listed["messages"]]
    assert len(recipients) == 39
    assert address not in recipients
    with Session(engine) as session:
        assert receipt(session, session.get_one(Digest, digest_id)).reasons == {
            "excluded": {"unsubscribed": 1}
        }
    engine.dispose()


def in_tables(environment: Environment) -> list[str]:
    """Every value in every column of every table that the database has."""
    engine = open_engine(environment["NEWSLETTER_DATABASE_URL"])
    found: list[str] = []
    with engine.connect() as connection:
        known = MetaData()
        known.reflect(connection)
        for name in known.tables:
            rows = connection.execute(text(f'SELECT * FROM "{name}"'))  # noqa: S608 - the database's own names
            found += [
                json.dumps([value if value is None else str(value) for value in row])
                for row in rows
            ]
    engine.dispose()
    return found


def in_files(folder: Path) -> list[str]:
    """Everything in the files of the installation, its logs and Celery's messages among them.

    The sandbox's own file is the provider's, whose inbox holds what was mailed.
    """
    return [
        f"{path.name}: {path.read_bytes().decode('latin-1')}"
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("sandbox.db")
    ]


def in_redis(url: str) -> list[str]:
    """Every key, and what stands under it."""
    found: list[str] = []
    with redis_client.from_url(url, decode_responses=False) as client:
        for key in client.scan_iter("*"):
            match client.type(key):
                case b"string":
                    held: object = client.get(key)
                case b"list":
                    held = client.lrange(key, 0, -1)
                case b"set":
                    held = client.smembers(key)
                case b"zset":
                    held = client.zrange(key, 0, -1)
                case _:
                    held = client.hgetall(key)
            found.append(f"{key!r} {held!r}")
    return found
