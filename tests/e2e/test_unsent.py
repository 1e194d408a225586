"""A question is never lost and never asked twice, whatever the line does and wherever its writer looks meanwhile."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.pages import ChatPage, held_back, until
from tests.e2e.site import HANDY, Site

NEW = "**/api/v1/conversations"


class Line:
    """The chat's connection, for a test to listen in on, to hold back from, and to break."""

    def __init__(self, page: Page) -> None:
        self.sockets: list = []
        self.swallows: Callable[[dict], bool] = lambda _frame: False
        self.answers: Callable[[dict], dict | None] = lambda _frame: None
        self.sent: list[dict] = []
        page.route_web_socket("**/ws/chat", self._connect)

    def _connect(self, socket) -> None:
        self.sockets.append(socket)
        server = socket.connect_to_server()
        socket.on_message(lambda text: self._said(socket, server, json.loads(text)))

    def _said(self, socket, server, frame: dict) -> None:
        self.sent.append(frame)
        reply = self.answers(frame)
        if reply is not None:
            socket.send(json.dumps({"requestId": frame["requestId"], **reply}))
        elif not self.swallows(frame):
            server.send(json.dumps(frame))

    def of(self, kind: str) -> list[dict]:
        """What the page has sent of a kind."""
        return [frame for frame in self.sent if frame["type"] == kind]


@pytest.fixture
def line(open_page: OpenPage) -> tuple[ChatPage, Line]:
    """A new user's page whose connection can be meddled with."""
    chat = open_page(path=None)
    line = Line(chat.page)
    chat.enter_registered()
    return chat, line


def unsent(chat: ChatPage, text: str) -> Locator:
    """The question of that text that was not sent."""
    return chat.questions.filter(has_text=text).filter(has_text="Not sent.")


def new_conversation(chat: ChatPage) -> None:
    """By its button."""
    chat.page.get_by_role("button", name="New conversation", exact=True).click()


def two_conversations(chat: ChatPage, first: str, second: str) -> None:
    """Each with one question and its answer; the second is open."""
    chat.ask(first)
    chat.expect_said("Hello.")
    new_conversation(chat)
    chat.ask(second)
    chat.expect_said("Hello.")


def open_row(chat: ChatPage, title: str) -> None:
    """The conversation of that title."""
    chat.rows.filter(has_text=title).get_by_role("link").click()


def cut_off(chat: ChatPage) -> None:
    """From now on no socket is opened."""
    chat.page.route("**/auth/socket-ticket", lambda route: route.abort())


def test_each_question_that_was_not_sent_can_be_sent(chat: ChatPage) -> None:
    chat.page.route(NEW, lambda route: route.abort(), times=2)
    chat.ask("The first?")
    expect(unsent(chat, "The first?")).to_be_visible()
    chat.ask("The second?")
    expect(chat.questions).to_have_count(2)
    unsent(chat, "The second?").get_by_role("button", name="Try again").click()
    chat.expect_said("Hello.")
    expect(unsent(chat, "The second?")).to_have_count(0)
    expect(unsent(chat, "The first?")).to_be_visible()
    unsent(chat, "The first?").get_by_role("button", name="Try again").click()
    expect(chat.answers).to_have_count(2)
    chat.expect_said("Hello.")
    expect(chat.questions).to_have_text(["The second?", "The first?"])
    assert [message["role"] for message in chat.stored_messages()] == ["user", "assistant"] * 2


def test_a_question_that_was_not_sent_outlives_the_next_one(chat: ChatPage) -> None:
    chat.page.route(NEW, lambda route: route.abort(), times=1)
    chat.ask("The first?")
    expect(unsent(chat, "The first?")).to_be_visible()
    chat.ask("The second?")
    chat.expect_said("Hello.")
    expect(unsent(chat, "The first?")).to_be_visible()
    unsent(chat, "The first?").get_by_role("button", name="Discard").click()
    expect(chat.questions).to_have_text(["The second?"])


def test_a_first_question_is_seen_while_its_conversation_is_made_and_is_asked_once(chat: ChatPage) -> None:
    held = held_back(chat.page, NEW)
    chat.box.fill("A draft.")
    example = chat.page.locator("#welcome button").first
    question = example.get_attribute("data-question")
    example.dblclick()
    expect(chat.questions).to_have_text([question or ""])
    expect(chat.box).to_have_value("A draft.")
    chat.box.press("Enter")
    expect(chat.box).to_have_value("A draft.")
    until(chat.page, lambda: held)
    assert len(held) == 1
    held[0].continue_()
    chat.expect_said("Hello.")
    expect(chat.rows).to_have_count(1)
    expect(chat.questions).to_have_count(1)


@pytest.mark.parametrize("arrives", [True, False], ids=["made", "not made"])
def test_a_first_question_stays_where_it_was_asked(chat: ChatPage, arrives: bool) -> None:
    chat.ask("Another.")
    chat.expect_said("Hello.")
    new_conversation(chat)
    held = held_back(chat.page, NEW)
    chat.ask("The slow one?")
    until(chat.page, lambda: held)
    open_row(chat, "Another.")
    expect(chat.questions).to_have_text(["Another."])
    if arrives:
        held[0].continue_()
        expect(chat.rows).to_have_count(2)
        expect(chat.rows.filter(has_text="The slow one?")).to_have_class("conversation")
        expect(chat.questions).to_have_text(["Another."])
        open_row(chat, "The slow one?")
        chat.expect_said("Hello.")
        expect(chat.questions).to_have_text(["The slow one?"])
        return
    held[0].abort()
    expect(chat.page.locator(".toast")).to_have_text(
        "The server cannot be reached. Check your connection and try again."
    )
    expect(chat.questions).to_have_text(["Another."])
    new_conversation(chat)
    expect(unsent(chat, "The slow one?")).to_be_visible()


