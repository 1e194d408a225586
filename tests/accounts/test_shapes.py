"""What the routes answer fits what the OpenAPI document says, and emails have one form."""

from functools import cache
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from accounts.emails import MAX_EMAIL_CHARS, EmailError, normalise_email
from eloquent.api import openapi_document
from tests.accounts.conftest import PASSWORD

openapi = cache(openapi_document)  # writing it takes half a second


def documented(method: str, path: str, status: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema of an answer, and all named schemas."""
    document = openapi()
    response = document["paths"][f"/api/v1/{path}"][method]["responses"][str(status)]
    return response["content"]["application/json"]["schema"], document["components"]["schemas"]


def assert_fits(value: Any, schema: dict[str, Any], named: dict[str, Any]) -> None:
    """Every key that is needed is there, and none that is not documented."""
    if "$ref" in schema:
        schema = named[schema["$ref"].rsplit("/", 1)[1]]
    if schema.get("type") == "object":
        assert set(schema.get("required", ())) <= set(value) <= set(schema["properties"])
        for key, inner in value.items():
            assert_fits(inner, schema["properties"][key], named)
    elif schema.get("type") == "array":
        assert value
        for item in value:
            assert_fits(item, schema["items"], named)
    elif "type" in schema:
        assert isinstance(value, {"string": str, "integer": int, "boolean": bool}[schema["type"]])


async def test_every_answer_has_its_documented_shape(a_person: Any, http: httpx.AsyncClient) -> None:
    person = await a_person(name="Ada")
    await person.sign_in_again()
    new = {"email": "shape@example.org", "password": PASSWORD}
    change = {"current_password": PASSWORD, "new_password": "another good long password"}
    asked = [
        ("post", "auth/register", new, 201),
        ("post", "auth/login", new, 200),
        ("post", "auth/refresh", {"refresh_token": person.refresh_token}, 200),
        ("get", "auth/sessions", None, 200),
        ("post", "auth/socket-ticket", None, 201),
        ("get", "me", None, 200),
        ("patch", "me", {"name": "Grace"}, 200),
        ("post", "auth/password/change", change, 200),
    ]
    for method, path, body, status in asked:
        answer = await person.ask(method, path, **({"json": body} if body else {}))
        assert answer.status_code == status, (path, answer.text)
        assert_fits(answer.json(), *documented(method, path, status))


async def test_an_unknown_field_is_refused_in_every_body(a_person: Any, http: httpx.AsyncClient) -> None:
    person = await a_person(name="Ada")
    change = {"current_password": PASSWORD, "new_password": "another good long password"}
    for method, path, body in (
        ("post", "auth/register", {"email": "extra@example.org", "password": PASSWORD}),
        ("post", "auth/login", {"email": "extra@example.org", "password": PASSWORD}),
        ("post", "auth/refresh", {"refresh_token": person.refresh_token}),
        ("patch", "me", {"name": "Grace"}),
        ("post", "auth/password/change", change),
    ):
        answer = await person.ask(method, path, json={**body, "coockie": True})
        assert (answer.status_code, answer.json()["errors"][0]["loc"][-1]) == (422, "coockie"), path
        assert (await person.ask(method, path, json=body)).is_success, path


@given(st.emails() | st.text(max_size=80))
@example("İ@example.org")
@example("a@exämple.org")
def test_an_email_has_one_form(text: str) -> None:
    try:
        email = normalise_email(text)
    except EmailError:
        return
    assert normalise_email(email) == email
    assert normalise_email(f"  {email.upper()}\t") == email or not email.isascii()
    assert len(email) <= MAX_EMAIL_CHARS
    assert email == email.strip()


@pytest.mark.parametrize("text", ["\ud800@example.org", "a@example.org\ud800", "a\nb@example.org", "a@" + "b" * 300])
def test_what_is_no_email_has_no_form(text: str) -> None:
    with pytest.raises(EmailError):
        normalise_email(text)
