"""Tools of MCP servers: real ones that work, freeze, break and die, and servers that are none."""

import asyncio
import json
import logging
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from eloquent.foundation.config import get_config
from eloquent.foundation.ssrf import AllowedHost
from inference.tools import mcp, mcp_client, toolbox
from inference.tools.base import Caller, ToolResult
from inference.tools.mcp import McpTools
from inference.tools.mcp_settings import McpServer, McpSettings
from inference.types import Tool
from tests.fakes.mcp_server import FakeMcp, answer_with, mcp_server
from tests.uvicorn_server import running_server

ANN = Caller("ann", frozenset({"tools.search"}))
BOB = Caller("bob")
GONE = "http://127.0.0.1:1/mcp"
ALL = ["fake__add", "fake__draws", "fake__fails", "fake__files_read", "fake__waits", "fake__writes"]


@asynccontextmanager
async def tools_of(**servers: str | dict[str, Any]) -> AsyncIterator[McpTools]:
    """The tools of these servers: an address, or all that is known of one."""
    known = {
        name: McpServer(**({"url": entry} if isinstance(entry, str) else entry)) for name, entry in servers.items()
    }
    allowed = [AllowedHost.read(f"http://{urlsplit(server.url).netloc}") for server in known.values()]
    tools = McpTools(McpSettings(servers=known, faults=[], allowed=allowed))
    try:
        yield tools
    finally:
        await tools.aclose()


@pytest_asyncio.fixture(params=["modern", "legacy"])
async def fake(request: pytest.FixtureRequest) -> AsyncIterator[FakeMcp]:
    async with mcp_server(legacy=request.param == "legacy") as server:
        yield server


def names(tools: tuple[Tool, ...]) -> list[str]:
    return [tool.name for tool in tools]


async def called(tools: McpTools, name: str, **arguments: Any) -> ToolResult:
    return await tools.call(name, json.dumps(arguments), user=BOB)


async def test_a_server_is_listed_and_called(fake: FakeMcp) -> None:
    async with tools_of(fake=fake.url) as tools:
        offered = await tools.tools(())
        assert names(offered) == ALL
        assert offered[0].description == "Add two numbers."
        assert offered[0].parameters["required"] == ["a", "b"]
        assert await called(tools, "fake__add", a=1, b=2) == ToolResult("3")
        assert json.loads((await called(tools, "fake__files_read")).output_text) == {"name": "ö"}
        shown = (await called(tools, "fake__draws")).output_text
        assert shown == "before\n[image, which cannot be shown here]"


async def test_how_a_server_speaks_is_asked_once() -> None:
    async with mcp_server() as fake, tools_of(fake=fake.url) as tools:
        await called(tools, "fake__add", a=1, b=2)
        assert fake.methods == ["server/discover", "tools/list", "tools/call"]
        fake.methods.clear()
        await called(tools, "fake__add", a=1, b=2)
        assert fake.methods == ["tools/call"]


async def test_a_session_is_ended_after_each_call() -> None:
    async with mcp_server(legacy=True) as fake, tools_of(fake=fake.url) as tools:
        await tools.tools(())
        fake.methods.clear()
        await called(tools, "fake__add", a=1, b=2)
        assert "server/discover" not in fake.methods
        assert fake.methods[-2:] == ["tools/call", "DELETE"]


async def test_a_token_is_sent_with_every_request(fake: FakeMcp) -> None:
    async with tools_of(fake={"url": fake.url, "token": "s3cret"}) as tools:
        await called(tools, "fake__add", a=1, b=2)
    assert fake.tokens == {"Bearer s3cret"}
    fake.tokens.clear()
    async with tools_of(fake=fake.url) as tools:
        await called(tools, "fake__add", a=1, b=2)
    assert fake.tokens == {None}


