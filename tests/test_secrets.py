"""Secrets are replaced without breaking what they made: links in mail, searches, second steps."""

import json
import re
import stat
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from sqlmodel import Session
from typer.testing import CliRunner

from newsletter import links, rotation
from newsletter.accounts import audit, codes, register
from newsletter.accounts.audit import Wanted
from newsletter.accounts.models import Account, Role
from newsletter.cli import app
from newsletter.database import engine, open_engine, unit_of_work
from newsletter.doctor.machine import examine_machine
from newsletter.links import Purpose
from newsletter.rotation import SecretsError, Source
from newsletter.secrets import FORMER
from newsletter.settings import Settings, SettingsError, settings
from newsletter.settings.providers import ProviderSettings
from subscribers.models import Subscriber
from tests.conftest import Configure, forget
from tests.support.processes import Kept, free_port, running
from tests.web.scene import a_reader, a_sent_edition, link
from tests.web.staffing import code_at

LATER = timedelta(days=30)
PRODUCTION = {
    "environment": "production",
    "redis_url": "redis://:a-word@127.0.0.1:1/0",
    "public_url": "https://news.example.com",
    "sender_address": "verdicts@example.com",
    "postal_address": "1 Real Street, Berlin",
    "sendgrid_token": "SG.real-token-of-the-tests",
    "sendgrid_webhook_key": "a-key-of-the-tests",
    "link_secret": "a" * 32,
    "suppression_secret": "b" * 32,
    "site_token": "c" * 32,
    "alerts_secret": "whsec_" + "d" * 32,
}


def rotate(name: str, now: datetime) -> rotation.Rotated:
    with unit_of_work() as session:
        done = rotation.rotate(session, name, by="Ada", now=now)
    forget()  # the service is started again
    return done


def ended(name: str, now: datetime, *, even_so: bool = False) -> rotation.Rotated:
    with unit_of_work() as session:
        done = rotation.forget(session, name, even_so=even_so, by="Ada", now=now)
    forget()
    return done


def called(name: str) -> rotation.Secret:
    return next(one for one in rotation.known() if one.name == name)


def unsubscribe(reader: int) -> str:
    return links.token(links.signer().all_for(7, reader), Purpose.unsubscribe)


class TestThoseThatTheInstallationKeeps:
    def test_a_new_link_secret_signs_and_every_one_before_it_still_opens(
        self, home: Path, now: datetime
    ) -> None:
        mailed = [unsubscribe(42)]
        for round_ in (1, 2):
            done = rotate("link_secret", now + round_ * LATER)
            assert done.lines == ()
            mailed.append(unsubscribe(42))

        assert len(set(mailed)) == 3
        assert {links.copy_of(one, Purpose.unsubscribe) for one in mailed} == {links.CopyRef(7, 42)}
        one = called("link_secret")
        assert (one.source, one.since, one.older) == (Source.kept_file, now + 2 * LATER, 2)
        assert stat.S_IMODE((home / "secrets.json").stat().st_mode) == 0o600
        assert not list(home.glob(".secrets-*"))

    def test_the_others_stay_as_they_were_and_as_old_as_they_are(
        self, home: Path, now: datetime
    ) -> None:
        before = settings()
        written = datetime.fromtimestamp((home / "secrets.json").stat().st_mtime, UTC)

        rotate("link_secret", now)

        for name in ("suppression_secret", "site_token", "sendgrid"):
            assert getattr(settings(), name) == getattr(before, name)
        assert {one.since for one in rotation.known()} == {now, written}

    def test_what_the_environment_accepts_besides_is_accepted_too(
        self, home: Path, configure: Configure, now: datetime
    ) -> None:
        assert home
        mailed = unsubscribe(42)
        configure(former_link_secrets="of another installation")

        rotate("link_secret", now)

        assert links.copy_of(mailed, Purpose.unsubscribe) is not None
        assert called("link_secret").older == 2

    def test_one_that_leaked_is_forgotten_only_on_demand_and_second_steps_survive_it(
        self, home: Path, now: datetime
    ) -> None:
        mailed = unsubscribe(42)
        device = codes.fresh_secret()
        with unit_of_work() as session:
            ada = register.add(
                session, "ada@example.com", name="Ada", roles=[Role.editor], by="Ada", now=now
            )
            codes.switch_on(session, ada, secret=device, code=code_at(now, device), now=now)
        rotate("link_secret", now)

        with pytest.raises(SecretsError, match="dead links"):
            ended("link_secret", now)
        assert links.copy_of(mailed, Purpose.unsubscribe) is not None
        ended("link_secret", now, even_so=True)

        assert links.copy_of(mailed, Purpose.unsubscribe) is None
        assert called("link_secret").older == 0
        later = now + timedelta(minutes=1)
        with unit_of_work() as session:
            account = session.get_one(Account, 1)
            codes.take(session, account, code_at(later, device), now=later)
            told = [(e.action, e.subject) for e in audit.read(session, Wanted(by="Ada")).entries]
        assert told[:2] == [
            ("secret.former_forgotten", "link_secret"),
            ("secret.rotated", "link_secret"),
        ]
        assert home.exists()

    def test_the_sandboxs_keys_stay(self, home: Path, now: datetime) -> None:
        assert home
        with pytest.raises(SecretsError, match="sandbox"):
            rotate("sendgrid_token", now)


