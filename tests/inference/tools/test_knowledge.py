"""Searching what the team has written down: a tool that is there when Pinecone is named."""

import json
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from eloquent.foundation.config import get_config
from eloquent.foundation.http import close_http_client
from inference.checks import check_language_models
from inference.tools import knowledge, toolbox
from inference.tools.base import LONGEST_RESULT, Caller, ToolFailed, ToolResult
from tests.fakes.pinecone import INDEX, KEY, FakePinecone, pinecone

ANN = Caller("ann")
SETTINGS = {"pinecone_api_key": SecretStr(KEY), "pinecone_index_name": INDEX}


def configure(monkeypatch: pytest.MonkeyPatch, **settings: object) -> None:
    config = get_config().model_copy(update=settings)
    monkeypatch.setattr(knowledge, "get_config", lambda: config)


@pytest_asyncio.fixture
async def fake(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakePinecone]:
    monkeypatch.setattr(knowledge, "_hosts", {})
    async with pinecone() as running:
        running.records = [
            {
                "_id": "h1",
                "title": "Holidays",
                "url": "https://wiki.example.org/h",
                "text": "Everybody has 30 holidays",
            },
            {"_id": "r1", "text": "Rockets are launched on Tuesdays"},
        ]
        configure(monkeypatch, **SETTINGS, pinecone_controller_host=running.url)
        yield running
        await close_http_client()


@pytest_asyncio.fixture(autouse=True)
async def _no_toolbox_is_left() -> AsyncIterator[None]:
    yield
    await toolbox.close_tools()


async def searched(**arguments: object) -> ToolResult:
    return await toolbox.call("search_documents", json.dumps(arguments), user=ANN)


async def names() -> list[str]:
    return [tool.name for tool in await toolbox.tools_for(())]


async def test_the_tool_is_there_when_an_index_and_a_key_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "search_documents" not in await names()
    assert (await searched(query="holidays")).output_text.startswith("There is no tool")
    for missing in SETTINGS:
        configure(monkeypatch, **{**SETTINGS, missing: None})
        assert "search_documents" not in await names()
    configure(monkeypatch, **SETTINGS)
    assert "search_documents" in await names()


async def test_what_is_found_comes_with_its_title_and_address(fake: FakePinecone) -> None:
    result = await searched(query="how many holidays")
    assert not result.is_error
    assert json.loads(result.output_text) == [
        {"id": "h1", "title": "Holidays", "url": "https://wiki.example.org/h", "text": "Everybody has 30 holidays"}
    ]
    assert json.loads((await searched(query="rockets", at_most=1)).output_text) == [
        {"id": "r1", "text": "Rockets are launched on Tuesdays"}
    ]
    assert [path for path, _ in fake.asked].count(f"/indexes/{INDEX}") == 1


async def test_nothing_found_is_an_empty_list(fake: FakePinecone) -> None:
    assert json.loads((await searched(query="submarines")).output_text) == []


async def test_no_more_is_asked_for_than_a_result_holds(fake: FakePinecone) -> None:
    fake.records = [{"_id": str(number), "text": "word " * 2000} for number in range(20)]
    result = await searched(query="word", at_most=1000)
    assert not result.is_error
    assert len(json.loads(result.output_text)) == knowledge.MOST_FOUND
    await searched(query="word " * 5000, at_most=-3)
    assert fake.asked[-1][1]["query"]["top_k"] == 1
    assert len(fake.asked[-1][1]["query"]["inputs"]["text"]) <= knowledge.LONGEST_QUERY


@pytest.mark.parametrize("written", ['"Quoted"\n\n', "\x01", "\\", "ö", "plain "])
async def test_the_best_that_fit_are_shown_however_they_are_written(fake: FakePinecone, written: str) -> None:
    long = "word " + written * 3000
    fake.records = [{"_id": f"{number}", "title": long, "url": long, "text": long} for number in range(8)]
    result = await searched(query="word", at_most=8)
    assert not result.is_error, result.output_text
    assert len(result.output_text) <= LONGEST_RESULT
    shown = json.loads(result.output_text)
    assert [record["id"] for record in shown] == [f"{number}" for number in range(len(shown))]
    assert len(shown) >= 2
    whole = [record for record in shown if len(record["text"]) == knowledge.LONGEST_TEXT]
    assert len(whole) >= len(shown) - 1, "only the last one is cut"
    left = LONGEST_RESULT - len(result.output_text)
    assert len(shown) == 8 or left < 6 * (knowledge._SHORTEST_TEXT + 3 * knowledge._LONGEST_LABEL)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.integers(-5, 200))