@pytest.mark.parametrize("kind", ["refused", "elsewhere", "too much", "no rpc", "events that are none"])
async def test_a_token_is_in_no_log(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with (
            running_server(NONSENSE[kind], timeout_graceful_shutdown=1) as url,
            tools_of(odd={"url": f"{url}/mcp", "token": "s3cret"}) as tools,
        ):
            await tools.tools(())
            assert "s3cret" not in (await called(tools, "odd__add")).output_text
    assert "does not list its tools" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("add", '{"a": "x", "b": 1}', "valid integer"),
        ("add", "{", "not valid JSON"),
        ("add", "[1]", "not a JSON object"),
        ("add", '{"a": 1, "b": "' + "x" * 32_000 + '"}', "too long"),
        ("add", '{"a":' * 1500 + "1" + "}" * 1500, "not valid JSON"),
        ("fails", "", "Error executing tool"),
        ("writes", '{"length": 32001}', "32,001 characters"),
        ("writes", '{"length": 3000000}', "answered with too much"),
        ("nothing", "", "There is no tool named fake__nothing"),
    ],
)
async def test_what_goes_wrong_is_a_sentence(fake: FakeMcp, name: str, arguments: str, sentence: str) -> None:
    async with tools_of(fake=fake.url) as tools:
        result = await tools.call(f"fake__{name}", arguments, user=BOB)
        assert result.is_error
        assert sentence in result.output_text
        assert "disk is full" not in result.output_text
        assert await called(tools, "fake__writes", length=32_000) == ToolResult("x" * 32_000)


async def test_a_server_that_takes_too_long_is_given_up(fake: FakeMcp, monkeypatch: pytest.MonkeyPatch) -> None:
    async with tools_of(fake=fake.url) as tools:
        await tools.tools(())
        monkeypatch.setattr(mcp, "CALL_LIMIT_S", 0.3)
        result = await called(tools, "fake__waits")
        assert result == ToolResult("fake__waits took longer than 0.3 s and was given up.", is_error=True)


async def test_a_server_that_freezes_in_the_middle_of_a_call_keeps_nobody(
    fake: FakeMcp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tools_of(fake=fake.url) as tools:
        await tools.tools(())
        monkeypatch.setattr(mcp, "CALL_LIMIT_S", 0.5)
        monkeypatch.setattr(mcp_client, "GOODBYE_LIMIT_S", 0.1)
        calling = asyncio.ensure_future(called(tools, "fake__waits"))
        assert await fake.calls.get() == "waits"
        fake.open.clear()
        assert "took longer than 0.5 s" in (await calling).output_text
        # Before a call as well.
        assert "took longer than 0.5 s" in (await called(tools, "fake__add", a=1, b=2)).output_text
        fake.open.set()
        monkeypatch.setattr(mcp, "CALL_LIMIT_S", 30.0)
        assert await called(tools, "fake__add", a=1, b=2) == ToolResult("3")


async def test_a_server_that_dies_in_the_middle_of_a_call_is_a_sentence_at_once(fake: FakeMcp) -> None:
    async with tools_of(fake=fake.url) as tools:
        calling = asyncio.ensure_future(called(tools, "fake__waits"))
        assert await fake.calls.get() == "waits"
        began = time.perf_counter()
        fake.cut()
        result = await calling
        assert result.is_error
        assert "broke off or did not answer" in result.output_text
        assert time.perf_counter() - began < 5
        assert await called(tools, "fake__add", a=1, b=2) == ToolResult("3")


async def test_a_server_that_was_restarted_is_called_as_before() -> None:
    async with mcp_server(legacy=True) as first, tools_of(fake=first.url) as tools:
        await tools.tools(())
        source = tools._sources["fake"]
        async with mcp_server(legacy=True) as second:
            source._server = McpServer(url=second.url)
            source._guard = McpSettings(
                servers={}, faults=[], allowed=[AllowedHost.read(f"http://{urlsplit(second.url).netloc}")]
            ).guard
            assert await called(tools, "fake__add", a=1, b=2) == ToolResult("3")


async def test_whoever_cancels_a_call_is_heard_and_so_is_the_server() -> None:
    async with mcp_server() as fake, tools_of(fake=fake.url) as tools:
        calling = asyncio.ensure_future(called(tools, "fake__waits"))
        await fake.calls.get()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert await called(tools, "fake__add", a=1, b=2) == ToolResult("3")


def rpc(**body: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **body}).encode()