@pytest.mark.parametrize("environment", ["embedded", "production"])
def test_the_suppression_secret_is_refused_in_one_sentence_and_stays(
    home: Path, configure: Configure, sqlite_database: str, environment: str
) -> None:
    if environment == "production":
        configure(**PRODUCTION, database_url=sqlite_database)
    before = settings().suppression_secret
    assert home

    done = CliRunner().invoke(app, ["secrets", "rotate", "suppression_secret", "--by", "Ada"])

    assert done.exit_code == 1
    assert isinstance(done.exception, SecretsError)
    assert "would be mailed again" in str(done.exception)
    forget()
    assert settings().suppression_secret == before


class TestThoseThatComeFromSettings:
    @pytest.fixture(autouse=True)
    def production(self, configure: Configure, sqlite_database: str) -> None:
        configure(**PRODUCTION, database_url=sqlite_database)

    def test_every_one_is_listed_and_none_is_shown(self) -> None:
        done = CliRunner().invoke(app, ["secrets"])
        told = CliRunner().invoke(app, ["secrets", "--json"])

        listed = json.loads(told.stdout)
        assert {(one["from"], one["since"]) for one in listed} == {("setting", None)}
        names = {one["secret"] for one in listed}
        assert names == {
            *("link_secret", "suppression_secret", "site_token", "alerts_secret", "redis_url"),
            *("sendgrid_token", "sendgrid_webhook_key"),
        }
        assert all(name in done.stdout for name in names)
        values = {str(value) for name, value in PRODUCTION.items() if name in names}
        assert not [value for value in values if value in done.stdout + told.stdout]
        assert all(one["depends"] for one in listed)

    def test_what_to_set_is_said_and_does_it(self, configure: Configure, tmp_path: Path) -> None:
        configure(former_link_secrets="e e", home=tmp_path)
        mailed = unsubscribe(42)

        done = CliRunner().invoke(app, ["secrets", "rotate", "NEWSLETTER_LINK_SECRET"])

        assert done.exit_code == 0
        assert "Restart every web process first" in done.stderr
        lines = dict(line.split("=", 1) for line in done.stdout.splitlines())
        assert lines["NEWSLETTER_FORMER_LINK_SECRETS"] == f"'{'a' * 32},e e'"
        forget()
        assert unsubscribe(42) == mailed  # nothing is changed by saying so

        configure(
            link_secret=lines["NEWSLETTER_LINK_SECRET"],
            former_link_secrets=lines["NEWSLETTER_FORMER_LINK_SECRETS"].strip("'"),
        )
        assert links.copy_of(mailed, Purpose.unsubscribe) is not None
        assert unsubscribe(42) != mailed
        assert not (tmp_path / "secrets.json").exists()

    @pytest.mark.parametrize(
        ("name", "line", "then"),
        [
            (
                "site_token",
                "NEWSLETTER_FORMER_SITE_TOKENS=" + "c" * 32,
                "give the site the new one",
            ),
            ("alerts_secret", "NEWSLETTER_ALERTS_SECRET=whsec_", "accept both first"),
            ("sendgrid_token", "NEWSLETTER_SENDGRID_TOKEN=...", "second key at sendgrid"),
            ("sendgrid_webhook_key", "NEWSLETTER_SENDGRID_WEBHOOK_KEY=...", "sent again"),
            ("redis_url", "NEWSLETTER_REDIS_URL=...", "password at that server"),
        ],
    )
    def test_each_has_its_way(self, name: str, line: str, then: str, now: datetime) -> None:
        done = rotate(name, now)

        assert any(one.startswith(line) for one in done.lines)
        assert then in done.then

    def test_a_secret_that_the_list_could_not_hold_is_refused(
        self, configure: Configure, now: datetime
    ) -> None:
        configure(link_secret="with, a comma and otherwise long enough")
        with pytest.raises(SecretsError, match="comma"):
            rotate("link_secret", now)

    def test_one_that_is_not_there_is_met_with_those_that_are(self, now: datetime) -> None:
        with pytest.raises(SecretsError, match="there are link_secret, suppression_secret"):
            rotate("resend_token", now)


