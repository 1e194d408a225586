"""Which addresses a request of ours may go to, when the address comes from a setting or from somebody else.

A request made by a server reaches what its sender cannot: databases, routers, a cloud's own metadata. So a URL is
looked at twice. `Guard.check` reads it as text; `Guard.addresses` resolves the host, judges every address and returns
them, and the connection must go to one of these and to no second answer of the resolver
(`eloquent.foundation.guarded_http` does that).

Without more words only `https` on port 443 to public addresses is open. An operator opens more by naming it:

    tools.example.org:8443          this port of a host
    10.0.0.7, mcp.internal          a host of an own network, on 443
    http://127.0.0.1:9000           the same without TLS
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final
from urllib.parse import SplitResult, urlsplit

LONGEST_URL: Final = 2000
RESOLVE_LIMIT_S: Final = 5.0
_PORTS: Final = {"https": 443, "http": 80}
_PRINTABLE: Final = re.compile(r"[!-~]+")
_HOST_NAME: Final = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*")
# What the resolver reads as an IPv4 address though it does not look like one: 2130706433, 0x7f.1, 0177.0.0.1.
_NUMBER: Final = re.compile(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)")

_OWN_NETWORKS: Final[tuple[IPv4Network | IPv6Network, ...]] = tuple(
    ipaddress.ip_network(network)
    for network in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "::1", "fc00::/7")
)
# Never right, though Python's `is_global` or an own network lets some of them pass.
_NEVER: Final[tuple[IPv4Network | IPv6Network, ...]] = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("192.0.0.0/24", "192.88.99.0/24", "2002::/16"),  # protocol assignments, 6to4 and its relays
        *("2001::/23", "2001:db8::/32", "3fff::/20"),  # Teredo and its like, documentation
        *("168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254"),  # what clouds tell their machines
    )
)
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")


class AddressRefused(Exception):
    """A request may not go there. The text is a sentence for the operator; it names the host and no secret."""


class Reach(Enum):
    """Where an address leads: to everybody, into a network of one's own, or nowhere that a request should go."""

    PUBLIC = auto()
    OWN = auto()
    NOWHERE = auto()


def reach_of(address: IPv4Address | IPv6Address) -> Reach:
    """Where this address leads.

    IPv6 addresses with an IPv4 address inside (mapped, compatible, 6to4, Teredo) lead nowhere: they are a way around a
    check and of no other use. Those of a NAT64 lead where the inner one does, if that is public: in a network without
    IPv4 every host of the other kind has such an address.
    """
    if isinstance(address, IPv6Address) and address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        return Reach.PUBLIC if reach_of(inner) is Reach.PUBLIC else Reach.NOWHERE
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return Reach.NOWHERE
    if any(address in network for network in _NEVER):
        return Reach.NOWHERE
    if any(address in network for network in _OWN_NETWORKS):
        return Reach.OWN
    if (
        not address.is_global
        or address.is_multicast
        or address.is_reserved
        or (isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST)
    ):
        return Reach.NOWHERE
    return Reach.PUBLIC


def leads_nowhere(host: str) -> bool:
    """Whether the host is written as an address to which no request should go, though an operator named it.

    The whole of `0.0.0.0` and `::` is this machine in many people's settings, and let through.
    """
    try:
        address = ipaddress.ip_address(_host_of(host))
    except ValueError:
        return False
    return not address.is_unspecified and reach_of(address) is Reach.NOWHERE


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """What an operator has opened. Without a port it is the scheme's own; `plain` allows `http` beside `https`."""

    host: str
    port: int | None
    plain: bool

    @classmethod
    def read(cls, text: str) -> "AllowedHost":
        """Read `[http://]host[:port]`.

        Raises:
            ValueError: it is not of that form; the text says why.
        """
        plain = text.startswith("http://")
        try:
            parts = urlsplit(text if "://" in text else f"//{text}", scheme="https")
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ValueError(f"{text} is not a host") from error
        if parts.scheme not in _PORTS or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError(f"{text} is more than a host and a port")
        return cls(_host_of(host), port, plain)

    def opens(self, host: str, port: int) -> bool:
        """Whether this is the host, on this port, whichever the scheme."""
        return self.host == host and (port == self.port if self.port is not None else port in self._usual_ports)

    @property
    def _usual_ports(self) -> tuple[int, ...]:
        return (443, 80) if self.plain else (443,)


