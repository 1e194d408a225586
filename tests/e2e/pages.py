"""The chat page as a person uses it: what to fill in, press and read, by the names that are on the screen."""

import itertools
import json
import re
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import ConsoleMessage, Locator, Page, Request, Route, WebSocket, expect

from tests.e2e.site import Site

PASSWORD = "plum orchard tuesday lantern"
_numbers = itertools.count()

# Resolves when the element's text is longer than asked, at the change that makes it so.
UNTIL_LONGER = """
([selector, length]) => new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error(`not longer than ${length} letters`)), 60_000);
  const look = () => {
    const text = document.querySelector(selector)?.textContent ?? "";
    if (text.length <= length) return;
    watcher.disconnect();
    resolve(text);
  };
  const watcher = new MutationObserver(look);
  watcher.observe(document.body, { subtree: true, childList: true, characterData: true });
  look();
})
"""


class Watch:
    """Notes what no page of ours may ever do; and the replies that a page got, for whoever looks at a failed test."""

    def __init__(self, page: Page, url: str) -> None:
        self.faults: list[str] = []
        self.requests: list[str] = []
        self.replies: list[str] = []
        page.on("response", lambda reply: self._replied(reply.request, str(reply.status)))
        page.on("requestfailed", lambda request: self._replied(request, request.failure or "failed"))
        self._own = (url, url.replace("http", "ws", 1), "data:", "blob:")
        page.on("pageerror", lambda error: self.faults.append(f"an exception was not caught: {error}"))
        page.on("console", self._heard)
        page.on("request", self._asked)
        page.on("websocket", lambda socket: self._reached(socket.url))
        page.add_init_script(
            "addEventListener('securitypolicyviolation', (e) => console.error("
            "`Content Security Policy: ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`))"
        )

    def _heard(self, message: ConsoleMessage) -> None:
        if re.search("Content Security Policy|Trusted|does not evaluate|Alpine Expression", message.text):
            self.faults.append(message.text)

    def _asked(self, request: Request) -> None:
        self._reached(request.url)

    def _replied(self, request: Request, how: str) -> None:
        if "/static/" not in request.url:
            self.replies.append(f"{request.method} {request.url} {how}")

    def _reached(self, url: str) -> None:
        self.requests.append(url)
        if not url.startswith(self._own):
            self.faults.append(f"a request left for {url}")

    def verify(self) -> None:
        """Fails with what was noted."""
        assert [*dict.fromkeys(self.faults)] == []


class Frames:
    """The frames of a page's sockets, and those of them that are for chats; there is one for notices as well."""

    def __init__(self, page: Page) -> None:
        self.sent: list[dict[str, Any]] = []
        self.received: list[dict[str, Any]] = []
        self.sockets: list[WebSocket] = []
        self._page = page
        page.on("websocket", self._opened)

    def _opened(self, socket: WebSocket) -> None:
        if socket.url.endswith("/ws/chat"):
            self.sockets.append(socket)
        socket.on("framesent", lambda data: self.sent.append(json.loads(data)))
        socket.on("framereceived", lambda data: self.received.append(json.loads(data)))

    def until(self, kind: str) -> None:
        """Wait until a frame of this type has come."""
        until(self._page, lambda: any(frame["type"] == kind for frame in self.received))

    def chunks(self, kind: str) -> list[dict[str, Any]]:
        """The chunks of one type, as they came."""
        return [f["chunk"] for f in self.received if f["type"] == "chunk" and f["chunk"]["type"] == kind]


