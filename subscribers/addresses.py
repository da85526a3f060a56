"""Addresses of people: checked, compared in a normal form, and known elsewhere only by a keyed hash."""

import hashlib

from email_validator import EmailNotValidError, validate_email


class BadAddress(Exception):
    """Nothing that mail can be sent to; the message says why, without the address."""


def normal_form(address: str) -> str:
    """*address* as it is compared: one spelling for each mailbox.

    The domain in lower case and Unicode NFC, the local part in lower case too,
    as every large provider reads it. Raises BadAddress.
    """
    try:
        checked = validate_email(address.strip(), check_deliverability=False)
    except EmailNotValidError as error:
        # The library quotes parts of the address in some messages; ours goes to logs as well.
        raise BadAddress(
            "That is not an email address: it needs a name, one @ and a domain."
        ) from error
    return checked.normalized.lower()


def address_key(normal: str, *, secret: str) -> bytes:
    """The 16 bytes that stand for a normal form; without *secret* they lead nowhere."""
    key = hashlib.blake2b(secret.encode(), digest_size=32, person=b"addresses").digest()
    return hashlib.blake2b(normal.encode(), digest_size=16, key=key).digest()
