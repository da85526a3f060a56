"""The secrets of an installation: which there are, and how each is replaced without breaking what it made.

Never a value: what is shown is where a secret comes from and since when. Those
that the installation keeps itself are replaced here; for one that comes from a
setting the lines to set are said, since nobody but an operator can set them.
"""

import os
import secrets as dice
import shlex
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr
from sqlmodel import Session, select

from newsletter import secrets as kept
from newsletter.accounts import audit, codes
from newsletter.secrets import FORMER, NAMES
from newsletter.settings import Settings, production, settings
from subscribers.models import Subscriber, Suppression


class SecretsError(Exception):
    """A secret cannot be replaced like that; the message says why, and what to do."""


class Source(StrEnum):
    """Where a secret comes from."""

    setting = "setting"
    kept_file = "kept file"


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret, without its value. *since* is None where nothing tells: a setting has no date."""

    name: str
    source: Source
    since: datetime | None
    older: int
    depends: str

    @property
    def setting(self) -> str:
        """The environment variable that sets it."""
        return f"NEWSLETTER_{self.name.upper()}"


@dataclass(frozen=True, slots=True)
class Rotated:
    """What came of it: *lines* are to be set, none where it was done here; *then* is what follows."""

    secret: Secret
    lines: tuple[str, ...]
    then: str


_DEPENDS: Final = {
    "link_secret": "every link in mail, the references and tags by which a provider's events and "
    "answers find their copy, and the sealed keys of second steps",
    "suppression_secret": "the hashes by which addresses are known: who is on the list, who may not "
    "be mailed, who was erased",
    "site_token": "the site, which sends comparisons with it",
    "alerts_secret": "whoever gets the alerts by webhook, and checks them with it",
    "database_url": "the store",
    "redis_url": "rate limits, and nudges to the workers",
    "broker_url": "nudges to the workers",
}
#: The site has one token at a time: one before it is enough for the change.
_ACCEPT: Final = {"link_secret": None, "site_token": 1}
_NEVER: Final = (
    "the suppression secret cannot be replaced: the hashes of people who were erased or must not be "
    "mailed were made with it, their addresses are kept nowhere, and under another one they would be "
    "mailed again. Keep it as it is; if it leaked, guard the database, without which it tells nothing."
)
_RESTART_HERE: Final = (
    "Restart the service (`newsletter run`): until then it goes on with the one before. "
)


def known() -> list[Secret]:
    """The secrets of this installation: our own, then those of others, then passwords in addresses."""
    now = settings()
    names = [*NAMES, *_of_providers(now)]
    if now.alerts.secret.get_secret_value():
        names.append("alerts_secret")
    names += [
        name
        for name in ("database_url", "redis_url", "broker_url")
        if urlsplit(getattr(now, name)).password
    ]
    return [_described(now, name) for name in names]


def refuse_what_can_still_be_changed(session: Session) -> None:
    """Refuse a suppression secret that others may know, as long as nobody is on the list.

    From the first person on it must stay as it is, and only the doctor objects. Raises SecretsError.
    """
    now = settings()
    name = "suppression_secret"
    if now.is_embedded or not (why := production.why_weak(now, name)):
        return
    for table in (Subscriber, Suppression):
        if session.exec(select(table).limit(1)).first() is not None:
            return
    raise SecretsError(
        f"NEWSLETTER_{name.upper()} {why}. Set it to what `openssl rand -base64 32` prints now, while "
        "nobody is on the list: from the first person on it must stay."
    )


def rotate(session: Session, name: str, *, by: str, now: datetime) -> Rotated:
    """Replace the secret called *name*, or say what to set. Raises SecretsError.

    The one before it is accepted as long as what it made may still come back.
    """
    one = _called(name)
    if one.name == "suppression_secret":
        raise SecretsError(_NEVER)
    if one.source is Source.setting:
        return _to_set(one)
    if one.name not in _ACCEPT:
        raise SecretsError(
            f"{one.name} belongs to the sandbox, which is for trying out and mails nobody: it stays."
        )
    _note(session, "secret.rotated", one, by=by, now=now)
    kept.renew(settings().home, one.name, accept=_ACCEPT[one.name], now=now)
    then = _RESTART_HERE + _AFTERWARDS[one.name]
    return Rotated(_anew(one), (), then)


def forget(session: Session, name: str, *, even_so: bool, by: str, now: datetime) -> Rotated:
    """Accept none of the secrets before *name* any more. Raises SecretsError.

    The links that they signed are dead from then on, so for links it takes *even_so*.
    What they sealed is sealed again under the present one first.
    """
    one = _called(name)
    if one.name not in FORMER:
        raise SecretsError(f"nothing older than the present {one.name} is accepted anyway.")
    if not one.older:
        raise SecretsError(f"no older {one.name} is accepted.")
    if one.name == "link_secret":
        if not even_so:
            raise SecretsError(
                "mails that are out would have dead links, the one to unsubscribe among them: only "
                "if an older secret leaked, and then with --even-so."
            )
        codes.seal_again(session)
    _note(session, "secret.former_forgotten", one, by=by, now=now)
    if settings().is_embedded:
        kept.forget_former(settings().home, one.name)
    if _is_set(FORMER[one.name]):
        line = f"NEWSLETTER_{FORMER[one.name].upper()}="
        return Rotated(one, (line,), "Set it in every place that has settings, and restart there.")
    return Rotated(_anew(one), (), "Restart the service: until then it accepts them.")


_AFTERWARDS: Final = {
    "link_secret": "Links that are out keep working, for as long as mails are kept.",
    "site_token": "The site may send the one before until it has the new one, which stands in "
    "secrets.json; then `newsletter secrets forget site_token`.",
}


def _to_set(one: Secret) -> Rotated:
    now = settings()
    if one.name in FORMER:
        present = getattr(now, one.name).get_secret_value().strip()
        if "," in present:
            raise SecretsError(
                f"{one.setting} holds a comma, and the list of older ones is parted by commas: it "
                "could not be accepted any more."
            )
        former = getattr(now, FORMER[one.name]).get_secret_value()
        older = [present, *filter(None, (entry.strip() for entry in former.split(",")))]
        accepted = ",".join(older[: _ACCEPT[one.name]])
        lines = (
            _line(one.setting, dice.token_urlsafe(32)),
            _line(f"NEWSLETTER_{FORMER[one.name].upper()}", accepted),
        )
        return Rotated(one, lines, _ORDER[one.name])
    if one.name == "alerts_secret":
        fresh = "whsec_" + b64encode(dice.token_bytes(32)).decode()
        return Rotated(
            one,
            (_line(one.setting, fresh),),
            "Have whoever gets the alerts accept both first, then set it everywhere and restart.",
        )
    if one.name.endswith("_url"):
        line = f"{one.setting}=..."
        return Rotated(
            one,
            (line,),
            "Change the password at that server, set the address with the new one everywhere, and "
            "restart. A second role at the server spares the gap.",
        )
    provider = one.name.partition("_")[0]
    way = (
        f"Make a second key at {provider}, set it everywhere, restart, and delete the first there."
        if one.name.endswith("_token")
        else f"Change it at {provider}, set it everywhere, and restart: what {provider} reports "
        "meanwhile is turned away with 401, and sent again by it for hours."
    )
    return Rotated(one, (f"{one.setting}=...",), way)


_ORDER: Final = {
    "link_secret": "Set both in every place that has settings. Restart every web process first, which "
    "then accepts both, and workers and beats after that; links that are out keep working.",
    "site_token": "Set both for every web process and restart; give the site the new one; then set the "
    "second line to nothing.",
}


def _called(name: str) -> Secret:
    asked = name.strip().lower().replace("-", "_").removeprefix("newsletter_")
    every = known()
    for one in every:
        if one.name == asked:
            return one
    names = ", ".join(one.name for one in every)
    raise SecretsError(f"there is no secret {name!r} here; there are {names}.")


def _of_providers(now: Settings) -> Iterator[str]:
    for provider in now.esp_names:
        group = getattr(now, provider)
        for part, field in type(group).model_fields.items():
            if field.annotation is SecretStr and getattr(group, part).get_secret_value():
                yield f"{provider}_{part}"


def _described(now: Settings, name: str) -> Secret:
    in_file = now.is_embedded and not _is_set(name)
    source = Source.kept_file if in_file else Source.setting
    since = kept.kept_since(now.home, name) if in_file else None
    older = 0
    if name in FORMER:
        former = getattr(now, FORMER[name]).get_secret_value()
        older = sum(bool(entry.strip()) for entry in former.split(","))
    return Secret(name, source, since, older, _DEPENDS.get(name) or _of_provider(name))


def _is_set(name: str) -> bool:
    return any(key.upper() == f"NEWSLETTER_{name.upper()}" for key in os.environ)


def _line(setting: str, value: str) -> str:
    """A line for a file of settings, which systemd, compose and a shell read alike."""
    return f"{setting}={shlex.quote(value)}"


def _of_provider(name: str) -> str:
    provider, _, part = name.partition("_")
    return f"calls to {provider}" if part == "token" else f"that {provider}'s events are believed"


def _anew(one: Secret) -> Secret:
    """*one* as the file has it now; the settings of this process are still those from before."""
    home = settings().home
    older = kept.embedded_secrets(home)[FORMER[one.name]].split(",")
    since = kept.kept_since(home, one.name)
    return Secret(one.name, one.source, since, len(list(filter(None, older))), one.depends)


def _note(session: Session, action: str, one: Secret, *, by: str, now: datetime) -> None:
    audit.note(session, by=by, action=action, subject=one.name, after={"from": one.source}, now=now)
    session.flush()  # what cannot be noted is not done
