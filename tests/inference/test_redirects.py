"""A model server that sends us elsewhere is not followed: neither the question nor the key goes there."""

import pytest

from inference.errors import InferenceError
from tests.inference.rigs import ASKED, WIRE_RIGS, close_providers, collected, provider_at
from tests.uvicorn_server import running_server


@pytest.mark.parametrize("kind", [rig.kind for rig in WIRE_RIGS])
@pytest.mark.parametrize("status", [301, 307, 308])
async def test_no_provider_follows_a_redirect(kind: str, status: int) -> None:
    asked: list[tuple[str, str]] = []

    async def app(scope, receive, send) -> None:
        host = dict(scope["headers"])[b"host"].decode()
        asked.append((host, scope["path"]))
        location = f"http://127.0.0.1:{elsewhere.rpartition(':')[2]}/latest/meta-data".encode()
        await send({"type": "http.response.start", "status": status, "headers": [(b"location", location)]})
        await send({"type": "http.response.body", "body": b"{}"})

    async with running_server(app, lifespan="off") as url, running_server(app, lifespan="off") as elsewhere:
        provider = provider_at(kind, url)
        events, error = await collected(provider.answer(ASKED))
        await close_providers()
        assert events == []
        assert isinstance(error, InferenceError)
        assert asked
        assert {f"http://{host}" for host, _ in asked} == {url}
        assert "meta-data" not in str(error)
