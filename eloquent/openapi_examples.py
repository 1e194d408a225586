"""Examples for the OpenAPI document, made from its schemas: a new route has one without being asked. Pure.

What stands in an example is known by its field's name; what is not known there is made from its type.
"""

from typing import Any, Final

_ID: Final = "6a1f0c2b9d3e4f5a6b7c8d9e"
_MOMENT: Final = "2026-05-01T12:30:15.678000Z"
_TEXT: Final = {"type": "text", "text": "How long does tea take?"}

# By the names of fields.
KNOWN: Final[dict[str, Any]] = {
    "access_token": "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl",
    "capabilities": ["completion"],
    "client_id": None,
    "code": "not_found",
    "comment": "Just what I needed.",
    "context_window": 8192,
    "cookie": False,
    "current_password": "correct horse battery staple",
    "detail": "There is nothing here.",
    "email": "ada@example.org",
    "error": None,
    "errors": None,
    "expires_in": 900,
    "id": "ollama/llama3.2",
    "ip": "203.0.113.7",
    "label": "Firefox on Linux",
    "message_count": 2,
    "metadata": {"runId": _ID, "model": "ollama/llama3.2"},
    "model": "ollama/llama3.2",
    "name": "Ada",
    "new_password": "a better horse battery staple",
    "next_cursor": None,
    "options": {"temperature": 0.7},
    "parent_id": _ID,
    "parts": [_TEXT],
    "password": "correct horse battery staple",
    "provider": "ollama",
    "refresh_token": "cmVmcmVzaC10b2tlbi1vZi0yNTYtcmFuZG9tLWJpdHM",
    "revoked_at": None,
    "stop": ["\n\n"],
    "system_prompt": "Answer in one sentence.",
    "text": "How long does tea take?",
    "ticket": "b25lLXVzZS10aWNrZXQtb2YtMjU2LWJpdHM",
    "title": "Tea",
    "usage": {"inputTokens": 12, "outputTokens": 40, "reported": True, "finishReason": "stop"},
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
}


def example_of(schema: dict[str, Any], schemas: dict[str, Any], *, whole: bool, name: str = "") -> Any:
    """A value that fits the schema; `whole` has every field, else those alone that must be given, or all if none must.

    `schemas` are the document's components, by name.
    """
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, whole=whole, name=name)
    given = _given(schema, name)
    if given is not None:
        return given[0]
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return example_of(schema[choice][0], schemas, whole=whole, name=name)
    return _of_type(schema, schemas, whole=whole, name=name)


def _given(schema: dict[str, Any], name: str) -> list[Any] | None:
    """What the schema itself says, or what is known of the field's name; the first is meant."""
    if "const" in schema:
        return [schema["const"]]
    if schema.get("examples"):
        return list(schema["examples"])
    if name in KNOWN and _fits(KNOWN[name], schema):
        return [KNOWN[name]]
    return schema.get("enum")


def _of_type(schema: dict[str, Any], schemas: dict[str, Any], *, whole: bool, name: str) -> Any:
    kind = schema.get("type")
    if kind == "object":
        properties = schema.get("properties", {})
        needed = [field for field in schema.get("required", ()) if field in properties]
        chosen = properties if whole or not needed else needed
        return {field: example_of(properties[field], schemas, whole=whole, name=field) for field in chosen}
    if kind == "array":
        return [example_of(schema.get("items", {}), schemas, whole=whole, name=name.removesuffix("s"))]
    if kind == "string":
        return _text(schema)
    if kind in {"integer", "number"}:
        return schema.get("minimum", 1)
    return {"boolean": False, "null": None}.get(str(kind), {})


def _text(schema: dict[str, Any]) -> str:
    if schema.get("format") == "date-time":
        return _MOMENT
    if "0-9a-f" in schema.get("pattern", ""):
        return _ID
    return "text"


def _fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether the type is right; a field of the same name may be something else elsewhere."""
    options = schema.get("anyOf", [schema])
    kinds = {option.get("type", "object" if "$ref" in option else None) for option in options}
    if value is None:
        return "null" in kinds
    wanted = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object", float: "number"}
    return wanted[type(value)] in kinds and "0-9a-f" not in str([option.get("pattern") for option in options])
