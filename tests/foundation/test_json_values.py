"""What of JSON can be kept: whatever is said to be storable, MongoDB and our writers take."""

from typing import Any

import bson
import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eloquent.foundation.json_values import is_storable

TEXT = st.text(st.characters(codec=None), max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64) | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
)


@given(JSON)
def test_what_can_be_stored_is_written_by_all_and_comes_back(value: Any) -> None:
    if not is_storable(value, levels=20):
        return
    assert orjson.loads(orjson.dumps(value)) == value
    assert msgspec.json.decode(msgspec.json.encode(value)) == value
    assert bson.decode(bson.encode({"it": value}))["it"] == value


@pytest.mark.parametrize(
    "value", [2**63, -(2**63) - 1, float("nan"), float("inf"), "\ud800", {"\udc00": 1}, {"a\0": 1}, [[[1]]]]
)
def test_what_some_of_them_refuse_cannot(value: Any) -> None:
    assert not is_storable(value, levels=2)
    assert not is_storable({"in": [value]}, levels=4)


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), 0.5, "😀", {"a": {"b": "é"}}, [[1], None], True])
def test_the_rest_can(value: Any) -> None:
    assert is_storable(value, levels=2)