class Guard:
    """The rules of one kind of request.

    Args:
        allowed: hosts that an operator has opened (see the module).
    """

    def __init__(self, allowed: Iterable[AllowedHost] = ()) -> None:
        self._allowed = tuple(allowed)

    def check(self, url: str) -> None:
        """Look at a URL before anything is resolved.

        Raises:
            AddressRefused: a request may not go there, whatever the host's address.
        """
        scheme, host, port = _parts_of(url)
        opened = [entry for entry in self._allowed if entry.opens(host, port)]
        if scheme == "http" and not any(entry.plain for entry in opened):
            raise AddressRefused(f"{host} can be asked over https only, unless http://{host} is allowed by name.")
        if port != _PORTS["https"] and not opened:
            raise AddressRefused(f"Port {port} of {host} is not open, unless it is allowed by name.")
        try:
            literal = ipaddress.ip_address(host)
        except ValueError:
            return
        self._judge(host, port, [literal])

    async def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """The host's addresses, in the order in which to try them. Connect to these and resolve no second time.

        One address that is not allowed is enough to refuse the host: a name that leads to both sides is a trap.

        Raises:
            AddressRefused: at least one of the addresses may not be reached.
            OSError: the name has no address, or the resolver did not answer in time (TimeoutError).
        """
        host = host.strip("[]").rstrip(".").lower()
        async with asyncio.timeout(RESOLVE_LIMIT_S):
            try:
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except UnicodeError as error:
                raise AddressRefused(f"{host[:100]} is not a host.") from error
        addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
        self._judge(host, port, [ipaddress.ip_address(address) for address in addresses])
        return tuple(addresses)

    def _judge(self, host: str, port: int, addresses: Iterable[IPv4Address | IPv6Address]) -> None:
        own_allowed = any(entry.opens(host, port) for entry in self._allowed)
        for address in addresses:
            reach = reach_of(address)
            if reach is Reach.NOWHERE:
                raise AddressRefused(f"{host} has the address {address}, to which no request may go.")
            if reach is Reach.OWN and not own_allowed:
                raise AddressRefused(f"{host} is in a network of our own ({address}) and not allowed by name.")


def _parts_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port; refused is whatever two readers of a URL might understand in two ways."""
    if len(url) > LONGEST_URL or not _PRINTABLE.fullmatch(url) or "\\" in url:
        raise AddressRefused("The address is too long or has characters that do not belong in one.")
    try:
        parts: SplitResult = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressRefused("The address cannot be read.") from error
    if parts.scheme not in _PORTS:
        raise AddressRefused("An address must begin with https://.")
    if "@" in parts.netloc:
        raise AddressRefused("An address must not have a user or a password in it.")
    if port == 0 or parts.netloc.endswith(":"):
        raise AddressRefused("The address has no port where one should be.")
    try:
        return parts.scheme, _host_of(parts.hostname), port or _PORTS[parts.scheme]
    except ValueError as error:
        raise AddressRefused(f"The address cannot be used: {error}.") from error


def _host_of(host: str | None) -> str:
    """The host in the one form that is compared: lower case, no dot at its end."""
    plain = (host or "").lower().removesuffix(".")
    if ":" in plain:
        try:
            address = IPv6Address(plain)
        except ValueError as error:
            raise ValueError(f"{plain[:100]} is not an IPv6 address") from error
        if address.scope_id is not None:
            raise ValueError("an IPv6 address must not name an interface")
        return str(address)
    if _NUMBER.fullmatch(plain):
        try:
            return str(IPv4Address(plain))
        except ValueError as error:
            raise ValueError(f"{plain[:100]} is not four numbers, as an IPv4 address is written") from error
    if not _HOST_NAME.fullmatch(plain):
        raise ValueError(f"“{plain[:100]}” is not a host's name in ASCII letters")
    return plain
