"""What the saved queries of the platform speak of is what a real server writes."""

import logging
import re
from typing import Any

import orjson
import pytest
import pytest_asyncio

from deploy.watch.queries import SAVED
from eloquent.foundation.logs import JsonLines
from tests.front_door.test_logs import record
from tests.observing.conftest import BREAK_OFF, Observed
from tests.survival.stage import until

WORDS = {"fields", "filter", "sort", "stats", "limit", "by", "as", "in", "and", "asc", "desc"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lines(observed: Observed) -> list[dict[str, Any]]:
    """The log's, after an answer that broke off and a question that was refused."""
    async with observed.person() as ann:
        run = await ann.ask(await ann.conversation(), BREAK_OFF)
        await ann.at_rest(run["id"])
        assert (await ann.http.get(f"/runs/{'0' * 24}")).status_code == 404

    async def written() -> bool:
        found = observed.written()
        return any(line.get("run_id") == run["id"] for line in found) and any("code" in line for line in found)

    await until(written)
    return observed.written()


def fields_of(query: str) -> set[str]:
    """The log's own, without what CloudWatch adds, computes or is told by the query."""
    unquoted = re.sub(r'"[^"]*"', "", query)
    made = set(re.findall(r"\bas (\w+)", unquoted))
    return set(re.findall(r"(?<![@\w])[a-z_]+\b(?!\()", unquoted)) - WORDS - made


def wanted(line: dict[str, Any], query: str) -> bool:
    """Whether the query's filter lets the line through; what an operator puts in is whatever the line has."""
    named = re.findall(r'\b(\w+) = "([^"]+)"', query)
    chosen = re.findall(r"\b(\w+) in (\[[^]]+\])", query)
    there = re.findall(r"ispresent\((\w+)\)", query)
    return (
        all(line.get(name) == value or (value.isupper() and line.get(name)) for name, value in named)
        and all(f'"{line.get(name)}"' in values for name, values in chosen)
        and all(line.get(name) is not None for name in there)
    )


def test_a_query_is_taken_apart_into_the_fields_it_speaks_of() -> None:
    assert fields_of(SAVED["slowest routes"]) == {"event", "route", "ms", "method"}
    assert fields_of(SAVED["by request"]) >= {"request_id", "trace_id", "level"}


@pytest.mark.parametrize("name", [name for name in SAVED if name != "errors"])
async def test_a_saved_query_finds_lines_and_they_have_every_field_it_speaks_of(
    lines: list[dict[str, Any]], name: str
) -> None:
    found = [line for line in lines if wanted(line, SAVED[name])]
    assert found
    # Each line has its own: a line of a fault has no route, one of a request no exception.
    everywhere = lines if name.startswith("by ") else found
    assert fields_of(SAVED[name]) <= {field for line in everywhere for field in line}


def test_the_query_for_errors_finds_them_and_nothing_less(lines: list[dict[str, Any]]) -> None:
    assert fields_of(SAVED["errors"]) <= {field for line in lines for field in line}

    def line(level: int) -> dict[str, Any]:
        made = record("it happened")
        made.levelno, made.levelname = level, logging.getLevelName(level)
        return orjson.loads(JsonLines().format(made))

    levels = (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
    assert [wanted(line(level), SAVED["errors"]) for level in levels] == [False, False, True, True]