def test_a_question_that_is_refused_while_another_conversation_is_read_is_kept(line: tuple[ChatPage, Line]) -> None:
    chat, wire = line
    two_conversations(chat, "One.", "Two.")
    cut_off(chat)
    wire.sockets[-1].close()
    chat.ask("Three?")
    open_row(chat, "One.")
    expect(chat.questions).to_have_text(["One."])
    expect(chat.page.locator(".toast")).to_have_text("The server cannot be reached.")
    open_row(chat, "Two.")
    expect(unsent(chat, "Three?")).to_be_visible()


def test_a_question_that_was_lost_with_the_line_is_kept_in_its_conversation(line: tuple[ChatPage, Line]) -> None:
    chat, wire = line
    two_conversations(chat, "Same words.", "Two.")
    open_row(chat, "Same words.")
    wire.swallows = lambda frame: frame["type"] == "send"
    chat.ask("Same words.")
    open_row(chat, "Two.")
    wire.sockets[-1].close()
    expect(chat.page.locator(".conversation.busy")).to_have_count(0)
    open_row(chat, "Same words.")
    expect(unsent(chat, "Same words.")).to_be_visible()
    wire.swallows = lambda _frame: False
    unsent(chat, "Same words.").get_by_role("button", name="Try again").click()
    expect(chat.answers).to_have_count(2)
    chat.expect_said("Hello.")


def test_what_was_answered_while_the_line_was_down_is_not_said_to_be_unsent(
    line: tuple[ChatPage, Line], site: Site
) -> None:
    chat, wire = line
    chat.ask("One.")
    chat.expect_said("Hello.")
    gates = site.script("Slow", " answer.", gates=(1,))
    new_conversation(chat)
    chat.ask("Two?")
    expect(chat.text).to_have_text("Slow")
    open_row(chat, "One.")
    wire.answers = lambda frame: {"type": "no-active"} if frame["type"] == "resume" else None
    wire.sockets[-1].close()
    gates[1].open()
    expect(chat.page.locator(".conversation.busy")).to_have_count(0)
    wire.answers = lambda _frame: None
    open_row(chat, "Two?")
    chat.expect_said("Slow answer.")
    expect(chat.questions).to_have_text(["Two?"])
    expect(chat.page.get_by_text("Not sent.")).to_have_count(0)


def test_an_answer_that_cannot_be_followed_at_once_is_followed_later(line: tuple[ChatPage, Line], site: Site) -> None:
    chat, wire = line
    problem = {"code": "unavailable", "detail": "Not now."}
    refusals = [{"type": "error", "errorText": "Not now.", "problem": problem}] * 2
    wire.answers = lambda frame: refusals.pop() if frame["type"] == "resume" and refusals else None
    gates = site.script("Before", " and after.", gates=(1,))
    chat.ask("Go on.")
    expect(chat.text).to_have_text("Before")
    wire.sockets[-1].close()
    gates[1].open()
    chat.expect_said("Before and after.")
    assert refusals == []
    expect(chat.questions).to_have_text(["Go on."])
    expect(chat.page.get_by_text("Not sent.")).to_have_count(0)
    assert len(chat.stored_messages()) == 2


def test_a_stop_that_was_lost_with_the_line_is_said_again(line: tuple[ChatPage, Line], site: Site) -> None:
    chat, wire = line
    site.script("Some words", " never said", gates=(1,))
    chat.ask("Go on.")
    expect(chat.text).to_have_text("Some words")
    wire.swallows = lambda frame: frame["type"] == "abort"
    chat.stop_button.click()
    expect(chat.answer.get_by_text("Stopping…")).to_be_visible()
    wire.swallows = lambda _frame: False
    wire.sockets[-1].close()
    chat.expect_answer("stopped")
    assert len(wire.of("abort")) == 2


def test_a_stop_that_nothing_came_of_can_be_asked_for_again(line: tuple[ChatPage, Line], site: Site) -> None:
    chat, wire = line
    site.script("Some words", " never said", gates=(1,))
    chat.ask("Go on.")
    expect(chat.text).to_have_text("Some words")
    wire.swallows = lambda frame: frame["type"] == "abort"
    chat.stop_button.click()
    expect(chat.stop_button).to_be_disabled()
    expect(chat.stop_button).to_be_enabled()
    wire.swallows = lambda _frame: False
    chat.stop_button.click()
    chat.expect_answer("stopped")


def test_the_model_that_the_page_shows_answers_also_while_the_server_has_not_heard_of_it(chat: ChatPage) -> None:
    chat.ask("Hi.")
    chat.expect_said("Hello.")
    held = held_back(chat.page, "**/api/v1/conversations/*", method="PATCH")
    chat.choose_model(f"{HANDY}:latest")
    until(chat.page, lambda: held)
    chat.ask("Do it")
    expect(chat.page.get_by_role("group", name="May house__writes be called?")).to_be_visible()
