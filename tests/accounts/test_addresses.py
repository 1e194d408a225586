"""Who a request comes from, and which pages are trusted."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.addresses import client_address, throttle_key
from accounts.devices import device_label
from accounts.origins import is_own_origin

addresses = st.ip_addresses().map(str)
# What a client may put in the header it sends.
anything = st.text(alphabet="0123456789abcdef.:,[]% \t\n;=", max_size=60) | addresses


def shortest(address: str) -> str:
    parsed = ipaddress.ip_address(address)
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)


@given(addresses, anything | st.none())
def test_without_proxies_the_header_is_not_read(peer: str, header: str | None) -> None:
    assert client_address(peer, header, trusted_hops=0) == shortest(peer)


@given(anything, addresses, st.lists(addresses, max_size=4), addresses)
def test_what_the_client_writes_never_changes_its_address(
    forged: str, client: str, proxies: list[str], peer: str
) -> None:
    """Each trusted proxy appends who spoke to it: the client first, then the proxies before the last."""
    header = ",".join([forged, client, *proxies])
    assert client_address(peer, header, trusted_hops=1 + len(proxies)) == shortest(client)


@given(st.lists(addresses, max_size=3), addresses, st.integers(min_value=1, max_value=3))
def test_a_request_that_came_round_the_proxies_is_its_peers(entries: list[str], peer: str, missing: int) -> None:
    header = ",".join(entries)
    assert client_address(peer, header, trusted_hops=len(entries) + missing) == shortest(peer)


@given(anything | st.none(), anything | st.none(), st.integers(min_value=0, max_value=5))
def test_the_answer_is_an_address_or_nothing(peer: str | None, header: str | None, hops: int) -> None:
    address = client_address(peer, header, trusted_hops=hops)
    assert address == "" or shortest(address) == address
    assert throttle_key(address)


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:5123", "203.0.113.7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        (" 2001:DB8:0:0::7 ", "2001:db8::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("unknown", "192.0.2.1"),
        ("", "192.0.2.1"),
    ],
)
def test_the_spellings_of_proxies_are_understood(header: str, address: str) -> None:
    assert client_address("192.0.2.1", f"evil, {header}", trusted_hops=1) == address


def test_one_home_is_one_guesser() -> None:
    assert throttle_key("2001:db8:1:2::1") == throttle_key("2001:db8:1:2:ffff::9")
    assert throttle_key("2001:db8:1:3::1") != throttle_key("2001:db8:1:2::1")
    assert throttle_key("203.0.113.7") != throttle_key("203.0.113.8")


@pytest.mark.parametrize(
    ("origin", "host", "trusted"),
    [
        ("http://chat.example.org", "chat.example.org", True),
        ("https://CHAT.example.org", "chat.example.org", True),
        ("https://chat.example.org:8443", "chat.example.org:8443", True),
        ("https://chat.example.org:8443", "chat.example.org", False),
        ("https://chat.example.org.evil.example", "chat.example.org", False),
        ("https://evil.example/chat.example.org", "chat.example.org", False),
        ("https://chat.example.org@evil.example", "chat.example.org", False),
        ("https://app.example.org", "chat.example.org", True),
        ("http://app.example.org", "chat.example.org", False),
        ("ftp://chat.example.org", "chat.example.org", False),
        ("null", "chat.example.org", False),
        ("null", "null", False),
        ("", "", False),
        ("http://", "", False),
        (None, "chat.example.org", False),
    ],
)
def test_our_own_page_and_allowed_frontends_are_trusted(origin: str | None, host: str, trusted: bool) -> None:
    assert is_own_origin(origin, host=host, allowed=("https://app.example.org",)) is trusted


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_origin_breaks_the_rule(origin: str, host: str) -> None:
    is_own_origin(origin, host=host, allowed=())


@pytest.mark.parametrize(
    ("user_agent", "label"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36",
            "Chrome on Windows",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Linux; Android 16) Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.9.1", "curl"),
        ("", "Unknown device"),
        ("\x00\ud800", "Unknown device"),
    ],
)
def test_a_device_is_called_what_people_call_it(user_agent: str, label: str) -> None:
    assert device_label(user_agent) == label