def test_a_beginning_is_the_longest_that_fits(text: str, most: int) -> None:
    def size(length: int) -> int:
        return len(msgspec.json.encode(text[:length]).decode()) - 2

    begun = knowledge._beginning(text, most)
    assert text.startswith(begun)
    assert begun == "" or size(len(begun)) <= most
    assert begun == text or size(len(begun) + 1) > most


async def test_an_index_that_was_made_anew_is_found_again(fake: FakePinecone) -> None:
    await searched(query="rockets")
    fake.moved = True
    assert "Tuesdays" in (await searched(query="rockets")).output_text
    assert [path for path, _ in fake.asked].count(f"/indexes/{INDEX}") == 2


@pytest.mark.parametrize("query", ["", "  \n"])
async def test_an_empty_query_asks_nobody(fake: FakePinecone, query: str) -> None:
    assert (await searched(query=query)).is_error
    assert fake.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        (401, b'{"error": {"message": "secret words of a vendor"}}'),
        (429, b"slower"),
        (500, b"<html>"),
        (200, b"<html>"),
        (200, b'{"result": 3}'),
        (200, b"[" * 100_000),
        (302, b""),
        (200, b" " * (knowledge._LARGEST_ANSWER + 1)),
    ],
)
async def test_a_failure_is_a_sentence_without_the_vendors_words(fake: FakePinecone, answer: tuple[int, bytes]) -> None:
    fake.answer = answer
    first = await searched(query="rockets")
    assert (first.is_error, first.output_text) == (True, knowledge._AWAY)
    fake.answer = None
    await searched(query="rockets")
    fake.answer = answer
    assert (await searched(query="rockets")).output_text == knowledge._AWAY


async def test_nobody_there_is_a_sentence(fake: FakePinecone, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, **SETTINGS, pinecone_controller_host="http://127.0.0.1:1")
    assert (await searched(query="rockets")).output_text == knowledge._AWAY


@pytest.mark.parametrize("host", ["localhost:{port}", "http://x.pinecone.io@localhost:{port}", ""])
async def test_the_key_goes_to_pinecone_alone(fake: FakePinecone, host: str) -> None:
    fake.host = host.format(port=fake.url.rpartition(":")[2])
    assert (await searched(query="rockets")).output_text == knowledge._AWAY
    assert [path for path, _ in fake.asked] == [f"/indexes/{INDEX}"]


@pytest.mark.parametrize("host", ["evil.example.org", "x.pinecone.io.evil.org", "evilpinecone.io", "a:b@x.pinecone.io"])
def test_an_address_that_is_not_pinecones_is_not_believed(host: str) -> None:
    with pytest.raises(ToolFailed):
        knowledge._believed(host, "https://api.pinecone.io")


def test_the_address_of_an_index_is_asked_over_tls() -> None:
    at = "https://api.pinecone.io"
    assert knowledge._believed("team-1.svc.aped.pinecone.io", at) == "https://team-1.svc.aped.pinecone.io"
    assert knowledge._believed("http://team-1.svc.aped.pinecone.io", at) == "https://team-1.svc.aped.pinecone.io"


@pytest.mark.parametrize("missing", SETTINGS)
def test_half_of_the_settings_is_told_by_check(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    config = get_config().model_copy(update={**SETTINGS, missing: None})
    monkeypatch.setattr("inference.checks.get_config", lambda: config)
    assert "inference.W011" in [fault.id for fault in check_language_models()]
    whole = get_config().model_copy(update=SETTINGS)
    monkeypatch.setattr("inference.checks.get_config", lambda: whole)
    assert "inference.W011" not in [fault.id for fault in check_language_models()]
