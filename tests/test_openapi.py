"""The OpenAPI document is one, and the server does what it says: fuzzed, with no 5xx and no answer off its schema."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from jsonschema import Draft202012Validator
from ninja import Schema
from openapi_spec_validator import validate

from eloquent import openapi_errors
from eloquent.api import openapi_document
from eloquent.foundation.errors import EloquentError
from eloquent.management.commands.openapi import openapi_text
from inference.errors import InferenceError
from tests.documented import closed
from tests.front_door.threaded_server import serving_chat
from tests.people import PASSWORD

DOCUMENT = openapi_document()
SCHEMA = schemathesis.openapi.from_dict(closed(DOCUMENT))
# These would sign the fuzzer out, and hash passwords for minutes; tests/accounts/ looks after them.
SCHEMA = SCHEMA.exclude(operation_id=["sign_out", "end_other_sessions", "end_session", "change_password"])
SCHEMA = SCHEMA.exclude(operation_id=["erase_me", "create_export"])

# What may fit and be refused all the same; what is wrong by its Authorization alone, which we put right; and what other
# tests ask more closely: tokens (tests/test_ownership.py), methods (tests/front_door/), both and all that is wrong
# (tests/fuzz/).
NOT_ASKED = ["positive_data_acceptance", "negative_data_rejection", "ignored_auth", "unsupported_method"]


class Site:
    """A server in a thread, and somebody signed in who has a conversation and a run."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=f"{self.url}/api/v1", timeout=30)
        credentials = {"email": "fuzz@example.org", "password": PASSWORD}
        token = self.post("/auth/register", credentials)["access_token"]
        self.headers = self.http.headers["Authorization"] = f"Bearer {token}"
        self.ids = {"conversation_id": self.post("/conversations", {})["id"]}
        message = {"parts": [{"type": "text", "text": "Hi"}]}
        run = self.post(f"/conversations/{self.ids['conversation_id']}/runs", message)
        self.ids["chat_id"] = self.ids["conversation_id"]
        self.ids |= {"run_id": run["id"], "message_id": run["message_id"]}
        key = {"current_password": PASSWORD, "name": "Editor", "scopes": ["chat"]}
        self.ids["api_key_id"] = self.post("/me/api-keys", key)["id"]

    def post(self, path: str, body: object) -> Any:
        """The JSON of the answer."""
        answer = self.http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def served(django_db_setup: None) -> Iterator[str]:
    """One server for all operations: its start and its end take longer than what most of them are asked."""
    with serving_chat() as url:
        yield url


@pytest.fixture
def site(db: None, served: str) -> Site:
    """Somewhere to send what the fuzzer thinks of, with somebody who is new there."""
    return Site(served)


def test_the_document_is_valid() -> None:
    validate(DOCUMENT)


def test_every_operation_documents_its_refusals_and_has_an_id() -> None:
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            refusals = [status for status in operation["responses"] if str(status).startswith("4")]
            assert refusals, path
            assert operation["summary"], path


def test_the_document_is_the_one_that_is_kept() -> None:
    kept = Path(__file__).resolve().parent.parent / "docs" / "openapi.json"
    assert kept.read_text() == openapi_text(), (
        "The interface is not what docs/openapi.json says. If frontends are to see the change, run `make openapi` and "
        "commit the file with it."
    )


def test_every_operation_describes_itself_under_a_name_that_stays() -> None:
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            assert re.fullmatch(r"[a-z]+(_[a-z]+)*", operation["operationId"]), path
            assert operation["description"], path


def test_no_two_shapes_have_one_name() -> None:
    """The document has one of each name: the other would be described as what it is not."""

    def below(shape: type[Schema]) -> Iterator[type[Schema]]:
        for each in shape.__subclasses__():
            yield each
            yield from below(each)

    ours = {each for each in below(Schema) if each.__module__.partition(".")[0] in {"accounts", "chat", "inference"}}
    names = sorted(each.__name__ for each in ours)
    assert [name for name, following in pairwise(names) if name == following] == []


