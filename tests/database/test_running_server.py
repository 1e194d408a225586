"""The server that tests talk to is the real one, in their own loop, on their database."""

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from eloquent.foundation.database import database
from tests.uvicorn_server import running_server


async def test_the_server_answers_over_http_from_both_roads(server):
    async with httpx.AsyncClient(base_url=server, timeout=30) as client:
        alive = await client.get("/healthz")
        desk = await client.get("/admin/login/")

    assert alive.status_code == 200
    assert "Eloquent AI" in desk.text


async def test_what_the_server_writes_is_in_the_test_database(server):
    person = {"email": "through-http@example.com", "password": "a-long-enough-password"}
    async with httpx.AsyncClient(base_url=server, timeout=30) as client:
        registered = await client.post("/api/v1/auth/register", json=person)

    assert registered.status_code == 201
    assert database().name == connection.settings_dict["NAME"]
    assert await database()["users"].count_documents({"email": person["email"]}) == 1


async def test_and_it_is_gone_in_the_next_test(server):
    assert await database()["users"].count_documents({}) == 0
    assert await sync_to_async(lambda: connection.database["sessions"].count_documents({}))() == 0


async def test_an_application_that_refuses_to_start_is_said():
    async def refusing(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    with pytest.raises(RuntimeError, match="refused to start"):
        async with running_server(refusing):
            pass
