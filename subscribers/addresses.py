"""Addresses of people: checked, compared in a normal form, and known elsewhere only by a keyed hash."""

import hashlib
import re
from typing import Final

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

# What most addresses look like. Whatever does not is read by the library, at fifty times the cost;
# so are internationalised domains and those that no mail goes to.
_ATOM: Final = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]"
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PLAIN: Final = re.compile(
    rf"(?=.{{1,254}}\Z)(?=.{{1,64}}@){_ATOM}+(?:\.{_ATOM}+)*"
    rf"@(?:(?!..--){_LABEL}\.)+[a-z]{{2,63}}\Z"
)
_SPECIAL: Final = frozenset(name.rpartition(".")[2] for name in SPECIAL_USE_DOMAIN_NAMES)


class BadAddress(Exception):
    """Nothing that mail can be sent to; the message says why, without the address."""


def normal_form(address: str) -> str:
    """*address* as it is compared: one spelling for each mailbox.

    The domain in lower case and Unicode NFC, the local part in lower case too,
    as every large provider reads it. Raises BadAddress.
    """
    plain = address.strip().lower()
    if plain.isascii() and _PLAIN.match(plain) and plain.rpartition(".")[2] not in _SPECIAL:
        return plain
    return _by_the_book(address)


def _by_the_book(address: str) -> str:
    try:
        checked = validate_email(address.strip(), check_deliverability=False)
    except EmailNotValidError as error:
        # The library quotes parts of the address in some messages; ours goes to logs as well.
        raise BadAddress(
            "That is not an email address: it needs a name, one @ and a domain."
        ) from error
    return checked.normalized.lower()


class AddressKeys:
    """Makes the 16 bytes that stand for a normal form; without the secret they lead nowhere."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.blake2b(secret.encode(), digest_size=32, person=b"addresses").digest()

    def __call__(self, normal: str) -> bytes:
        """The key of one normal form."""
        return hashlib.blake2b(normal.encode(), digest_size=16, key=self._key).digest()


def address_key(normal: str, *, secret: str) -> bytes:
    """The key of one normal form."""
    return AddressKeys(secret)(normal)
