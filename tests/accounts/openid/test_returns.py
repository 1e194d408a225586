"""Where people are sent: to our own pages and those of our frontends, however the address is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.openid.returns import is_ours, told

HOST = "api.example.org"
ALLOWED = {"https://app.example.org", "http://localhost:3000"}


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/#/c/0123",
        "/account?x=1&y=https://evil.example.org",
        "/%2F/evil.example.org",
        "/.//x",
        "https://app.example.org",
        "https://app.example.org/in?x=1#y",
        "HTTPS://APP.example.org/",
        "http://localhost:3000/",
        "https://api.example.org/",
    ],
)
def test_pages_of_ours(address: str) -> None:
    assert is_ours(address, host=HOST, allowed=ALLOWED)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "account",
        "//evil.example.org",
        "///evil.example.org",
        "/\\evil.example.org",
        "\\\\evil.example.org",
        "/\t/evil.example.org",
        "/\n/evil.example.org",
        "\t//evil.example.org",
        " //evil.example.org",
        "/x\r\nSet-Cookie: a=b",
        "/é",
        "https:evil.example.org",
        "https:/evil.example.org",
        "https:///evil.example.org",
        "https:app.example.org",
        "https://evil.example.org",
        "https://app.example.org.evil.example.org",
        "https://app.example.org@evil.example.org",
        "https://evil.example.org\\@app.example.org",
        "https://evil.example.org#https://app.example.org",
        "https://evil.example.org?https://app.example.org",
        "http://app.example.org",
        "https://app.example.org:8443",
        "https://app.example.org:443",
        "https://[app.example.org",
        "javascript:alert(1)",
        "javascript://app.example.org/%0aalert(1)",
        "data:text/html,x",
        "ftp://api.example.org/",
        "/" + "x" * 1500,
    ],
)
def test_pages_of_others(address: str) -> None:
    assert not is_ours(address, host=HOST, allowed=ALLOWED)


@given(st.text(alphabet="/\\:@#?.\t\r\n %htpsevilapx.orgm", max_size=30))
def test_what_is_let_through_is_a_path_or_begins_with_an_origin_of_ours(address: str) -> None:
    if is_ours(address, host=HOST, allowed=ALLOWED):
        origins = ("https://app.example.org", "http://localhost:3000", f"http://{HOST}", f"https://{HOST}")
        assert (address[0] == "/" and address[1:2] not in ("/", "\\")) or address.lower().startswith(origins)


def test_words_for_the_page_stand_behind_the_hash_alone() -> None:
    assert told("/?a=1#/c/1", openid_error="x&y") == "/?a=1#openid_error=x%26y"
