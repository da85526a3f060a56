"""What differs from one installation to the next, read from ``NEWSLETTER_*`` once, on first use.

Settings of one capability stand together in a group: a frozen model in a module
beside this one and a field here. ``NEWSLETTER_SENDGRID_TOKEN`` is the part
*token* of the group *sendgrid*.
"""

import re
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from newsletter.secrets import FORMER, embedded_secrets
from newsletter.settings import addresses, production
from newsletter.settings.accounts import AccountSettings
from newsletter.settings.alerts import AlertSettings
from newsletter.settings.api import ApiSettings
from newsletter.settings.approval import ApprovalSettings
from newsletter.settings.bounces import BounceSettings
from newsletter.settings.doctor import DoctorSettings
from newsletter.settings.joining import JoiningSettings
from newsletter.settings.keeping import KeepingSettings
from newsletter.settings.preflight import PreflightSettings
from newsletter.settings.providers import ProviderSettings
from newsletter.settings.votes import VoteSettings

#: Of a request to a provider, each with a timeout of its own: connecting, writing, the answer.
_PHASES = 3


class Environment(StrEnum):
    """Where this runs: everything under ``var/``, or real servers and a real provider."""

    embedded = "embedded"
    production = "production"


class SettingsError(Exception):
    """The environment does not make a service; the message says what to set."""


