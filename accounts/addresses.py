"""The client's address behind proxies. Pure."""

import ipaddress
from functools import lru_cache
from typing import Final

UNKNOWN_ADDRESS: Final = ""
_IPV6_HOME_PREFIX = 64
# In brackets, with a zone and a port.
_LONGEST_ADDRESS = 80


def client_address(peer: str | None, forwarded_for: str | None, *, trusted_hops: int) -> str:
    """The client's IP address in its shortest spelling; empty when it cannot be told (a unix socket).

    Each proxy appends the address that spoke to it to X-Forwarded-For, so with N proxies of our own the client is the
    Nth from the right; what stands further left was sent by the client and may say anything. With fewer than N entries
    the request came round the proxies: then the peer is believed, never the header.

    Args:
        peer: the address of the connection (REMOTE_ADDR).
        forwarded_for: the X-Forwarded-For header as it came, several joined by commas.
        trusted_hops: how many proxies stand in front of us; with 0 the header is not read.
    """
    if forwarded_for and came_through_proxies(forwarded_for, trusted_hops=trusted_hops):
        address = _canonical(forwarded_for.split(",")[-trusted_hops])
        if address:
            return address
    return _canonical(peer or "")


def came_through_proxies(forwarded_for: str | None, *, trusted_hops: int) -> bool:
    """Whether every proxy of ours has seen the request, as X-Forwarded-For says: only then are their headers theirs."""
    return bool(forwarded_for) and 0 < trusted_hops <= len((forwarded_for or "").split(","))


@lru_cache(maxsize=4096)
def throttle_key(address: str) -> str:
    """What limits count an address by: itself, or for IPv6 its /64, since one home has all of those."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if parsed.version == 4:  # noqa: PLR2004 - the protocol's version
        return str(parsed)
    return str(ipaddress.ip_network((parsed, _IPV6_HOME_PREFIX), strict=False))


def _canonical(text: str) -> str:
    text = text.strip()
    # Kept are only short ones: a header may be as long as a stranger likes.
    return _parsed(text) if len(text) <= _LONGEST_ADDRESS else UNKNOWN_ADDRESS


@lru_cache(maxsize=8192)
def _parsed(text: str) -> str:
    if text.startswith("["):  # [2001:db8::1]:443, as some proxies write
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:  # 192.0.2.1:443
        text = text.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return UNKNOWN_ADDRESS
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)
