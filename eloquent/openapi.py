"""The OpenAPI document made complete: what ninja cannot know of refusals, streams, headers and examples."""

import json
from http import HTTPStatus
from typing import Any, Final

from chat.stream_schemas import stream_schemas
from eloquent.openapi_errors import OF_ALL, OF_STATUS, Errors, own_errors, problem_examples
from eloquent.openapi_examples import example_of
from eloquent.problem_replies import PROBLEM

_PROBLEM_SCHEMA: Final = {"$ref": "#/components/schemas/Problem"}
_MEANINGS: Final = {
    400: "HTTP that cannot be understood",
    401: "Not signed in, or not any more",
    403: "Not allowed",
    404: "None with this id, or another user's",
    409: "True a moment ago, not any more",
    413: "The body is too large",
    416: "The part that was asked for begins behind the file's end",
    422: "What was sent cannot be used",
    429: "Too often",
    500: "Our fault",
    503: "A part that is needed is away, or the process is shutting down",
}
_WITH_FIELDS: Final = frozenset({"application/json", "application/x-www-form-urlencoded"})
_RETRY_AFTER: Final = {
    "description": "seconds until trying again makes sense",
    "schema": {"type": "integer", "minimum": 1},
}
_AUTHENTICATE: Final = {"description": "how to sign in", "schema": {"type": "string"}}
_LIMITS: Final[dict[str, dict[str, Any]]] = {
    "RateLimit-Policy": {
        "description": "the limits that the request was counted by, as structured fields: `q` requests in `w` seconds",
        "schema": {"type": "string"},
        "example": '"user";q=1200;w=60, "runs";q=60;w=60',
    },
    "RateLimit": {
        "description": "where the caller stands in each: `r` are left, and in `t` seconds more come back",
        "schema": {"type": "string"},
        "example": '"user";r=1180;t=34, "runs";r=58;t=34',
    },
}
_HEADERS: Final[dict[int, dict[str, Any]]] = {
    401: {"WWW-Authenticate": _AUTHENTICATE},
    429: {"Retry-After": _RETRY_AFTER, **{name: {"$ref": f"#/components/headers/{name}"} for name in _LIMITS}},
    503: {"Retry-After": _RETRY_AFTER},
}


def complete(document: dict[str, Any]) -> None:
    """Complete ninja's document in place."""
    components = document["components"]
    components["schemas"].update(stream_schemas())
    for schema in components["schemas"].values():
        _say_defaults(schema)
    components["headers"] = _LIMITS
    # What a status means anywhere is described once.
    components["responses"] = {_name(status): _refusal(status, ()) for status in sorted(OF_STATUS)}
    for methods in document["paths"].values():
        for operation in methods.values():
            _complete_refusals(operation)
            _add_examples(operation, components["schemas"])
            _add_limits(operation)
            operation["responses"] = dict(sorted(operation["responses"].items(), key=lambda answer: int(answer[0])))


def _say_defaults(schema: dict[str, Any]) -> None:
    """Defaults in words: from a `default`, makers of types conclude that a request must have the field."""
    for field in schema.get("properties", {}).values():
        default = field.pop("default", None)
        if default and not isinstance(default, dict):
            said = field.get("description", "")
            field["description"] = f"{said}; {json.dumps(default)} without it".removeprefix("; ")


def _complete_refusals(operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    for status in {*OF_ALL, *(int(status) for status in answers if int(status) >= HTTPStatus.BAD_REQUEST)}:
        special = own_errors(operation["operationId"], status)
        described = _refusal(status, special) if special else {"$ref": f"#/components/responses/{_name(status)}"}
        answers[status] = described


def _refusal(status: int, special: Errors) -> dict[str, Any]:
    headers = {"headers": _HEADERS[status]} if status in _HEADERS else {}
    content = {PROBLEM: {"schema": _PROBLEM_SCHEMA, "examples": problem_examples(special, status)}}
    return {"description": _MEANINGS[status], **headers, "content": content}


def _add_limits(operation: dict[str, Any]) -> None:
    """Every answer of the interface says where the caller stands; of refusals those do that say when to come back."""
    for status, answer in operation["responses"].items():
        if int(status) < HTTPStatus.BAD_REQUEST:
            answer.setdefault("headers", {}).update(
                {name: {"$ref": f"#/components/headers/{name}"} for name in _LIMITS}
            )


def _name(status: int) -> str:
    return HTTPStatus(status).phrase.title().replace(" ", "")


def _add_examples(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        if kind in _WITH_FIELDS and not {"example", "examples"} & body.keys():
            body["example"] = example_of(body["schema"], schemas, whole=False)
    for answer in operation["responses"].values():
        content = answer.get("content", {}).get("application/json")
        if content is not None and not {"example", "examples"} & content.keys():
            content["example"] = example_of(content["schema"], schemas, whole=True)
