"""Calls that the user must agree to, with the real packages: the page asks, and the same answer goes on."""

import asyncio
from typing import Any

import pytest

from inference.types import Finished, FinishReason, ToolCall, Usage
from tests.chat.test_approvals import Erasing, erasing
from tests.clients.ui.conftest import Chat, LanguageModel, Tab, texts
from tests.people import Person

__all__ = ["erasing"]

pytestmark = pytest.mark.clients

CALLED = Finished(FinishReason.TOOL_CALLS, Usage(10, 5, reported=True))
SAID = Finished(FinishReason.STOP, Usage(20, 7, reported=True))
BODY = {"body": {"tools": ["double", "erase"]}}

as_chat_and_page = pytest.mark.parametrize("hook", [False, True], ids=["Chat", "useChat"])


@pytest.fixture
def waits(model: LanguageModel, erasing: Erasing) -> LanguageModel:
    """The model calls two tools, of which the user is asked about one, and then says what they did."""
    calls = [ToolCall("d", "double", '{"number":21}'), ToolCall("e", "erase", '{"what":"the disk"}')]
    model.steps = [["Let me see.", *calls, CALLED], ["All done.", SAID]]
    return model


@pytest.fixture
def asking_tab(tab: Tab) -> Tab:
    """A tab of a version that knows approvals."""
    if tab.frontend.version == "5":
        pytest.skip("version 5 knows no approvals")
    return tab


def call_in(chat: dict[str, Any], call_id: str) -> dict[str, Any]:
    parts: list[dict[str, Any]] = chat["messages"][-1]["parts"]
    return next(part for part in parts if part.get("toolCallId") == call_id)


async def asked(tab: Tab, **fields: Any) -> tuple[Chat, dict[str, Any]]:
    """A chat whose answer waits."""
    chat = await tab.open(**fields)
    seen = await chat.send("Do it", options=BODY)
    assert (seen["status"], seen["told"]["errors"]) == ("ready", [])
    assert call_in(seen, "d")["state"] == "output-available"
    assert call_in(seen, "e")["state"] == "approval-requested"
    return chat, seen


@as_chat_and_page
@pytest.mark.parametrize("approved", [True, False], ids=["agreed", "denied"])
async def test_a_decision_in_the_page_lets_the_same_answer_go_on(
    ann: Person, waits: LanguageModel, erasing: Erasing, asking_tab: Tab, hook: bool, approved: bool
) -> None:
    chat, before = await asked(asking_tab, hook=hook)
    await chat.do("approve", approvalId=call_in(before, "e")["approval"]["id"], approved=approved, reason="So be it")
    await chat.do("until_text", text="All done.")
    after = await chat.do("until_rest")
    assert (after["status"], after["told"]["errors"]) == ("ready", [])
    assert texts(after) == ["Do it", "Let me see.All done."]
    assert after["messages"][-1]["id"] == before["messages"][-1]["id"]
    assert call_in(after, "e")["state"] == ("output-available" if approved else "output-denied")
    assert erasing.erased == (["the disk"] if approved else [])
    assert len(waits.provider.requests) == 2
    # A page that is loaded later shows what this one does.
    kept = (await ann.ok("GET", f"/ui/chat/{after['id']}"))["messages"]
    assert [part["type"] for part in kept[-1]["parts"]] == [part["type"] for part in after["messages"][-1]["parts"]][1:]
    assert kept[-1]["metadata"]["usage"] == after["messages"][-1]["metadata"]["usage"]
    assert await asking_tab.frontend.do("validate", messages=kept) == 2
    assert call_in({"messages": kept}, "e")["approval"]["approved"] is approved


@as_chat_and_page
async def test_a_page_that_is_loaded_anew_is_asked_and_may_answer(
    waits: LanguageModel, erasing: Erasing, asking_tab: Tab, hook: bool
) -> None:
    first, before = await asked(asking_tab)
    await first.do("leave")
    second = await asking_tab.reload(before["id"], hook=hook)
    seen = await second.do("until_rest")
    asked_again = call_in(seen, "e")
    assert asked_again["state"] == "approval-requested"
    await second.do("approve", approvalId=asked_again["approval"]["id"], approved=True)
    await second.do("until_text", text="All done.")
    assert texts(await second.do("until_rest")) == ["Do it", "Let me see.All done."]
    assert erasing.erased == ["the disk"]


@as_chat_and_page
async def test_a_reload_while_the_tool_works_shows_the_whole_answer_once(
    waits: LanguageModel, erasing: Erasing, asking_tab: Tab, hook: bool
) -> None:
    erasing.comes_back.clear()
    first, before = await asked(asking_tab)
    await first.do("approve", approvalId=call_in(before, "e")["approval"]["id"], approved=True)
    async with asyncio.timeout(10):
        await erasing.begun.wait()
    await first.do("leave")
    second = await asking_tab.reload(before["id"], hook=hook)
    await second.do("until_text", text="Let me see.")
    erasing.comes_back.set()
    await second.do("until_text", text="All done.")
    after = await second.do("until_rest")
    assert (after["status"], after["told"]["errors"]) == ("ready", [])
    assert texts(after) == ["Do it", "Let me see.All done."]
    assert erasing.erased == ["the disk"]


async def test_version_5_shows_a_call_that_waits_as_one_that_is_being_made(
    waits: LanguageModel, erasing: Erasing, tab: Tab
) -> None:
    if tab.frontend.version != "5":
        pytest.skip("the others know approvals")
    seen = await (await tab.open()).send("Do it", options=BODY)
    assert (seen["status"], seen["told"]["errors"]) == ("ready", [])
    assert call_in(seen, "e")["state"] == "input-available"
