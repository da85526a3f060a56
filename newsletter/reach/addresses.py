"""Which addresses on the network may be asked: public ones, whatever a name or a redirect says."""

import ipaddress
import socket
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: IPv6 in which IPv4 is wrapped: NAT64 (RFC 6052).
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
#: Not the internet's either, whatever the Python at hand says of them.
_LOCAL: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # for protocols (RFC 6890); one cloud's metadata service answers there
        "192.88.99.0/24",  # relays that are no more (RFC 7526)
        "168.63.129.16/32",  # another cloud's, out of the range that it has bought
        "64:ff9b:1::/48",  # NAT64 of a network's own (RFC 8215), wherever in it the IPv4 stands
        "fec0::/10",  # private networks of old (RFC 3879)
        "3fff::/20",  # for documents (RFC 9637)
        "5f00::/16",  # for segment routing (RFC 9602)
    )
)
_PORTS: Final = {"http": 80, "https": 443}


class NotForUs(Exception):
    """It leads to where no request of ours may go."""


def check_url(url: str) -> tuple[str, str]:
    """The scheme and host of *url*; raises NotForUs for any but the web's own schemes and ports."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise NotForUs("it is no address of the web") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise NotForUs("it is no address of the web")
    if parts.username is not None or parts.password is not None:
        raise NotForUs("it carries a name or a password")
    if port not in {None, _PORTS[parts.scheme]}:
        raise NotForUs("it names a port of its own")
    return parts.scheme, parts.hostname


def resolve(host: str, port: int) -> list[tuple[str, int]]:
    """Where *host* is: its addresses, with the port. Raises NotForUs, and OSError when it has none.

    All of them and not only the first: a name with one public and one private
    address is a trap, and nobody is asked to step into it.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(known[4][0]) for known in found))
    for address in addresses:
        if not is_public(address):
            raise NotForUs("it leads into a private network")
    return [(address, port) for address in addresses]


def is_public(address: str) -> bool:
    """Whether *address* is one that the whole internet reaches, and what is wrapped in it too."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return False
    return all(
        one.is_global
        and not (one.is_multicast or one.is_reserved or one.is_loopback or one.is_link_local)
        and not any(one in network for network in _LOCAL)
        for one in _unwrapped(known)
    )


def _unwrapped(address: _Address) -> Iterator[_Address]:
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    inside = address.ipv4_mapped or address.sixtofour
    if inside is None and address in _NAT64:
        inside = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if inside is None:
        yield address
    else:
        yield inside
    if address.teredo is not None:
        yield from address.teredo
