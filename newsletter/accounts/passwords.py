"""Passwords: kept as argon2id, and a wrong name takes as long as a wrong password."""

import threading
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from newsletter.accounts.errors import WeakPassword

SHORTEST: Final = 12  # characters; length is what counts (NIST SP 800-63B, 3.1.1.2)
_LONGEST: Final = 256  # characters: hashing is work, and strangers may ask for it

#: argon2-cffi's own parameters are those of RFC 9106 for little memory: 64 MiB and three passes.
_hasher: Final = PasswordHasher()
#: 64 MiB for each that is being checked: strangers must not be able to ask for them all at once.
_room: Final = threading.BoundedSemaphore(2)


def hashed(password: str, *, known: tuple[str, ...] = ()) -> str:
    """*password* as it is kept. Raises WeakPassword, also for one made of the *known* words."""
    if len(password) < SHORTEST:
        raise WeakPassword(f"A password has at least {SHORTEST} characters; a sentence is best.")
    if len(password) > _LONGEST:
        raise WeakPassword(f"A password has at most {_LONGEST} characters.")
    bare = password.casefold()
    for word in known:
        bare = bare.replace(word.casefold(), "") if word else bare
    if len(set(bare)) < 5:  # noqa: PLR2004 - of twelve characters, four different ones are a pattern
        raise WeakPassword("That password is too easy to guess; take a sentence of your own.")
    with _room:
        return _hasher.hash(password)


def matches(kept: str | None, password: str) -> bool:
    """Whether *password* is the one that is *kept*; as slow for an account that has none."""
    with _room:
        try:
            genuine = _hasher.verify(kept or _nobodys(), password[: _LONGEST + 1])
        except (VerificationError, InvalidHashError):
            return False
    return genuine and kept is not None


def is_outdated(kept: str) -> bool:
    """Whether *kept* was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(kept)


@cache
def _nobodys() -> str:
    return _hasher.hash("the password of nobody")
