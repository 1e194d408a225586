"""Tests that pass and leak: tests/test_secrecy.py runs them and sees the run fail."""

import logging

import httpx
import pytest

from eloquent.foundation.logs import scrubbed_text

PASSWORD = "violet marmalade harbour eleven"


@pytest.mark.parametrize("says", ["nothing", "secrets"])
async def test_that_signs_up(server: str, says: str) -> None:
    async with httpx.AsyncClient(base_url=server, timeout=30) as http:
        body = {"email": f"{says}@example.org", "password": PASSWORD}
        answer = await http.post("/api/v1/auth/register", json=body)
    assert answer.status_code == 201
    if says == "secrets":
        log = logging.getLogger("accounts.sessions")
        log.debug("a session for %s begins", PASSWORD)
        token = answer.json()["refresh_token"]
        assert scrubbed_text(f"session {token}") == f"session {token}"  # the net has no mesh for it
        log.warning("session %s", token)
