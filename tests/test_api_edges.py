"""What every route answers when something is wrong that no route is about."""

import os
import signal

import pytest

from eloquent.foundation import database as database_module
from tests.chat.conftest import ann  # noqa: F401 - a fixture
from tests.people import Person
from tests.servers import running_servers


@pytest.mark.parametrize(("method", "allowed"), [("PUT", "GET"), ("HEAD", "GET"), ("DELETE", "GET")])
async def test_a_wrong_verb_is_a_problem_that_names_the_right_ones(ann: Person, method: str, allowed: str) -> None:  # noqa: F811
    answer = await ann.http.request(method, "/models")
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["Allow"] == allowed
    if method != "HEAD":
        assert answer.json()["code"] == "method_not_allowed"


async def test_the_page_of_documents_keeps_no_token_that_is_typed_there(ann: Person) -> None:  # noqa: F811
    page = (await ann.http.get("/docs")).text
    assert "swagger-ui" in page
    assert "persistAuthorization" not in page


@pytest.mark.parametrize(("method", "path"), [("GET", "/conversations"), ("POST", "/conversations"), ("GET", "/me")])
async def test_a_database_that_hangs_is_given_up_with_a_problem(
    ann: Person,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
) -> None:
    with monkeypatch.context() as hurried:
        hurried.setitem(database_module._URI_DEFAULTS, "timeoutMS", 300)
        await database_module.close_database()
        await ann.ok("GET", "/conversations")
    mongod = running_servers().mongod.pid
    os.kill(mongod, signal.SIGSTOP)
    try:
        answer = await ann.http.request(method, path, json={} if method == "POST" else None)
    finally:
        os.kill(mongod, signal.SIGCONT)
        await database_module.close_database()  # the tests that follow have one that waits as long as it should
    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"
    assert answer.headers["Retry-After"]
    await ann.ok("GET", "/conversations")
