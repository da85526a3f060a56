"""Asking DNS: texts, aliases and addresses, told apart from silence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import dns.exception
import dns.resolver
from dns.rdatatype import RdataType

from newsletter.settings import settings

_PATIENCE: Final = 6.0  # seconds for one question, with its repeats


class Silence(Exception):
    """No name server gave an answer: nothing is known of the name, not even that it is not there."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"DNS gave no answer about {name}: {why}.")
        self.name, self.why = name, why


class Names(Protocol):
    """What can be asked. Each answers with nothing for a name that is not there; raises Silence."""

    def texts(self, name: str) -> list[str]:
        """Its TXT records, each joined to one text; through aliases."""

    def resolves(self, name: str) -> bool:
        """Whether it has an address."""


@dataclass(frozen=True, slots=True)
class Resolver:
    """A resolver on the machine's name servers, or on the one that settings name."""

    inner: dns.resolver.Resolver

    def texts(self, name: str) -> list[str]:
        """Its TXT records, each joined to one text; through aliases."""
        return [
            b"".join(record.strings).decode("utf-8", "replace")
            for record in self._asked(name, RdataType.TXT)
        ]

    def resolves(self, name: str) -> bool:
        """Whether it has an address."""
        return bool(self._asked(name, RdataType.A) or self._asked(name, RdataType.AAAA))

    def _asked(self, name: str, kind: RdataType) -> Sequence[dns.resolver.Answer]:
        try:
            return list(self.inner.resolve(name, kind, lifetime=_PATIENCE, search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.exception.DNSException as error:
            raise Silence(name, type(error).__name__) from None


def resolver() -> Resolver:
    """The resolver that settings ask for. Raises Silence when this machine has none."""
    wanted = settings().doctor.resolver
    try:
        inner = dns.resolver.Resolver(configure=not wanted)
        if wanted:
            host, _, port = wanted.rpartition(":") if _has_port(wanted) else (wanted, "", "53")
            inner.nameservers = [host.strip("[]")]
            inner.port = int(port)
    except (dns.exception.DNSException, ValueError) as error:
        raise Silence("anything", f"{type(error).__name__}") from None
    return Resolver(inner)


def _has_port(address: str) -> bool:
    return (address.startswith("[") and "]:" in address) or address.count(":") == 1