class Settings(BaseSettings):
    """Every setting, with its unit where it has one. Secrets do not print."""

    model_config = SettingsConfigDict(
        env_prefix="NEWSLETTER_",
        env_nested_delimiter="_",
        env_nested_max_split=1,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    environment: Environment = Environment.embedded
    """`embedded`: everything under `home`, for a first look. `production`: real
    servers and a real provider."""
    home: Path = Path("var")
    """Where what the service writes stands: the embedded default's store and secrets, logs, files."""
    instance: str = ""
    """A name for this installation, such as `production`: a store used under another name mails nobody."""
    schedules: Path = Path("celerybeat-schedule")
    """The files that a first start installs as schedules."""
    beat_state: Path | None = None
    """Beat's own file, one for each beat; empty: beside the schedules."""
    database_url: str = ""
    """PostgreSQL, as `postgresql://user:password@host/name`; empty when embedded: SQLite under `home`."""
    broker_url: str = ""
    """What carries nudges to the workers; empty: Redis, and without it a folder under `home`."""
    redis_url: str = ""
    """Redis, for rate limits that all processes share."""
    host: str = "127.0.0.1"
    """The address on which the web process listens; a proxy stands before it."""
    port: int = 8000
    """The port on which the web process listens."""
    proxies: str = "127.0.0.1"
    """Addresses or networks whose `X-Forwarded-For` is believed, comma-separated."""
    sandbox_port: int = 8025
    """The port of the sandbox provider, on the embedded default."""
    public_url: str = ""
    """Where readers and providers reach the web process, as in mailed links: `https://news.example.com`."""
    site_url: str = ""
    """The site whose own compare pages mails lead to: `{site_url}/compare/{slug}`; empty: to ours."""
    publication: str = "Weekly AI Tool Verdicts"
    """The newsletter's name."""
    sender_name: str = "Ship or Skip"
    """Whom mail is from, by name."""
    sender_address: str = "verdicts@shiporskip.example"
    """Whom mail is from, by address; its domain is the one that SPF, DKIM and DMARC speak for."""
    reply_to: str = ""
    """Where answers go; empty: to the sender."""
    postal_address: str = "Ship or Skip, 1 Example Street, Springfield"
    """Stands in every mail; the law asks for it in many countries."""
    esp: str = "sendgrid"
    """One provider, or several in order of preference: `resend,sendgrid`."""
    sendgrid: ProviderSettings = ProviderSettings()
    resend: ProviderSettings = ProviderSettings()
    mailgun: ProviderSettings = ProviderSettings()
    postmark: ProviderSettings = ProviderSettings()
    ses: ProviderSettings = ProviderSettings()
    brevo: ProviderSettings = ProviderSettings()

    link_secret: SecretStr = SecretStr("")
    """Signs every link in mail. Change it by `newsletter secrets rotate link_secret`."""
    former_link_secrets: SecretStr = SecretStr("")
    """Secrets that signed links already mailed, comma-separated: those links keep working."""
    suppression_secret: SecretStr = SecretStr("")
    """Keys the hashes by which addresses are known. Must never change."""
    site_token: SecretStr = SecretStr("")
    """What the site sends with `PUT /api/comparisons/{slug}`."""
    former_site_tokens: SecretStr = SecretStr("")
    """Tokens that the site may still send, comma-separated: for the while until it has the new one."""
    accounts: AccountSettings = AccountSettings()
    api: ApiSettings = ApiSettings()
    joining: JoiningSettings = JoiningSettings()
    keep: KeepingSettings = KeepingSettings()
    approval: ApprovalSettings = ApprovalSettings()

    esp_timeout: float = Field(default=10.0, gt=0, le=120)
    """Seconds for each phase of a request to a provider: connecting, writing, the answer."""
    lease: float = Field(default=120.0, gt=0)
    """Seconds that a worker has for one batch; at least three times `esp_timeout`."""
    send_processes: int = Field(default=4, ge=1, le=256)
    """How many worker processes may join in one send."""
    send_threads: int = Field(default=4, ge=1, le=64)
    """Calls in flight in one worker process."""
    batch_size: int = Field(default=1000, ge=1, le=1000)
    """Copies in a call, where the provider takes so many."""
    tick: float = Field(default=5.0, gt=0)
    """Seconds between two ticks of beat."""
    canary_share: float = Field(default=0.0, ge=0, le=0.5)
    """Share of the audience that gets it first; 0 for none."""
    canary_hold: float = Field(default=600.0, ge=0)
    """Seconds between the canary and the rest."""
    stop_bounces: float = Field(default=0.05, gt=0, le=1)
    """A send stops by itself above this share of hard bounces."""
    stop_complaints: float = Field(default=0.003, gt=0, le=1)
    """A send stops by itself above this share of complaints; Gmail's limit for bulk senders."""
    stop_refusals: float = Field(default=0.10, gt=0, le=1)
    """A send stops by itself above this share of refused addresses."""
    stop_at_least: int = Field(default=10, ge=1)
    """Fewer bounces, complaints or refusals than this never stop a send."""
    breaker_failures: int = Field(default=5, ge=1)
    """Refused calls in a row after which a provider is left alone."""
    breaker_rest: float = Field(default=60.0, gt=0)
    """Seconds until a provider that was left alone gets one call."""
    preflight: PreflightSettings = PreflightSettings()
    alerts: AlertSettings = AlertSettings()
    votes: VoteSettings = VoteSettings()
    doctor: DoctorSettings = DoctorSettings()
    bounces: BounceSettings = BounceSettings()

    track_by: Literal["us", "provider", "nobody"] = "us"
    """Who counts opens and clicks: our own pixel and links, the provider's, or nobody at all."""
    track_opens: bool = True
    """Whether opens are counted: mails hold a pixel."""
    track_clicks: bool = False
    """Whether clicks are counted: links in mails lead through whoever counts them."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """How much is logged."""
    log_format: Literal["json", "lines"] = "lines"
    """`json` for machines, `lines` for people."""
    traces_url: str = ""
    """An OpenTelemetry collector's OTLP/HTTP address, ending in `/v1/traces`; empty: no traces."""

    @model_validator(mode="before")
    @classmethod
    def _fill_the_embedded_secrets(cls, values: dict[str, object]) -> dict[str, object]:
        """On the embedded default, what the environment leaves open comes from ``var/``."""
        if values.get("environment", Environment.embedded) != Environment.embedded:
            return values
        home = Path(str(values.get("home") or "var"))
        for name, secret in embedded_secrets(home).items():
            field, _, part = name.partition(".")
            if (
                field in FORMER.values()
            ):  # replaced in the file: accepted whatever the environment adds
                named = values.get(field) or ""
                values[field] = ",".join(filter(None, (production.plain(named), secret)))
            elif not part:
                values.setdefault(field, secret)
            elif isinstance(known := values.setdefault(field, {}), dict):
                known.setdefault(part, secret)
        return values

    @model_validator(mode="after")
    def _addresses_lead_somewhere(self) -> Self:
        if wrong := next(addresses.that_lead_nowhere(self), None):
            raise ValueError(wrong)
        return self

    @model_validator(mode="after")
    def _production_is_complete(self) -> Self:
        if self.environment is Environment.embedded:
            return self
        if missing := list(production.left_open(self)):
            raise ValueError(f"In production {_and(missing)} must be set.")
        if unchanged := list(production.left_as_it_was(self)):
            raise ValueError(
                f"{_and(unchanged)} still {'says' if len(unchanged) == 1 else 'say'} "
                f"{production.CHANGE_ME}, as the example does: whoever reads it there knows it. "
                "docs/deploy.md tells what belongs there."
            )
        if not self.public_url.startswith("https://"):
            raise ValueError(
                "In production NEWSLETTER_PUBLIC_URL must start with https://: mail clients "
                "unsubscribe by one click only there."
            )
        if weak := next(production.left_weak(self), None):
            raise ValueError(weak)
        return self

    @model_validator(mode="after")
    def _a_call_ends_within_its_lease(self) -> Self:
        # Connecting, writing and waiting for the answer may each take as long as the timeout. A
        # call that outlives its lease is in doubt, and one that outlives the search's lag as
        # well could be posted by somebody else meanwhile.
        if self.lease < _PHASES * self.esp_timeout:
            raise ValueError(
                f"NEWSLETTER_LEASE ({self.lease:g} s) must be at least {_PHASES} times "
                f"NEWSLETTER_ESP_TIMEOUT ({self.esp_timeout:g} s): a call may take that long."
            )
        return self

    @model_validator(mode="after")
    def _providers_are_known(self) -> Self:
        known = {
            name for name, f in type(self).model_fields.items() if f.annotation is ProviderSettings
        }
        if unknown := [name for name in self.esp_names if name not in known]:
            raise ValueError(
                f"NEWSLETTER_ESP names {unknown[0]!r}; known are {_and(sorted(known))}."
            )
        if not self.esp_names:
            raise ValueError(f"NEWSLETTER_ESP is empty; known are {_and(sorted(known))}.")
        return self

    @property
    def is_embedded(self) -> bool:
        """Whether everything lives under ``home``, with the sandbox as provider."""
        return self.environment is Environment.embedded

    def tracked_by(self, who: Literal["us", "provider"]) -> tuple[bool, bool]:
        """Whether *who* counts opens, and whether clicks: never both of them the same thing."""
        return self.track_by == who and self.track_opens, self.track_by == who and self.track_clicks

    @property
    def esp_names(self) -> tuple[str, ...]:
        """The providers in order of preference."""
        return tuple(name.strip() for name in self.esp.split(",") if name.strip())

    @property
    def database(self) -> str:
        """The SQLAlchemy URL; SQLite under ``home`` unless one is set."""
        url = self.database_url or f"sqlite:///{self.home / 'newsletter.db'}"
        return re.sub("^postgres(ql)?://", "postgresql+psycopg://", url)

    @property
    def broker(self) -> str:
        """Celery's broker: the one that is set, else Redis, else a folder under ``home``."""
        return self.broker_url or self.redis_url or "filesystem://"

    @property
    def web_url(self) -> str:
        """The address readers' links start with, without a trailing slash."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def sender_domain(self) -> str:
        """The domain whom mail is from."""
        return self.sender_address.rpartition("@")[2].lower()

    @property
    def sandbox_url(self) -> str:
        """Where the sandbox provider listens."""
        return f"http://{self.host}:{self.sandbox_port}"

    @property
    def lease_for(self) -> timedelta:
        """How long a worker has for one batch."""
        return timedelta(seconds=self.lease)


@lru_cache
def settings() -> Settings:
    """Read the environment once, on first use and not on import.

    Raises SettingsError with one sentence when it does not make a service.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        where = "_".join(str(part) for part in first["loc"]).upper()
        said = str(first["msg"]).removeprefix("Value error, ")
        raise SettingsError(f"NEWSLETTER_{where}: {said}." if where else said) from None


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
