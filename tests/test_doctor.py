"""The doctor: what it finds wrong with domain, address, machine and provider, and what it keeps."""

import base64
import json
import shlex
import ssl
import stat
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from sqlmodel import select
from typer.testing import CliRunner

from newsletter import pulse
from newsletter.cli import app
from newsletter.clock import utc_now
from newsletter.database import engine, open_engine, reading, unit_of_work
from newsletter.doctor import Examination, Finding, examining
from newsletter.doctor.dns import Resolver, resolver
from newsletter.doctor.domain import examine_domain
from newsletter.doctor.machine import examine_machine
from newsletter.doctor.oneclick import examine_address
from newsletter.esp.checks import Check
from newsletter.pulse import Part
from newsletter.tasks.examining import examine as examine_tick
from newsletter.watching.alerts import open_alerts
from newsletter.watching.looking import look_after
from tests.conftest import Configure
from tests.support.nameserver import MUTE, NameServer
from tests.support.servers import Redis

DOMAIN: Final = "news.example.com"
Looks = Callable[..., dict[str, Check]]


def a_key(bits: int = 2048) -> str:
    """A signing key's public half, as it stands in DNS."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    der = made.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(der).decode()


KEY: Final = a_key()
#: A domain that is as it should be.
WELL: Final[dict[str, dict[str, list[str]]]] = {
    DOMAIN: {"TXT": ["google-site-verification=x", "v=spf1 include:sendgrid.net ~all"]},
    "sendgrid.net": {"TXT": ["v=spf1 ip4:192.0.2.0/24 ~all"]},
    f"s1._domainkey.{DOMAIN}": {"CNAME": ["s1.domainkey.u1.wl.sendgrid.net"]},
    "s1.domainkey.u1.wl.sendgrid.net": {"TXT": [f"k=rsa; t=s; p={KEY}"]},
    "_dmarc.example.com": {"TXT": ["v=DMARC1; p=none; rua=mailto:dmarc@example.com"]},
}


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    with NameServer() as server:
        yield server


@pytest.fixture
def asking(names: NameServer, configure: Configure) -> Resolver:
    names.zone = WELL
    configure(doctor_resolver=names.address)
    return resolver()


@pytest.fixture
def look(names: NameServer, asking: Resolver) -> Looks:
    def looked(**changed: Any) -> dict[str, Check]:
        zone = {
            name.replace("__", f".{DOMAIN}").lstrip("."): there for name, there in changed.items()
        }
        names.zone = {name: there for name, there in {**WELL, **zone}.items() if there is not None}
        found = examine_domain(
            asking, DOMAIN, dkim=[f"s1._domainkey.{DOMAIN}"], selectors=[], providers=["sendgrid"]
        )
        return {check.what: check for check in found}

    return looked


class TestTheDomain:
    def test_one_that_is_as_it_should_be_is_green_through_aliases_and_the_organisations_policy(
        self, look: Looks
    ) -> None:
        found = look()

        assert {what: check.good for what, check in found.items()} == {
            "SPF": True,
            "DKIM s1": True,
            "DMARC": True,
        }
        assert "_dmarc.example.com is none" in found["DMARC"].says

    @pytest.mark.parametrize(
        ("texts", "good", "says"),
        [
            (["unrelated"], False, "says nothing about who may send"),
            (["v=spf1 include:sendgrid.net ~all", "v=spf1 -all"], False, "has 2 SPF records"),
            (["v=spf1 include:sendgrid.net +all"], False, "lets everybody send"),
            (["v=spf1 mx -all"], None, "does not name sendgrid.net"),
            (["v=spf1 include:many.example -all"], False, "11 look-ups"),
            (["v=spf10 include:sendgrid.net ~all"], False, "says nothing"),
            (["V=SPF1 Include:SendGrid.net ~all"], True, "says who may send"),
        ],
    )
    def test_spf(self, texts: list[str], good: bool | None, says: str, look: Looks) -> None:
        many = {"many.example": {"TXT": ["v=spf1 " + "a:host.example " * 12 + "-all"]}}

        check = look(**{DOMAIN: {"TXT": texts}, **many})["SPF"]

        assert check.good is good
        assert says in check.says

    def test_an_spf_record_that_includes_itself_ends(self, look: Looks) -> None:
        circle = {"TXT": [f"v=spf1 include:{DOMAIN} include:sendgrid.net ~all"]}

        assert look(**{DOMAIN: circle})["SPF"].good is True

    @pytest.mark.parametrize(
        ("record", "good", "says"),
        [
            (None, False, "There is no signing key"),
            ("k=rsa; p=", False, "has been revoked"),
            ("v=DKIM1; k=rsa; p=" + KEY[:200], False, "cannot be read"),
            ("v=DKIM1; p=" + a_key(1024), True, "with 1024 bits where Gmail wishes for 2048"),
            ("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", True, "stands"),
        ],
    )
    def test_dkim(self, record: str | None, good: bool, says: str, look: Looks) -> None:
        there = {"TXT": [record]} if record is not None else None

        check = look(**{"s1.domainkey.u1.wl.sendgrid.net": there})["DKIM s1"]

        assert check.good is good
        assert says in check.says

    @pytest.mark.parametrize(
        ("texts", "good", "says"),
        [
            ([], False, "has no DMARC policy"),
            (["v=DMARC1; p=none", "v=DMARC1; p=reject"], False, "2 DMARC policies"),
            (["v=DMARC1; p=maybe"], False, "names no policy that receivers know"),
            (["v=DMARC1; p=reject"], True, "nobody gets its reports"),
        ],
    )
    def test_dmarc(self, texts: list[str], good: bool, says: str, look: Looks) -> None:
        check = look(**{"_dmarc.example.com": {"TXT": texts}})["DMARC"]

        assert check.good is good
        assert says in check.says

    def test_without_a_selector_nobody_says_that_signing_is_well(self, asking: Resolver) -> None:
        found = examine_domain(asking, DOMAIN, dkim=[], selectors=[], providers=["postmark"])

        assert {check.what: check.good for check in found}["DKIM"] is None

    def test_a_name_server_that_says_nothing_proves_nothing(
        self, look: Looks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("newsletter.doctor.dns._PATIENCE", 0.2)

        found = look(**{DOMAIN: {MUTE: []}})

        assert found["SPF"].good is None
        assert found["DMARC"].good is True


class Shop:
    """A public address behind TLS, with a certificate of the test's own authority."""

    def __init__(self, folder: Path, *, ends: datetime) -> None:
        self.status, self.posts = 404, list[bytes]()
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        alt = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(ends - timedelta(days=90))
            .not_valid_after(ends)
            .add_extension(alt, critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (folder / "shop.pem").write_bytes(pem + secret)
        self.trust = ssl.create_default_context(cadata=pem.decode())
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                shop.posts.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(shop.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Tests print enough."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        mine = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        mine.load_cert_chain(folder / "shop.pem")
        self.server.socket = mine.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    made = Shop(tmp_path_factory.mktemp("shop"), ends=utc_now() + timedelta(days=60))
    yield made
    made.server.shutdown()
    made.server.server_close()


class TestTheAddress:
    def found(self, shop: Shop, asking: Resolver, **more: Any) -> dict[str, Check]:
        words: dict[str, Any] = {
            "expiry": timedelta(days=14),
            "now": utc_now(),
            "trust": shop.trust,
        } | more
        return {check.what: check for check in examine_address(asking, shop.url, **words)}

    def test_a_post_as_mail_programs_send_it_is_tried_on_a_link_of_nobodys(
        self, shop: Shop, asking: Resolver
    ) -> None:
        shop.status = 404

        found = self.found(shop, asking)

        assert {what: check.good for what, check in found.items()} == {
            "certificate": True,
            "one click": True,
        }
        assert shop.posts[-1] == b"List-Unsubscribe=One-Click"

    @pytest.mark.parametrize(
        ("status", "says"), [(301, "is redirected (301)"), (403, "answered 403, and not by us")]
    )
    def test_what_stands_before_us_must_let_it_through(
        self, status: int, says: str, shop: Shop, asking: Resolver
    ) -> None:
        shop.status = status

        check = self.found(shop, asking)["one click"]

        assert check.good is False
        assert says in check.says

    def test_a_certificate_that_ends_soon_is_an_alarm_while_it_still_works(
        self, shop: Shop, asking: Resolver
    ) -> None:
        check = self.found(shop, asking, now=utc_now() + timedelta(days=50))["certificate"]

        assert check.good is False
        assert "and then no one-click works" in check.says

    def test_a_certificate_that_nobody_vouches_for_is_wrong_and_nothing_is_posted_under_it(
        self, shop: Shop, asking: Resolver
    ) -> None:
        before = len(shop.posts)

        found = self.found(shop, asking, trust=ssl.create_default_context())

        assert {what: check.good for what, check in found.items()} == {"certificate": False}
        assert len(shop.posts) == before

    def test_an_address_that_is_not_in_dns_is_where_no_link_leads(self, asking: Resolver) -> None:
        found = examine_address(asking, "https://gone.example", expiry=timedelta(0), now=utc_now())

        assert [(check.what, check.good) for check in found] == [("address", False)]


class TestTheMachine:
    def found(self, clock: Callable[[], datetime] = utc_now) -> dict[str, Check]:
        return {check.what: check for check in examine_machine(clock=clock)}

    def test_everything_is_well_where_beat_and_a_worker_are_alive(self, database: str) -> None:
        with unit_of_work() as session:
            for part in Part:
                pulse.sign(session, part, "alpha:1", began_at=utc_now(), now=utc_now())

        found = self.found()

        assert {what for what, check in found.items() if check.good is not True} == set()
        assert ("clock" in found) == database.startswith("postgresql")

    def test_nobody_ticks_and_nobody_sends(
        self, sqlite_database: str, configure: Configure
    ) -> None:
        configure(database_url=sqlite_database)

        found = self.found()

        assert found["beat"].says == "No beat has been seen yet: nothing becomes due."
        assert found["worker"].good is False

    def test_a_clock_that_differs_from_the_databases_is_found(
        self, postgresql_database: str, configure: Configure
    ) -> None:
        configure(database_url=postgresql_database)

        check = self.found(lambda: utc_now() - timedelta(seconds=90))["clock"]

        assert check.good is False
        assert "90.0 seconds apart" in check.says or "89." in check.says

    def test_redis_and_the_broker_are_asked(
        self, redis: Redis, home: Path, configure: Configure
    ) -> None:
        configure(redis_url=redis.url)
        assert self.found()["redis"].good is True

        configure(redis_url="redis://127.0.0.1:1/0")
        found = self.found()

        assert found["redis"].good is False
        assert found["broker"].good is False
        assert home.exists()

    @pytest.mark.parametrize(
        ("secret", "says"),
        [
            ("example-that-is-long-enough-but-known", "is an example."),
            ("short", "has fewer than 24 characters."),
        ],
    )
    def test_a_secret_that_others_may_know_is_found_and_never_shown(
        self, secret: str, says: str, sqlite_database: str, tmp_path: Path, configure: Configure
    ) -> None:
        """The others are refused at the start; this one may have to stay."""
        production(configure, sqlite_database, tmp_path, suppression_secret=secret)

        check = self.found()["secret suppression_secret"]

        assert check.says == f"`NEWSLETTER_SUPPRESSION_SECRET` {says}"
        assert secret not in check.fix

    def test_the_embedded_defaults_own_secret_is_none_for_production(
        self, sqlite_database: str, home: Path, configure: Configure
    ) -> None:
        assert engine()
        kept = json.loads((home / "secrets.json").read_text())
        production(configure, sqlite_database, home, suppression_secret=kept["suppression_secret"])

        assert "embedded default" in self.found()["secret suppression_secret"].says

    def test_what_it_says_of_a_damaged_store_leads_to_the_backup(
        self, tmp_path: Path, configure: Configure
    ) -> None:
        configure(home=tmp_path / "with a space")
        (tmp_path / "with a space").mkdir()
        store = tmp_path / "with a space" / "newsletter.db"
        store.write_bytes(b"no database" * 1000)
        store.chmod(0o644)

        found = self.found()

        assert found["database"].good is False
        assert "`newsletter restore`" in found["database"].fix
        assert str(store) in found["database"].fix

    def test_a_broker_that_celery_knows_nothing_of_does_not_answer(
        self, home: Path, configure: Configure
    ) -> None:
        assert home
        configure(broker_url="nonsense://host")

        assert self.found()["broker"].good is False

    def test_the_store_of_the_embedded_default_is_its_owners_only(
        self, tmp_path: Path, configure: Configure
    ) -> None:
        home = tmp_path / "with a space"
        configure(home=home)
        file = home / "newsletter.db"
        with engine().connect():
            modes = [stat.S_IMODE(path.stat().st_mode) for path in home.glob("newsletter.db*")]
        assert modes
        assert set(modes) == {0o600}
        assert self.found()["files"].good is True

        file.chmod(0o644)
        check = self.found()["files"]
        assert check.fix == f"Run `chmod 600 {shlex.quote(str(file))}`."

        open_engine(f"sqlite:///{file}").dispose()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def production(configure: Configure, database: str, home: Path, **more: str) -> None:
    values = {
        "environment": "production",
        "home": home,
        "database_url": database,
        "redis_url": "redis://127.0.0.1:1/0",
        "public_url": "https://news.example.com",
        "sender_address": f"verdicts@{DOMAIN}",
        "postal_address": "1 Real Street, Berlin",
        "sendgrid_token": "SG.real-token-of-the-tests",
        "sendgrid_webhook_key": "x",
        "link_secret": "a" * 32,
        "suppression_secret": "b" * 32,
        "site_token": "c" * 32,
    }
    configure(**values | more)


def an_examination(at: datetime, **good: bool | None) -> Examination:
    return Examination(
        at,
        tuple(
            Finding("domain", Check(what, good=state, says=f"{what} it is.", fix="Mend it."))
            for what, state in good.items()
        ),
    )


class TestWhatIsKept:
    @pytest.mark.usefixtures("database")
    def test_red_outside_the_machine_is_an_alert_until_it_is_green(self, now: datetime) -> None:
        examining.keep(an_examination(now, DMARC=False, SPF=True))
        look_after(now=now)
        with reading() as session:
            (alert,) = [one for one in open_alerts(session) if one.key.startswith("doctor:")]
        assert (alert.what, alert.severity) == ("DMARC it is.", "warning")
        assert alert.remedy.startswith("Mend it.")

        later = now + timedelta(hours=1)
        examining.keep(an_examination(later, DMARC=True, SPF=True))
        look_after(now=later)

        with reading() as session:
            assert [one.key for one in open_alerts(session) if one.key.startswith("doctor:")] == []

    def test_silence_does_not_end_an_alarm_within_a_day(
        self, sqlite_database: str, configure: Configure, now: datetime
    ) -> None:
        configure(database_url=sqlite_database)
        states: list[bool | None] = []
        for hours, good in ((0, False), (1, None), (2, True), (3, None), (4, False), (40, None)):
            examining.keep(an_examination(now + timedelta(hours=hours), SPF=good))
            with reading() as session:
                kept = examining.last(session)
            assert kept is not None
            states.append(kept.findings[0].check.good)

        assert states == [False, False, True, None, False, None]

    def test_the_tick_examines_when_that_is_due(
        self, home: Path, configure: Configure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks: list[datetime] = []

        def looked(clock: Callable[[], datetime]) -> Examination:
            looks.append(clock())
            return an_examination(looks[-1], SPF=True)

        monkeypatch.setattr(examining, "examine", looked)
        assert engine(), home

        examine_tick()
        examine_tick()
        assert len(looks) == 1

        configure(doctor_every="0")
        with unit_of_work() as session:
            session.delete(session.exec(select(examining.Checkup)).one())
        examine_tick()
        assert len(looks) == 1


class TestTheCommand:
    def test_it_says_what_is_wrong_in_red_and_ends_with_1(
        self, names: NameServer, sqlite_database: str, tmp_path: Path, configure: Configure
    ) -> None:
        names.zone = {DOMAIN: {"TXT": ["v=spf1 include:sendgrid.net ~all"]}}
        production(
            configure,
            sqlite_database,
            tmp_path,
            doctor_resolver=names.address,
            sendgrid_url="http://127.0.0.1:1",
            sendgrid_webhook_key="MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSm"
            "pqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==",
            public_url=f"https://nowhere.{DOMAIN}",
        )

        shown = CliRunner().invoke(app, ["doctor"])
        listed = CliRunner().invoke(app, ["doctor", "--json"])

        assert shown.exit_code == listed.exit_code == 1
        assert "SendGrid does not answer" in shown.output
        assert f"{DOMAIN} has no DMARC policy" in shown.output
        assert f"nowhere.{DOMAIN} has no address in DNS" in shown.output
        found = json.loads(listed.stdout)
        red = {one["check"] for one in found["findings"] if one["state"] == "red"}
        assert {"credentials", "DMARC", "address", "redis", "beat"} <= red
        assert found["red"] == len([1 for one in found["findings"] if one["state"] == "red"])
        for secret in ("a" * 32, "b" * 32, "c" * 32, "SG.real-token-of-the-tests"):
            assert secret not in shown.output + listed.output
        with reading() as session:
            kept = examining.last(session)
        assert kept is not None, (
            "an alert whose cause is mended ends with the look that it asks for"
        )
        assert {one.check.what for one in kept.red} == red

    def test_without_a_store_it_says_so_and_keeps_nothing(
        self, tmp_path: Path, configure: Configure
    ) -> None:
        configure(database_url="postgresql://nobody@127.0.0.1:1/nothing", home=tmp_path)
        configure(sendgrid_url="http://127.0.0.1:1")  # somebody may have the sandbox running

        shown = CliRunner().invoke(app, ["doctor"])

        assert shown.exit_code == 1
        assert "The database does not answer" in shown.output
