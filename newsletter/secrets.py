"""The embedded default's secrets: made on first start, kept under ``var/``, for their owner's eyes only."""

import json
import os
import secrets as dice
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

#: The service's own secrets; in production each must come from the environment.
NAMES: Final = ("link_secret", "suppression_secret", "site_token")

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
    """The secrets kept in *home*, made if they are not there yet; ``provider.part`` for a provider's."""
    kept = _kept(home)
    shared = {name: str(kept["sandbox"][key]) for name, key in _SHARED.items()}
    return {name: str(kept[name]) for name in NAMES} | shared


def sandbox_keys(home: Path) -> dict[str, str]:
    """What the sandbox signs with and expects, both halves; the service itself never needs these."""
    keys: dict[str, str] = _kept(home)["sandbox"]
    return keys


def _kept(home: Path) -> dict[str, Any]:
    """The file's content. Two processes of a first start agree: only one can link its draft."""
    path = home / "secrets.json"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        draft = home / f".secrets-{os.getpid()}-{dice.token_hex(4)}"
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            json.dump(_fresh(), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    kept: dict[str, Any] = json.loads(path.read_text())
    return kept


def _fresh() -> dict[str, Any]:
    # Only a first start makes keys; every other one is spared the import.
    from newsletter.sandbox.config import fresh_keys  # noqa: PLC0415

    return {name: dice.token_urlsafe(32) for name in NAMES} | {"sandbox": fresh_keys().as_dict()}
