"""Asking links: politely, bounded, never inside private networks; what they answered, as findings."""

import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from sqlmodel import select

from digests.models import DigestItem
from newsletter import preflight, reach
from newsletter.database import reading, unit_of_work
from newsletter.editions import production
from newsletter.preflight import Check, shapes
from newsletter.preflight.leading import leading
from newsletter.reach import LinkAnswer, Verdict
from newsletter.reach.addresses import NotForUs, check_url, is_public, resolve
from newsletter.reach.asking import Answer, ask
from tests.conftest import Configure
from tests.web.scene import a_draft, a_reader


class Site(BaseHTTPRequestHandler):
    """A site with good and bad habits; remembers who asked what."""

    asked: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self.asked.append(f"HEAD {self.path}")
        statuses = {"/gone": 404, "/no-head": 405, "/shy": 403, "/robots-only": 404}
        if self.path in {"/away", "/inside", "/circle", "/www"}:
            away = {
                "/away": "http://other.example/",
                "/inside": "http://inside.example/latest/meta-data/",
                "/circle": "/circle",
                "/www": "http://www.site.example/",
            }
            self.send_response(302)
            self.send_header("Location", away[self.path])
        elif self.path == "/drips":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for _ in range(40):
                time.sleep(0.05)
                self.wfile.write(b"X-Slow: 1\r\n")
        else:
            self.send_response(statuses.get(self.path, 200))
        self.end_headers()

    def do_GET(self) -> None:
        self.asked.append(f"GET {self.path}")
        self.send_response(404 if self.path == "/gone" else 403 if self.path == "/shy" else 200)
        self.end_headers()
        self.asked.append(f"agent {self.headers['User-Agent']}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[int]:
    """Its port on this machine; to the asker it is http://site.example."""
    Site.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # who is cut off may say so
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def asking(path: str, port: int, *, within: float = 5.0) -> Answer:
    def lookup(host: str, _port: int) -> list[tuple[str, int]]:
        if host == "inside.example":
            raise NotForUs("it leads into a private network")
        return [("127.0.0.1", port)]

    return ask(f"http://site.example{path}", sender="preflight", lookup=lookup, within=within)


@pytest.mark.parametrize(
    ("path", "verdict", "said"),
    [
        ("/", Verdict.answers, "it answers 200"),
        ("/no-head", Verdict.answers, "it answers 200"),
        ("/robots-only", Verdict.answers, "it answers 200"),
        ("/shy", Verdict.answers, "it answers 403"),
        ("/www", Verdict.answers, "it answers 200"),
        ("/gone", Verdict.refuses, "it answers 404"),
        ("/circle", Verdict.refuses, "it redirects in a circle"),
        ("/away", Verdict.away, "it redirects to other.example"),
        ("/inside", Verdict.private, "it leads into a private network"),
    ],
)
def test_what_a_link_answers_is_told_in_a_word(
    site: int, path: str, verdict: Verdict, said: str
) -> None:
    answer = asking(path, site)

    assert (answer.verdict, answer.said) == (verdict, said)


def test_a_site_that_drips_is_not_waited_for(site: int) -> None:
    answer = asking("/drips", site, within=0.3)

    assert (answer.verdict, answer.said) == (Verdict.silent, "it does not answer in time")


def test_a_name_is_looked_up_once_for_each_hop_and_asked_where_it_was_then(site: int) -> None:
    looked: list[str] = []

    def lookup(host: str, _port: int) -> list[tuple[str, int]]:
        looked.append(host)
        return [("127.0.0.1", site)]

    ask("http://site.example/www", sender="preflight", lookup=lookup)

    assert looked == ["site.example", "www.site.example"]
    assert Site.asked == ["HEAD /www", "HEAD /"]


def test_a_name_that_is_looked_up_slowly_is_not_waited_for(site: int) -> None:
    found = threading.Event()

    def lookup(_host: str, _port: int) -> list[tuple[str, int]]:
        found.wait(20)
        return [("127.0.0.1", site)]

    answer = ask("http://site.example/", sender="preflight", lookup=lookup, within=0.3)
    found.set()

    assert (answer.verdict, answer.said) == (Verdict.silent, "it does not answer in time")
    assert Site.asked == []


def test_a_site_with_an_address_that_is_dead_is_asked_at_the_next(site: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as dead:
        nobody = dead.getsockname()[1]

    answer = ask(
        "http://site.example/",
        sender="preflight",
        lookup=lambda *_: [("127.0.0.1", nobody), ("127.0.0.1", site)],
    )

    assert answer.verdict is Verdict.answers


def test_when_no_name_can_be_looked_up_the_site_is_not_blamed() -> None:
    def lookup(_host: str, _port: int) -> list[tuple[str, int]]:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    answer = ask("http://site.example/", sender="preflight", lookup=lookup)

    assert answer == Answer(Verdict.silent, "its name cannot be looked up at the moment")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "100.64.0.1",
        "192.168.1.1",
        "0.0.0.0",  # noqa: S104 - an address to refuse
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a00:1",
        "64:ff9b:1:a00:0:100:909:909",
        "fec0::1",
        "192.0.0.192",
        "168.63.129.16",
        "2002:7f00:1::",
        "ff02::1",
        "no address",
    ],
)
def test_what_is_not_public_is_never_asked(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["9.9.9.9", "2620:fe::fe", "64:ff9b::909:909"])
def test_what_is_public_may_be_asked(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://site.example/",
        "http://site.example:8080/",
        "http://ada:secret@site.example/",
        "http:///nowhere",
        "http://[::1",
    ],
)
def test_only_the_webs_own_schemes_and_ports_are_asked(url: str) -> None:
    with pytest.raises(NotForUs):
        check_url(url)


