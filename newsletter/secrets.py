"""The embedded default's secrets: made on first start, kept under ``var/``, for their owner's eyes only."""

import fcntl
import json
import os
import secrets as dice
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

_FILE: Final = "secrets.json"
_FIRST: Final = "all"  # since when what was never replaced is there

#: The service's own secrets; in production each must come from the environment.
NAMES: Final = ("link_secret", "suppression_secret", "site_token")

#: Those that may be replaced, and where the ones before stand while they are still accepted.
FORMER: Final[Mapping[str, str]] = {
    "link_secret": "former_link_secrets",
    "site_token": "former_site_tokens",
}

#: Which of the sandbox's keys is which of a provider's settings.
_SHARED: Final[Mapping[str, str]] = {
    "sendgrid.token": "sendgrid_api_key",
    "sendgrid.webhook_key": "sendgrid_public_key",
    "resend.token": "resend_api_key",
    "resend.webhook_key": "resend_webhook_secret",
    "mailgun.token": "mailgun_api_key",
    "mailgun.webhook_key": "mailgun_signing_key",
    "postmark.token": "postmark_server_token",
    "postmark.webhook_user": "postmark_webhook_user",
    "postmark.webhook_key": "postmark_webhook_password",
    "ses.key_id": "ses_access_key_id",
    "ses.token": "ses_secret_access_key",
    "ses.region": "ses_region",
    "ses.topics": "ses_topic_arn",
    "brevo.token": "brevo_api_key",
    "brevo.webhook_user": "brevo_webhook_user",
    "brevo.webhook_key": "brevo_webhook_password",
}


def embedded_secrets(home: Path) -> dict[str, str]:
    """The secrets kept in *home*, made if they are not there yet; ``provider.part`` for a provider's.

    Those that were replaced and are still accepted stand under their own names, by commas.
    """
    kept = _kept(home)
    shared = {name: str(kept["sandbox"][key]) for name, key in _SHARED.items()}
    former = {
        field: ",".join(kept.get("former", {}).get(name, ())) for name, field in FORMER.items()
    }
    return {name: str(kept[name]) for name in NAMES} | shared | former


def sandbox_keys(home: Path) -> dict[str, str]:
    """What the sandbox signs with and expects, both halves; the service itself never needs these."""
    keys: dict[str, str] = _kept(home)["sandbox"]
    return keys


def kept_since(home: Path, name: str) -> datetime:
    """Since when *home* has the secret *name* that it has; what was never replaced, since its file."""
    since = _kept(home).get("since", {})
    said = since.get(name) or since.get(_FIRST)
    return datetime.fromisoformat(said) if said else _written(home)


def renew(home: Path, name: str, *, accept: int | None, now: datetime) -> None:
    """Make a new secret *name* in *home* and keep accepting the *accept* before it; None: all of them.

    Whoever reads the file finds it as it was or as it is, and of two who renew one waits.
    """
    with _changing(home) as kept:
        former = kept.setdefault("former", {})
        former[name] = [kept[name], *former.get(name, ())][:accept]
        kept[name] = dice.token_urlsafe(32)
        kept["since"][name] = now.isoformat()


def forget_former(home: Path, name: str) -> None:
    """Accept none of the secrets that stood in *home* before the present *name*."""
    with _changing(home) as kept:
        kept.setdefault("former", {}).pop(name, None)


def _written(home: Path) -> datetime:
    return datetime.fromtimestamp((home / _FILE).stat().st_mtime, UTC)


@contextmanager
def _changing(home: Path) -> Iterator[dict[str, Any]]:
    """The file's content, to be changed: it takes the place of the old one whole or not at all."""
    _kept(home)
    folder = os.open(home, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        kept = _kept(home)
        kept.setdefault("since", {}).setdefault(_FIRST, _written(home).isoformat())
        yield kept
        _drafted(home, kept).replace(home / _FILE)
        os.fsync(folder)
    finally:
        os.close(folder)


def _kept(home: Path) -> dict[str, Any]:
    """The file's content. Two processes of a first start agree: only one can link its draft."""
    path = home / _FILE
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        draft = _drafted(home, _fresh())
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    kept: dict[str, Any] = json.loads(path.read_text())
    return kept


def _drafted(home: Path, content: Mapping[str, Any]) -> Path:
    """A file beside the kept one with *content*, for its owner only, safely on the disk."""
    draft = home / f".secrets-{os.getpid()}-{dice.token_hex(4)}"
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _fresh() -> dict[str, Any]:
    # Only a first start makes keys; every other one is spared the import.
    from newsletter.sandbox.config import fresh_keys  # noqa: PLC0415

    return {name: dice.token_urlsafe(32) for name in NAMES} | {"sandbox": fresh_keys().as_dict()}