class TestWhatNothingStartsWith:
    @pytest.mark.parametrize("name", ["link_secret", "site_token"])
    @pytest.mark.parametrize(
        ("secret", "says"),
        [
            ("Example-that-is-long-enough-but-known", "is an example"),
            ("short", "has fewer than 24 characters"),
            (PRODUCTION["suppression_secret"], "is the same as NEWSLETTER_SUPPRESSION_SECRET"),
        ],
    )
    def test_a_secret_that_others_may_know_is_refused_with_the_way_out(
        self, name: str, secret: str, says: str, sqlite_database: str, configure: Configure
    ) -> None:
        configure(**PRODUCTION | {"database_url": sqlite_database, name: secret})

        with pytest.raises(SettingsError) as refused:
            settings()

        assert str(refused.value).startswith(f"NEWSLETTER_{name.upper()} {says}. Set it to ")
        assert secret not in str(refused.value)
        former = FORMER[name]
        assert f"NEWSLETTER_{former.upper()} to what it was" in str(refused.value)
        # What it says is done, and what was made with the one before is good still.
        configure(**{name: "n" * 32, former: secret})
        assert getattr(settings(), former).get_secret_value() == secret

    def test_the_embedded_defaults_own_is_refused_where_it_lies(
        self, home: Path, sqlite_database: str, configure: Configure
    ) -> None:
        assert engine()
        kept = json.loads((home / "secrets.json").read_text())
        configure(**PRODUCTION | {"database_url": sqlite_database, "home": home})

        configure(site_token=kept["site_token"])

        with pytest.raises(SettingsError, match="SITE_TOKEN is the one of the embedded default"):
            settings()

    @pytest.mark.parametrize(
        "weak", [("short", "has fewer than 24 characters"), ("CHANGE-ME", "is an example")]
    )
    @pytest.mark.parametrize("command", ["migrate", "worker", "beat"])
    def test_a_suppression_secret_that_others_may_know_is_refused_until_somebody_is_on_the_list(
        self,
        command: str,
        weak: tuple[str, str],
        sqlite_database: str,
        configure: Configure,
        now: datetime,
    ) -> None:
        """From then on it must stay, and a service that runs must not be kept from starting."""
        secret, why = weak
        configure(**PRODUCTION | {"database_url": sqlite_database, "suppression_secret": secret})

        refused = CliRunner().invoke(app, [command])

        assert isinstance(refused.exception, SecretsError)
        said = str(refused.exception)
        assert said.startswith(f"NEWSLETTER_SUPPRESSION_SECRET {why}. Set it")
        with unit_of_work() as session:
            a_reader(session, now=now)
            rotation.refuse_what_can_still_be_changed(session)
        assert CliRunner().invoke(app, ["migrate"]).exit_code == 0