def test_a_name_with_one_private_address_among_others_is_a_trap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80))
        for address in ("9.9.9.9", "10.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    with pytest.raises(NotForUs):
        resolve("trap.example", 80)


@pytest.fixture
def linked(database: str, configure: Configure, now: datetime) -> str:
    """A draft whose introduction links to two sites, and whose comparisons stand on another."""
    configure(site_url="https://shiporskip.example")
    with unit_of_work() as session:
        digest = a_draft(session, now=now)
        digest.opening = "Read [one](https://a.example/1), [two](https://a.example/2) and [b](https://b.example/)."
        return digest.issue


def test_each_link_is_asked_once_an_hour_and_a_bad_one_sooner(linked: str, now: datetime) -> None:
    asked: list[str] = []

    def asker(url: str, *, sender: str) -> Answer:
        assert sender.startswith("newsletter-preflight (+http")
        asked.append(url)
        with unit_of_work():  # none of ours is open: SQLite has one writer
            pass
        if url.endswith("/2"):
            return Answer(Verdict.refuses, "it answers 404")
        return Answer(Verdict.answers, "it answers 200")

    def round_at(moment: datetime) -> int:
        return reach.ask_due(clock=lambda: moment, within=60, asker=asker, between=0)

    assert round_at(now) == 6
    # Each host in its turn.
    assert [url.split("/")[2] for url in asked[:3]] == [
        "a.example",
        "b.example",
        "shiporskip.example",
    ]
    asked.clear()
    assert round_at(now + timedelta(minutes=6)) == 1
    assert asked == ["https://a.example/2"]
    assert round_at(now + timedelta(minutes=61)) == 6

    with reading() as session:
        digest = production.by_issue(session, linked)
        found = preflight.examine(session, digest, now=now + timedelta(minutes=73))
    [bad] = [one for one in found.findings if one.check is Check.links]
    assert bad.place == "https://a.example/2"
    assert bad.says == "It answers 404, asked twelve minutes ago."


def test_two_workers_do_not_ask_the_same_link(linked: str, now: datetime) -> None:
    asked: list[str] = []

    def other(url: str, *, sender: str) -> Answer:
        asked.append(url)
        return Answer(Verdict.answers, "it answers 200")

    def first(url: str, *, sender: str) -> Answer:
        if not asked:  # while it asks its first, the other goes through the whole round
            reach.ask_due(clock=lambda: now, within=60, asker=other, between=0)
        asked.append(url)
        return Answer(Verdict.answers, "it answers 200")

    reach.ask_due(clock=lambda: now, within=60, asker=first, between=0)

    assert sorted(asked) == sorted(set(asked))
    assert len(asked) == 6


def test_links_that_were_not_asked_yet_and_that_lead_away_are_notes(now: datetime) -> None:
    away = LinkAnswer(
        key="1",
        url="https://a.example/",
        asked_at=now,
        verdict=Verdict.away,
        said="it redirects to b",
    )

    found = list(leading(["https://a.example/", "https://c.example/"], {away.url: away}, now=now))

    assert [one.severity for one in found] == ["note", "note"]
    assert found[0].says == "It redirects to b, asked a moment ago."
    assert found[1].says.startswith("One of two links was not asked yet")


def test_a_long_list_is_shown_as_it_was_measured_and_measured_anew_to_approve(
    database: str, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shapes, "LONG", 2)
    with unit_of_work() as session:
        a_draft(session, now=now)
        # Joined on 5 and on 6 October: other days, and as many bytes. On 15 September: more.
        for name, days in (("ada", 0), ("grace", -1), ("barbara", 20)):
            a_reader(session, f"{name}@readers.example", now=now - timedelta(days=days))
    assert shapes.refresh(now=now) == 2
    with unit_of_work() as session:
        a_reader(session, "linus@readers.example", now=now)
        assert len(session.exec(select(DigestItem)).all()) == 3

    later = now + timedelta(minutes=4)
    with reading() as session:
        digest = production.by_issue(session, "latest")
        shown = preflight.examine(session, digest, now=later, exact=False)
        exact = preflight.examine(session, digest, now=later)
        stale = preflight.examine(session, digest, now=now + timedelta(hours=2), exact=False)

    assert (shown.copies, shown.copies_at) == (3, now)
    assert (exact.copies, exact.copies_at) == (4, None)
    assert stale.copies == 4
    assert shown.worst_bytes == exact.worst_bytes