def listing(*tools: Any, **more: Any) -> bytes:
    return rpc(
        id=1, result={"tools": list(tools), "ttlMs": 0, "cacheScope": "public", "resultType": "complete", **more}
    )


NONSENSE = {
    "a page": answer_with(b"<html>Hello</html>", content_type="text/html"),
    "nothing": answer_with(b""),
    "no json": answer_with(b"{"),
    "no rpc": answer_with(b'{"hello": 1}'),
    "a number": answer_with(b"7"),
    "another's id": answer_with(rpc(id=99, result={})),
    "an odd result": answer_with(rpc(id=1, result={"tools": "many"})),
    "deep": answer_with(b"[" * 100_000),
    "no unicode": answer_with(b'{"jsonrpc": "2.0", "id": 1, "result": "\xff\xfe"}'),
    "too much": answer_with(b'{"a": "' + b"x" * 2_000_000),
    "compressed": answer_with(b"\x1f\x8b", content_encoding="gzip"),
    "accepted": answer_with(b"", status=202),
    "refused": answer_with(b"no", status=401),
    "not found": answer_with(b"no", status=404),
    "broken": answer_with(b"no", status=500),
    "elsewhere": answer_with(b"", status=307, location="http://127.0.0.1:1/mcp"),
    "round and round": answer_with(b"", status=307, location="/mcp"),
    "events that are none": answer_with(b"data: nonsense\n\n", content_type="text/event-stream"),
    "an event without end": answer_with(b"data: " + b"x" * 2_000_000, content_type="text/event-stream", more=True),
    "no event": answer_with(b"", content_type="text/event-stream"),
    "silence": answer_with(b"", content_type="text/event-stream", more=True),
    "an id and no more": answer_with(b"id: 1\nretry: 1\ndata:\n\n", content_type="text/event-stream"),
}


@pytest.mark.parametrize("kind", NONSENSE)
async def test_a_server_that_talks_nonsense_hides_its_own_tools_only(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp, "LISTING_LIMIT_S", 2.0)
    async with (
        running_server(NONSENSE[kind], timeout_graceful_shutdown=1) as nonsense,
        mcp_server() as fake,
        tools_of(odd=f"{nonsense}/mcp", fake=fake.url) as tools,
    ):
        assert names(await tools.tools(())) == ALL
        result = await called(tools, "odd__add", a=1, b=2)
        assert result == ToolResult("The server of odd__add cannot be reached. Do without it.", is_error=True)
        assert await called(tools, "fake__add", a=1, b=2) == ToolResult("3")


@pytest.mark.parametrize("kind", NONSENSE)
async def test_a_server_that_talks_nonsense_in_a_call_is_a_sentence(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with mcp_server() as fake, tools_of(fake=fake.url) as tools:
        await tools.tools(())
        monkeypatch.setattr(mcp, "CALL_LIMIT_S", 0.5)
        fake._app = NONSENSE[kind]
        result = await called(tools, "fake__add", a=1, b=2)
        assert result.is_error
        assert result.output_text.startswith(("The server of ", "fake__add took longer"))
        assert len(result.output_text) < 200


async def test_a_server_cannot_have_us_ask_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal asked
        asked += scope["type"] == "http"
        await NONSENSE["an id and no more"](scope, receive, send)

    async with running_server(app, timeout_graceful_shutdown=1) as url, tools_of(odd=f"{url}/mcp") as tools:
        assert await tools.tools(()) == ()
        assert asked == mcp_client.MOST_REQUESTS


async def test_a_server_that_is_gone_or_frozen_hides_its_own_tools_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "LISTING_LIMIT_S", 1.5)
    async with mcp_server() as frozen, mcp_server() as fake:
        frozen.open.clear()
        async with tools_of(gone=GONE, frozen=frozen.url, fake=fake.url) as tools:
            assert names(await tools.tools(())) == ALL
            for name in ("gone__add", "frozen__add"):
                assert "cannot be reached" in (await called(tools, name, a=1, b=2)).output_text


