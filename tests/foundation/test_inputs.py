"""A body is what its schema says: JSON's true is no 1, and "1" is neither."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from eloquent import api as _every_room  # noqa: F401 - its routes bring the bodies of all rooms
from eloquent.foundation.inputs import Body

OTHERS: dict[str, list[Any]] = {"boolean": [0, 1, "true"], "integer": [True, "1"], "number": [True, "1"]}


def bodies(above: type[Body] = Body) -> Iterator[type[Body]]:
    """Every body that a route takes, and the parts of one."""
    for body in above.__subclasses__():
        yield body
        yield from bodies(body)


def fields() -> Iterator[tuple[type[Body], str, str]]:
    """Every (body, field, kind) of a field that is a boolean or a number."""
    for body in bodies():
        for name, schema in body.model_json_schema()["properties"].items():
            for option in schema.get("anyOf", [schema]):
                if option.get("type") in OTHERS:
                    yield body, name, option["type"]


FIELDS = list(dict.fromkeys(fields()))


@pytest.mark.parametrize(("body", "name", "kind"), FIELDS, ids=[f"{body.__name__}-{name}" for body, name, _ in FIELDS])
def test_no_boolean_and_no_number_is_made_of_something_else(body: type[Body], name: str, kind: str) -> None:
    for other in OTHERS[kind]:
        with pytest.raises(ValidationError) as refusal:
            body.model_validate({name: other})
        assert (name,) in [error["loc"] for error in refusal.value.errors()], other


def test_the_walk_finds_the_fields_of_every_room() -> None:
    assert {"accounts", "chat"} <= {body.__module__.partition(".")[0] for body, _, _ in FIELDS}
    assert set(OTHERS) == {kind for _, _, kind in FIELDS}
