"""Frontends of each version of the AI SDK, and people whose chats they show."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.chat.conftest import LanguageModel, ann, bob, model
from tests.clients.ui.node import Frontend, running_frontend
from tests.people import Person

__all__ = ["LanguageModel", "ann", "bob", "model"]

TRANSPORTS = [("5", "http"), ("6", "http"), ("7", "http"), ("7", "websocket")]


@pytest_asyncio.fixture(scope="module", params=TRANSPORTS, ids=lambda param: f"{param[0]} over {param[1]}")
async def frontend(request: pytest.FixtureRequest) -> AsyncIterator[Frontend]:
    """A frontend of each version, over each transport that it has."""
    async with running_frontend(*request.param) as running:
        yield running


class Chat:
    """A chat that is open in a frontend."""

    def __init__(self, frontend: Frontend, handle: str) -> None:
        self.frontend = frontend
        self.handle = handle

    async def do(self, op: str, **fields: Any) -> Any:
        """A command of the agent about this chat."""
        return await self.frontend.do(op, handle=self.handle, **fields)

    async def send(self, text: str, **fields: Any) -> Any:
        """Send, and wait for the end of the answer; the chat as it is then."""
        await self.do("send", text=text, **fields)
        return await self.do("until_rest")


class Tab:
    """Opens chats of a user, as tabs do."""

    def __init__(self, frontend: Frontend, person: Person) -> None:
        self.frontend = frontend
        self._person = person
        self._opened = 0

    async def open(self, chat_id: str | None = None, **fields: Any) -> Chat:
        """A new chat, or one that is known by its id; `hook` opens it as a page with useChat."""
        self._opened += 1
        handle = f"{self._person.email} {self._opened}"
        token = self._person.tokens["access_token"]
        await self.frontend.do("open", handle=handle, chatId=chat_id, server=self._person.server, token=token, **fields)
        return Chat(self.frontend, handle)

    async def reload(self, chat_id: str, **fields: Any) -> Chat:
        """The chat as a page shows it that was loaded anew: the messages that are kept, and what is being written."""
        kept = await self._person.ok("GET", f"/ui/chat/{chat_id}")
        resume = kept["active_run_id"] is not None
        return await self.open(chat_id, messages=kept["messages"], resume=resume, **fields)


@pytest.fixture
def tab(frontend: Frontend, ann: Person) -> Tab:
    """Ann's tab."""
    return Tab(frontend, ann)


def text_of(message: dict[str, Any]) -> str:
    """A message's text, without reasoning."""
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


def texts(chat: dict[str, Any]) -> list[str]:
    """What the chat shows; on a page it is what the page shows, too."""
    for message in chat["messages"]:
        assert message.get("shown", text_of(message)) == text_of(message)
    return [text_of(message) for message in chat["messages"]]