async def test_a_list_holds_for_a_minute_and_is_then_made_anew_behind_the_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with mcp_server() as fake, tools_of(fake=fake.url) as tools:
        for _ in range(3):
            await asyncio.gather(*(tools.tools(()) for _ in range(5)))
        assert fake.methods.count("tools/list") == 1
        monkeypatch.setattr(mcp, "FRESH_S", 0.0)
        fake.open.clear()
        assert names(await tools.tools(())) == ALL
        fake.open.set()
        listing_anew = tools._sources["fake"]._listing
        assert listing_anew is not None
        await listing_anew
        assert fake.methods.count("tools/list") == 2


async def test_a_reader_who_leaves_does_not_end_the_list_for_others() -> None:
    async with mcp_server() as fake, tools_of(fake=fake.url) as tools:
        fake.open.clear()
        leaving, staying = (asyncio.ensure_future(tools.tools(())) for _ in range(2))
        await fake.connected.wait()
        leaving.cancel()
        await asyncio.wait({leaving})
        fake.open.set()
        assert names(await staying) == ALL


async def test_a_server_that_comes_back_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "LISTING_LIMIT_S", 0.3)
    async with mcp_server() as fake, tools_of(fake=fake.url) as tools:
        fake.open.clear()
        assert await tools.tools(()) == ()
        fake.open.set()
        assert await tools.tools(()) == ()
        monkeypatch.setattr(mcp, "FAILED_FRESH_S", 0.0)
        monkeypatch.setattr(mcp, "LISTING_LIMIT_S", 5.0)
        await tools.tools(())
        listing_anew = tools._sources["fake"]._listing
        assert listing_anew is not None
        await listing_anew
        assert names(await tools.tools(())) == ALL


async def test_a_server_that_was_late_once_is_asked_again_and_its_tools_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask, asked = mcp_client.list_offers, 0

    async def late_once(*about: Any) -> mcp_client.Listing:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise TimeoutError
        return await ask(*about)

    monkeypatch.setattr(mcp_client, "list_offers", late_once)
    async with mcp_server() as fake, tools_of(fake=fake.url) as tools:
        assert names(await tools.tools(())) == ALL


async def test_closing_ends_a_list_that_is_being_made() -> None:
    async with mcp_server() as fake, tools_of(fake=fake.url) as tools:
        fake.open.clear()
        asking = asyncio.ensure_future(tools.tools(()))
        await fake.connected.wait()
        listing_now = tools._sources["fake"]._listing
        assert listing_now is not None
        await tools.aclose()
        assert listing_now.cancelled()
        await asyncio.wait({asking})


async def test_only_tools_that_the_operator_lists_are_offered_and_called(fake: FakeMcp) -> None:
    async with tools_of(fake={"url": fake.url, "tools": ["add", "files.read", "never was"]}) as tools:
        assert names(await tools.tools(())) == ["fake__add", "fake__files_read"]
        assert (await called(tools, "fake__writes", length=1)).is_error
        assert "tools/call" not in fake.methods


async def test_a_server_with_a_permission_is_for_those_who_have_it(fake: FakeMcp) -> None:
    async with tools_of(fake={"url": fake.url, "permission": "tools.search"}) as tools:
        assert await tools.tools(BOB.permissions) == ()
        refused = await tools.call("fake__add", '{"a": 1, "b": 2}', user=BOB)
        assert refused.output_text == "There is no tool named fake__add. Use one of those that were offered."
        assert fake.methods == []
        assert names(await tools.tools(ANN.permissions)) == ALL
        assert await tools.call("fake__add", '{"a": 1, "b": 2}', user=ANN) == ToolResult("3")