def test_every_secret_setting_is_known_to_the_command(
    configure: Configure, sqlite_database: str
) -> None:
    """A secret that is declared is listed, or it is a list of former ones."""
    configure(**PRODUCTION, database_url=sqlite_database)
    declared: set[str] = set()
    for name, field in Settings.model_fields.items():
        if field.annotation is SecretStr:
            declared.add(name)
        elif field.annotation is not ProviderSettings or name in settings().esp_names:
            parts = getattr(field.annotation, "model_fields", {})
            declared |= {f"{name}_{part}" for part in parts if parts[part].annotation is SecretStr}

    listed = {one.name for one in rotation.known()}
    assert declared - {"former_link_secrets", "former_site_tokens"} == listed - {"redis_url"}


def test_the_doctor_finds_a_suppression_secret_that_is_another_one(
    sqlite_database: str, configure: Configure, now: datetime
) -> None:
    configure(database_url=sqlite_database)
    with unit_of_work() as session:
        a_reader(session, now=now)

    for secret, good in ((settings().suppression_secret.get_secret_value(), True), ("new", False)):
        configure(suppression_secret=secret)
        found = {check.what: check for check in examine_machine(clock=lambda: now)}
        assert found["hashes"].good is good


@pytest.mark.processes
def test_a_link_mailed_before_the_change_still_unsubscribes_from_the_running_service(
    sqlite_database: str, tmp_path: Path, configure: Configure, now: datetime
) -> None:
    port = free_port()
    values = {"home": str(tmp_path / "var"), "port": str(port), "database_url": sqlite_database}
    configure(**values)
    environment = {f"NEWSLETTER_{name.upper()}": value for name, value in values.items()}
    with unit_of_work() as session:
        readers = [a_reader(session, f"{name}@readers.example", now=now) for name in ("ada", "bo")]
        digest = a_sent_edition(session, *readers, now=now)
        mailed = link(Purpose.unsubscribe, digest, readers[0])
        view = link(Purpose.view, digest, readers[1])
        signed_before = link(Purpose.unsubscribe, digest, readers[1])
    site = f"http://127.0.0.1:{port}"

    def service() -> AbstractContextManager[Kept]:
        ready = f"{site}/ready"
        return running("web", folder=tmp_path, environment=environment, answers=ready)

    with service():
        assert httpx.get(f"{site}/u/{mailed}").status_code == 200
        done = CliRunner().invoke(app, ["secrets", "rotate", "link_secret"])
        assert "Restart the service" in done.stdout
        assert httpx.get(f"{site}/u/{mailed}").status_code == 200
    with service():
        one_click = {"List-Unsubscribe": "One-Click"}
        assert httpx.post(f"{site}/u/{mailed}", data=one_click).status_code == 200
        shown = httpx.get(f"{site}/v/{view}").text
        fresh = re.findall(r"/u/([A-Za-z0-9_-]{28})", shown)
        assert fresh
        assert httpx.post(f"{site}/u/{fresh[0]}", data=one_click).status_code == 200

    forget()  # this process has read the settings before the change
    assert fresh[0] == links.token(links.signer().all_for(1, 2), Purpose.unsubscribe)
    assert fresh[0] != signed_before
    store = open_engine(sqlite_database)
    with Session(store) as session:
        left = [session.get_one(Subscriber, number).status for number in (1, 2)]
    store.dispose()
    assert left == ["unsubscribed", "unsubscribed"]