def contents() -> Iterator[tuple[str, dict[str, Any]]]:
    """What every operation takes and answers, by where it is described."""
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            described = {"takes": operation.get("requestBody", {}), **operation["responses"]}
            for what, description in described.items():
                named = description.get("$ref", "").rpartition("/")[2]
                found = DOCUMENT["components"]["responses"][named] if named else description
                for content in found.get("content", {}).values():
                    yield f"{operation['operationId']} {what}", content


CONTENTS = list(contents())


@pytest.mark.parametrize("content", [content for _, content in CONTENTS], ids=[where for where, _ in CONTENTS])
def test_whatever_is_taken_or_answered_has_an_example_that_fits(content: dict[str, Any]) -> None:
    examples = [content["example"]] if "example" in content else [one["value"] for one in content["examples"].values()]
    assert examples
    validator = Draft202012Validator({**content["schema"], "components": DOCUMENT["components"]})
    for example in examples:
        validator.validate(example)


def test_streams_are_described_by_their_chunks() -> None:
    streams = [where for where, content in CONTENTS if content["schema"].get("$ref", "").endswith("/UIMessageEvent")]
    assert {"start_run 200", "stream_run 200", "ui_send 200", "ui_resume 200"} <= set(streams)
    types = set(DOCUMENT["components"]["schemas"]["UIMessageChunk"]["discriminator"]["mapping"])
    assert {"start", "text-delta", "data-context", "finish", "error", "abort"} <= types


def leaves(error: type[EloquentError]) -> Iterator[type[EloquentError]]:
    """The error and all below it that this project defines."""
    yield error
    for below in error.__subclasses__():
        yield from leaves(below)


# What no operation of the document answers with.
ELSEWHERE = {
    "interrupted": "told in streams and kept with messages",
    "stream_cut": "told on sockets; of server-sent events the connection is cut",
    "method_not_allowed": "a path is right and its verb is not",
    "invalid_api_key": "for programs, under /v1",
    "missing_scope": "for programs, under /v1",
    "rate_limit_exceeded": "for programs, under /v1",
    "openid_refused": "no sign-in says no more than this",
    "openid_declined": "told to a page by a redirect, behind #",
    "openid_begun_elsewhere": "told to a page by a redirect, behind #",
    "openid_attempt_unknown": "told to a page by a redirect, behind #",
    "openid_answer_refused": "told to a page by a redirect, behind #",
    "openid_email_unproven": "told to a page by a redirect, behind #",
    "openid_link_first": "told to a page by a redirect, behind #",
    "openid_not_registered": "told to a page by a redirect, behind #",
}


def test_every_error_that_a_request_can_meet_is_described() -> None:
    described = {error.code for error in openapi_errors.named_errors()}
    in_streams = {error.code for error in leaves(InferenceError)}
    for error in leaves(EloquentError):
        if error.__module__.startswith(("tests.", "chat.openai", "chat.completions")):
            continue
        assert error.code in described | in_streams | ELSEWHERE.keys(), f"{error.__name__} of {error.__module__}"
    assert not described & ELSEWHERE.keys()


def test_the_table_of_errors_names_operations_and_statuses_that_there_are() -> None:
    operations = {op["operationId"]: op for methods in DOCUMENT["paths"].values() for op in methods.values()}
    for operation_id, special in openapi_errors.OF_OPERATION.items():
        for error in special:
            answers = operations[operation_id]["responses"]
            assert error.code in str(answers[str(error.status)]), (operation_id, error)


@SCHEMA.parametrize()
@settings(max_examples=5, suppress_health_check=list(HealthCheck))
def test_the_server_does_what_its_document_says(case: schemathesis.Case, site: Site) -> None:
    for name, known in site.ids.items():
        # Half of the cases go to objects that exist: behind a made-up id there is only ever a 404.
        if name in case.path_parameters and hash(str(case.body)) % 2:
            case.path_parameters[name] = known
    response = case.call(base_url=site.url, headers={"Authorization": site.headers})
    case.validate_response(response, excluded_checks=[schemathesis.checks.CHECKS.get_one(name) for name in NOT_ASKED])
