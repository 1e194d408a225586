"""Which part of a file a request wants."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eloquent.foundation.errors import OutOfRange
from eloquent.foundation.ranges import Part, part_wanted


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("", None),
        ("bytes=0-", Part(0, 100)),
        ("bytes=10-", Part(10, 90)),
        ("bytes=10-19", Part(10, 10)),
        ("bytes=10-1000", Part(10, 90)),
        ("bytes=-10", Part(90, 10)),
        ("bytes=-1000", Part(0, 100)),
        ("bytes=99-99", Part(99, 1)),
        ("bytes=-", None),
        ("bytes=20-10", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
        ("bytes=٣-", None),
    ],
)
def test_one_range_is_understood_and_anything_else_is_all_of_it(header: str, part: Part | None) -> None:
    assert part_wanted(header, 100) == part


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=1000-2000", "bytes=-0"])
def test_a_range_behind_the_end_is_refused_with_the_length(header: str) -> None:
    with pytest.raises(OutOfRange) as refused:
        part_wanted(header, 100)
    assert refused.value.headers["Content-Range"] == "bytes */100"


@given(st.text(max_size=30), st.integers(0, 10**6))
def test_a_part_lies_within_the_file(header: str, size: int) -> None:
    try:
        part = part_wanted(f"bytes={header}", size)
    except OutOfRange:
        return
    assert part is None or (part.length > 0 and part.start + part.length <= size)
