"""Whatever stands in a Cookie header: no fault of ours, and nobody let in but by the one token."""

from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.cookies import REFRESH_COOKIE
from eloquent.asgi import application
from eloquent.foundation import lifecycle
from tests.front_door.threaded_server import serving
from tests.people import PASSWORD

pytestmark = pytest.mark.django_db

NAME = REFRESH_COOKIE.encode()
# What HTTP lets stand in a header's value.
HEADER_BYTES = st.binary(max_size=300).map(lambda raw: bytes(b for b in raw if b >= 32 and b != 127).strip())
PIECES = st.sampled_from([NAME, b"=", b";", b" ", b'"', b"\\", b",", b"TOKEN", b"\xff", b"a", b"="])


@pytest.fixture
def client(db: None) -> Iterator[httpx.Client]:
    with (
        serving(application, lifespan="on") as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as http,
    ):
        yield http
    lifecycle.open_for_work()


def refreshed(client: httpx.Client, cookie: bytes) -> httpx.Response:
    """The answer to an exchange from our own page with this Cookie header."""
    origin = str(client.base_url).rstrip("/").encode()
    return client.post("/api/v1/auth/refresh", headers=[(b"cookie", cookie), (b"origin", origin)])


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.one_of(HEADER_BYTES, st.lists(PIECES, max_size=12).map(lambda pieces: b"".join(pieces).strip())))
@example(b"")
@example(NAME + b"=" + b"A" * 80)
@example(NAME + b"=" + b"A" * 7000)
@example(b";" * 3000)
def test_no_cookie_header_breaks_anything_or_lets_anybody_in(client: httpx.Client, cookie: bytes) -> None:
    answer = refreshed(client, cookie)
    assert (answer.status_code, answer.json()["code"]) == (401, "refresh_refused")
    assert "set-cookie" not in answer.headers


def test_whoever_has_never_had_a_token_of_a_session_cannot_end_it(client: httpx.Client) -> None:
    """The session's id and its lineage are the first 28 bytes of a token: 37 characters and a part of the next."""
    person = {"email": "ann@example.org", "password": PASSWORD, "cookie": True}
    origin = str(client.base_url).rstrip("/")
    token = client.post("/api/v1/auth/register", json=person, headers={"Origin": origin}).cookies[REFRESH_COOKIE]
    client.cookies.clear()

    @settings(max_examples=60)
    @given(st.integers(0, 36), st.sampled_from("ABCxyz019-_"))
    def changed(place: int, other: str) -> None:
        if other != token[place]:
            answer = refreshed(client, NAME + f"={token[:place]}{other}{token[place + 1 :]}".encode())
            assert (answer.status_code, answer.json()["code"]) == (401, "refresh_refused")

    changed()
    assert refreshed(client, NAME + b"=" + token.encode()).status_code == 200