class ChatPage:
    """One tab with the chat."""

    def __init__(self, page: Page, site: Site) -> None:
        self.page = page
        self.site = site
        self.email = f"reader{next(_numbers)}-{time.time_ns()}@example.org"
        self.entrance = page.locator("#auth-view")
        self.box = page.get_by_role("textbox", name="Message", exact=True)
        self.stop_button = page.get_by_role("button", name="Stop the answer")
        self.answers = page.get_by_role("article", name="Eloquent")
        self.questions = page.get_by_role("article", name="You")
        self.title = page.locator("#thread-title")
        self.rows = page.locator("#conversation-list .conversation")
        self.banner = page.locator("#banner")

    def register(self, name: str = "Ada Lovelace") -> None:
        """Create an account through the form, into the chat."""
        self.create_account(name)
        expect(self.box).to_be_visible()

    def enter_registered(self) -> None:
        """Come with the cookie of an account that was created a moment ago: the form takes longer than most tests."""
        body = {"name": "Ada Lovelace", "email": self.email, "password": PASSWORD, "cookie": True}
        answer = self.page.request.post(
            f"{self.site.url}/api/v1/auth/register", data=body, headers={"Origin": self.site.url}
        )
        assert answer.ok, answer.text()
        self.page.goto(self.site.url)
        expect(self.box).to_be_visible()

    def create_account(self, name: str = "Ada Lovelace") -> None:
        """Fill the form in and send it, whichever page is behind it."""
        self.entrance.get_by_role("button", name="Create an account").click()
        self.entrance.get_by_label("Name").fill(name)
        self.entrance.get_by_label("Email").fill(self.email)
        self.entrance.get_by_label("Password", exact=True).fill(PASSWORD)
        self.entrance.get_by_role("button", name="Create account").click()

    def sign_in(self, password: str = PASSWORD, email: str | None = None) -> None:
        """Fill the form in and send it."""
        self.entrance.get_by_label("Email").fill(email or self.email)
        self.entrance.get_by_label("Password", exact=True).fill(password)
        self.entrance.get_by_role("button", name="Sign in", exact=True).click()

    def choose_model(self, name: str) -> None:
        """By its name in the picker."""
        self.page.get_by_label("Language model").select_option(label=name)

    def ask(self, question: str) -> None:
        """Write it and press Enter."""
        self.box.fill(question)
        self.box.press("Enter")

    @property
    def answer(self) -> Locator:
        """The last answer."""
        return self.answers.last

    @property
    def text(self) -> Locator:
        """The words of the last answer."""
        return self.answer.locator(".markdown")

    def expect_answer(self, status: str) -> None:
        """Wait until the last answer is "streaming", "complete", "stopped", "failed"."""
        expect(self.answer).to_have_attribute("data-status", status, timeout=180_000)

    def expect_said(self, text: str) -> None:
        """Wait until the last answer has these words and is complete, which it is a moment after its last word."""
        expect(self.text).to_have_text(text)
        self.expect_answer("complete")

    def until_longer(self, length: int) -> int:
        """Wait until the last answer is longer than so many letters; its length then."""
        return len(self.page.evaluate(UNTIL_LONGER, [".answer:last-child .markdown", length]))

    def conversation_id(self) -> str:
        """The open conversation's, from the address bar."""
        return self.page.url.rpartition("/")[2]

    def api(self, path: str, *, token: str) -> Any:
        """What the API answers to GET."""
        response = self.page.request.get(f"{self.site.url}/api/v1{path}", headers={"Authorization": f"Bearer {token}"})
        assert response.ok, response.text()
        return response.json()

    def api_token(self) -> str:
        """A token of a session beside the page's own."""
        body = {"email": self.email, "password": PASSWORD}
        return self.page.request.post(f"{self.site.url}/api/v1/auth/login", data=body).json()["access_token"]

    def stored_messages(self) -> list[dict[str, Any]]:
        """The open conversation as the API has it."""
        return self.api(f"/conversations/{self.conversation_id()}/messages", token=self.api_token())["items"]

    def open_menu(self, title: str) -> None:
        """A conversation's menu in the sidebar."""
        row = self.rows.filter(has_text=title)
        row.hover()
        row.get_by_role("button").click()

    def choose(self, action: str) -> None:
        """From the open menu."""
        self.page.get_by_role("menuitem", name=action).click()


def until(page: Page, true: Callable[[], object], *, every_ms: int = 10) -> None:
    """Wait for what this process hears of only while the page's events are let in."""
    give_up = time.monotonic() + 60
    while not true():
        assert time.monotonic() < give_up
        page.wait_for_timeout(every_ms)


def held_back(page: Page, url: str, *, method: str | None = None) -> list[Route]:
    """Hold back the page's requests to such addresses from now on: those that came, for a test to let go."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        if method in (None, route.request.method):
            held.append(route)
        else:
            route.continue_()

    page.route(url, hold)
    return held


def text_of(message: dict[str, Any]) -> str:
    """A stored message's text."""
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")
