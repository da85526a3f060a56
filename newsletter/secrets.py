"""The embedded default's secrets: made on first start, kept under ``var/``, readable by their owner only."""

import base64
import json
import os
import secrets as dice
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

#: The service's own secrets; in production each must come from the environment.
NAMES: Final = ("link_secret", "suppression_secret", "site_token")


def embedded_secrets(home: Path) -> dict[str, str]:
    """The secrets kept in *home*, made if they are not there yet.

    Two processes that start at the same moment agree: the file is written
    whole under another name and then linked, which only one of them can do.
    """
    path = home / "secrets.json"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        draft = home / f".secrets-{os.getpid()}-{dice.token_hex(4)}"
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            json.dump(_fresh(), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    known: dict[str, str] = json.loads(path.read_text())
    return {name: value for name, value in known.items() if not name.startswith("sandbox.")}


def sandbox_secrets(home: Path) -> dict[str, str]:
    """What the sandbox provider signs with; the service never needs these."""
    embedded_secrets(home)
    known: dict[str, str] = json.loads((home / "secrets.json").read_text())
    return {n.removeprefix("sandbox."): v for n, v in known.items() if n.startswith("sandbox.")}


def _fresh() -> dict[str, str]:
    """Fresh secrets, with both halves of the keys that the sandbox shares with the service."""
    made = {name: dice.token_urlsafe(32) for name in NAMES}
    sendgrid = ec.generate_private_key(ec.SECP256R1())
    made["sandbox.sendgrid_private_key"] = sendgrid.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    made["sendgrid.webhook_key"] = base64.b64encode(
        sendgrid.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    ).decode()
    made["resend.webhook_key"] = "whsec_" + base64.b64encode(dice.token_bytes(24)).decode()
    for provider in ("mailgun", "postmark", "brevo"):
        made[f"{provider}.webhook_key"] = dice.token_urlsafe(24)
    for provider in ("sendgrid", "resend", "mailgun", "postmark", "ses", "brevo"):
        made[f"{provider}.token"] = f"sandbox-{dice.token_urlsafe(18)}"
    return made
