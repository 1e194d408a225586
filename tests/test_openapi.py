"""The OpenAPI document is one, and the server does what it says: fuzzed, with no 5xx and no answer off its schema."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from openapi_spec_validator import validate

from eloquent.api import openapi_document
from eloquent.asgi import application
from eloquent.foundation import lifecycle
from inference.catalog import offering
from inference.providers.scripted import Scripted, saying
from tests.chat.conftest import SCRIPTED
from tests.front_door.threaded_server import ThreadedServer, serving
from tests.people import PASSWORD

DOCUMENT = openapi_document()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
# These would sign the fuzzer out, and hash passwords for minutes; tests/accounts/ looks after them.
SCHEMA = SCHEMA.exclude(operation_id=["sign_out", "end_other_sessions", "end_session", "change_password"])

# What we do on purpose: unknown query parameters and headers are ignored, pydantic takes 1 for true; and what other
# tests ask more closely: tokens (tests/test_ownership.py), methods (tests/front_door/).
NOT_ASKED = ["negative_data_rejection", "positive_data_acceptance", "ignored_auth", "unsupported_method"]


class Site:
    """A server in a thread, and somebody signed in who has a conversation and a run."""

    def __init__(self, server: ThreadedServer) -> None:
        self.url = f"http://127.0.0.1:{server.port}"
        self.http = httpx.Client(base_url=f"{self.url}/api/v1")
        credentials = {"email": "fuzz@example.org", "password": PASSWORD}
        token = self.post("/auth/register", credentials)["access_token"]
        self.headers = self.http.headers["Authorization"] = f"Bearer {token}"
        self.ids = {"conversation_id": self.post("/conversations", {})["id"]}
        message = {"parts": [{"type": "text", "text": "Hi"}]}
        run = self.post(f"/conversations/{self.ids['conversation_id']}/runs", message)
        self.ids["chat_id"] = self.ids["conversation_id"]
        self.ids |= {"run_id": run["id"], "message_id": run["message_id"]}
        self.ids["api_key_id"] = self.post("/me/api-keys", {"name": "Editor", "scopes": ["chat"]})["id"]

    def post(self, path: str, body: object) -> Any:
        """The JSON of the answer."""
        answer = self.http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()


@pytest.fixture
def site(db: None) -> Iterator[Site]:
    """Somewhere to send what the fuzzer thinks of."""
    with offering(SCRIPTED, Scripted(lambda _: saying("Hello"))), serving(application, lifespan="on") as server:
        yield Site(server)
    # Its end has told this process, in which another server goes on, that it is on its way out.
    lifecycle.open_for_work()


def test_the_document_is_valid() -> None:
    validate(DOCUMENT)


def test_every_operation_documents_its_refusals_and_has_an_id() -> None:
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            refusals = [status for status in operation["responses"] if str(status).startswith("4")]
            assert refusals, path
            assert operation["summary"], path


@SCHEMA.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_server_does_what_its_document_says(case: schemathesis.Case, site: Site) -> None:
    for name, known in site.ids.items():
        # Half of the cases go to objects that exist: behind a made-up id there is only ever a 404.
        if name in case.path_parameters and hash(str(case.body)) % 2:
            case.path_parameters[name] = known
    response = case.call(base_url=site.url, headers={"Authorization": site.headers})
    case.validate_response(response, excluded_checks=[schemathesis.checks.CHECKS.get_one(name) for name in NOT_ASKED])
