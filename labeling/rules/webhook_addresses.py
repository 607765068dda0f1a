"""Where messages may go: to the public internet, and to networks that this installation names.

An address is resolved and every answer looked at; the connection then goes to one of those that were looked
at, so that a name cannot point elsewhere between the look and the call.
"""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from labeling.errors import InvalidInput

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
MAX_CHARACTERS = 500
TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
"""IPv6 addresses that stand for IPv4 ones behind a translator (RFC 6052, RFC 8215)."""
APART = tuple(
    ipaddress.ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "fec0::/10", "3fff::/20", "5f00::/16")
)
"""Set apart by IANA, yet global to Python 3.11: protocol assignments, 6to4 relays, site-local addresses,
documentation, segment routing."""


class RefusedAddress(Exception):
    """Nothing is sent there; the message says why."""


@dataclass(frozen=True)
class Target:
    """A checked place to call: `addresses` are where the connection may go, `host` what they are called."""

    scheme: str
    host: str
    port: int
    path: str
    addresses: tuple[str, ...]


def check_url(url: str) -> None:
    """Refuse an address that nothing may be sent to. Raises InvalidInput with what is allowed."""
    try:
        find_target(url)
    except RefusedAddress as error:
        raise InvalidInput(str(error), fields={"url": str(error)}) from None


def find_target(url: str) -> Target:
    """Resolve an address and check all that it leads to. Raises RefusedAddress."""
    if len(url) > MAX_CHARACTERS or any(ord(letter) < 33 for letter in url):
        raise RefusedAddress(f"The address has up to {MAX_CHARACTERS} characters and no space.")
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise RefusedAddress(f"{url} is no address of the web.") from None
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise RefusedAddress(f"{url} is no address of the web; it must start with https://.")
    if parts.username or parts.password:
        raise RefusedAddress("The address must hold no name or password: messages are signed instead.")
    found = _resolve(parts.hostname, port)
    allowed = [_is_allowed(address) for address in found]
    for address, is_named in zip(found, allowed, strict=True):
        if not is_named and not _is_public(address):
            host = parts.hostname
            way = f"{host} is" if host == str(address) else f"{host} leads to {address}, which is"
            raise RefusedAddress(
                f"{way} not on the public internet; an operator may name its network in "
                "WEBHOOK_ALLOWED_NETWORKS."
            )
    if parts.scheme == "http" and not all(allowed):
        raise RefusedAddress("The address must start with https://: others could read the messages.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, parts.hostname, port, path, tuple(str(address) for address in found))


def _resolve(host: str, port: int) -> list[Address]:
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise RefusedAddress(f"{host} is not known to the name service.") from None
    found = dict.fromkeys(str(row[4][0]).partition("%")[0] for row in rows)
    if not found:
        raise RefusedAddress(f"{host} is not known to the name service.")
    return [ipaddress.ip_address(text) for text in found]


def _is_public(address: Address) -> bool:
    """Return whether an address, and any IPv4 address wrapped in it, is on the public internet."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is not None and not _is_public(inner):
            return False
        if any(address in network for network in TRANSLATED):
            return False
    if any(address in network for network in APART):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _is_allowed(address: Address) -> bool:
    """Return whether an operator has named the network of an address."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in ipaddress.ip_network(text) for text in settings.WEBHOOK_ALLOWED_NETWORKS)