async def test_the_user_is_asked_unless_a_tool_only_reads_or_the_operator_says_otherwise(fake: FakeMcp) -> None:
    async with tools_of(
        fake=fake.url,
        always={"url": fake.url, "needs_approval": True},
        never={"url": fake.url, "needs_approval": False},
    ) as tools:
        assert tools.needs_approval("fake__add")  # in no list yet
        await tools.tools(())
        asked = {name: tools.needs_approval(name) for name in ("fake__add", "fake__writes", "always__add")}
        assert asked == {"fake__add": False, "fake__writes": True, "always__add": True}
        assert not tools.needs_approval("never__writes")
        assert tools.needs_approval("nobody__writes")


def described(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}, **more}


async def test_what_a_server_says_about_itself_is_bounded() -> None:
    huge = {"type": "object", "properties": {"a": {"description": "x" * 8000}}}
    tools_told = [
        described("long", description="word \n" * 1000),
        described("silent", title="A title"),
        described("huge", inputSchema=huge),
        described("x" * 61),
        described("a.b", inputSchema={"type": "object", "$schema": "https://json-schema.org/draft/2020-12/schema"}),
        described("a/b"),
    ]

    async def app(scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        if scope["type"] != "http":
            return
        asked = json.loads((await receive())["body"])
        told: dict[str, Any] = {"tools": tools_told, "nextCursor": "and so on"}
        if asked["method"] == "server/discover":
            told = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
        told |= {"resultType": "complete", "ttlMs": 0, "cacheScope": "public"}
        await answer_with(rpc(id=asked["id"], result=told))(scope, receive, send)

    async with running_server(app, timeout_graceful_shutdown=1) as url, tools_of(odd=f"{url}/mcp") as tools:
        offered = {tool.name: tool for tool in await tools.tools(())}
        assert set(offered) == {"odd__long", "odd__silent", "odd__a_b"}
        assert len(offered["odd__long"].description) == mcp.LONGEST_DESCRIPTION
        assert offered["odd__silent"].description == "A title"
        assert offered["odd__a_b"].parameters == {"type": "object"}


async def test_without_the_package_everything_else_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    async with tools_of(fake=GONE) as tools:
        assert await tools.tools(()) == ()
        assert "cannot be reached" in (await called(tools, "fake__add")).output_text


def test_the_package_is_not_imported_where_no_server_is_named() -> None:
    code = "import sys, inference.tools.toolbox; sys.exit(bool({'mcp', 'httpx2', 'starlette'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)


async def test_the_toolbox_has_our_own_tools_and_those_of_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    async with mcp_server() as fake:
        monkeypatch.setenv("MCP_SERVERS", json.dumps({"fake": {"url": fake.url}}))
        monkeypatch.setenv("MCP_ALLOWED_HOSTS", f"http://{urlsplit(fake.url).netloc}")
        get_config.cache_clear()
        try:
            assert names(await toolbox.tools_for(())) == ["calculate", "current_time", *ALL]
            assert await toolbox.call("calculate", '{"expression": "6 * 7"}', user=BOB) == ToolResult("42")
            assert await toolbox.call("fake__add", '{"a": 1, "b": 2}', user=BOB) == ToolResult("3")
            for name in ("nobody__add", "nothing"):
                unknown = await toolbox.call(name, "{}", user=BOB)
                assert unknown == ToolResult(
                    f"There is no tool named {name}. Use one of those that were offered.", is_error=True
                )
            asked = [toolbox.needs_approval(name) for name in ("calculate", "fake__add", "fake__writes")]
            assert asked == [False, False, True]
        finally:
            await toolbox.close_tools()
            get_config.cache_clear()
