"""What may happen to an answer on its way, with a model that speaks when the test wants it to."""

import json

from playwright.sync_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.pages import ChatPage, Frames, until
from tests.e2e.site import Site

STOP_TIMERS = """() => {
  const { setTimeout } = window;
  for (let id = setTimeout(() => {}); id > 0; id -= 1) clearTimeout(id);
  window.setTimeout = () => 0;
  window.goOn = () => { window.setTimeout = setTimeout; };
}"""


def test_words_appear_as_they_arrive(chat: ChatPage, site: Site) -> None:
    gates = site.script("One", " two", " three", gates=(1, 2))
    chat.ask("Count.")
    expect(chat.text).to_have_text("One")
    chat.expect_answer("streaming")
    gates[1].open()
    expect(chat.text).to_have_text("One two")
    gates[2].open()
    chat.expect_said("One two three")


def test_a_reload_in_the_middle_shows_the_whole_answer(chat: ChatPage, site: Site) -> None:
    gates = site.script("The", " first half", ", and", " the second.", gates=(2,))
    chat.ask("Say it.")
    expect(chat.text).to_have_text("The first half")
    chat.page.reload()
    expect(chat.text).to_have_text("The first half")
    chat.expect_answer("streaming")
    gates[2].open()
    chat.expect_said("The first half, and the second.")
    expect(chat.answers).to_have_count(1)
    expect(chat.questions).to_have_count(1)


def test_stop_works_before_the_first_word(chat: ChatPage, site: Site) -> None:
    site.script("never said", gates=(0,))
    closed = site.ollama.closed
    chat.ask("Are you there?")
    expect(chat.answer.get_by_text("Thinking…")).to_be_visible()
    chat.stop_button.click()
    chat.expect_answer("stopped")
    until(chat.page, lambda: site.ollama.closed > closed)
    assert site.ollama.closed == closed + 1
    site.script("Here I am.")
    chat.answer.get_by_role("button", name="Try again").click()
    chat.expect_said("Here I am.")
    expect(chat.questions).to_have_count(1)


def test_a_stop_is_heard_after_a_reload(chat: ChatPage, site: Site) -> None:
    site.script("Some", " words", " never said", gates=(2,))
    chat.ask("Go on.")
    expect(chat.text).to_have_text("Some words")
    chat.page.reload()
    expect(chat.text).to_have_text("Some words")
    chat.page.keyboard.press("Escape")
    chat.expect_answer("stopped")
    expect(chat.text).to_have_text("Some words")
    assert chat.stored_messages()[-1]["status"] == "stopped"


def test_a_failed_answer_says_so_and_can_be_repeated(chat: ChatPage, site: Site) -> None:
    site.script("It began well", " and", " then", fails_after=2)
    chat.ask("Try it.")
    chat.expect_answer("failed")
    expect(chat.text).to_have_text("It began well and")
    expect(chat.answer.get_by_role("alert")).to_be_visible()
    site.script("Better now.")
    chat.answer.get_by_role("button", name="Try again").click()
    chat.expect_said("Better now.")
    expect(chat.answers).to_have_count(1)


def test_a_failure_before_the_first_word_can_be_repeated(chat: ChatPage, site: Site) -> None:
    site.script(refuses=(500, "llama runner process has terminated"))
    chat.ask("Try it.")
    chat.expect_answer("failed")
    expect(chat.answer.get_by_role("alert")).not_to_contain_text("runner")
    site.script("Better now.")
    chat.answer.get_by_role("button", name="Try again").click()
    chat.expect_said("Better now.")


def test_a_lost_socket_comes_back_and_the_answer_goes_on(open_page: OpenPage, site: Site) -> None:
    chat = open_page(path="/static/chat/logo.svg")
    connections = breakable_sockets(chat.page)
    chat.page.goto(site.url)
    frames = Frames(chat.page)
    chat.register()
    gates = site.script("Before", " the break", ", and after.", gates=(2,))
    chat.ask("Go on.")
    expect(chat.text).to_have_text("Before the break")
    connections[-1].close()
    gates[2].open()
    chat.expect_said("Before the break, and after.")
    assert len(connections) > 1
    assert len(chat.stored_messages()) == 2
    del frames


def test_a_stream_that_breaks_off_is_taken_up_again_on_the_same_connection(open_page: OpenPage, site: Site) -> None:
    """As when the process that writes the answer can no longer be heard by the one that the page is connected to."""
    chat = open_page(path="/static/chat/logo.svg")
    connections = breakable_sockets(chat.page)
    chat.page.goto(site.url)
    frames = Frames(chat.page)
    chat.register()
    gates = site.script("Before", " the break", ", and after.", gates=(2,))
    chat.ask("Go on.")
    expect(chat.text).to_have_text("Before the break")
    asked = next(frame["requestId"] for frame in frames.sent if frame["type"] == "send")
    problem = {"code": "stream_cut", "detail": "The stream broke off."}
    cut = {"type": "error", "requestId": asked, "errorText": problem["detail"], "problem": problem}
    with frames.sockets[-1].expect_event("framesent", lambda sent: json.loads(sent)["type"] == "resume"):
        connections[-1].send(json.dumps(cut))
    gates[2].open()
    chat.expect_said("Before the break, and after.")
    assert len(connections) == 1


def test_a_banner_shows_while_the_server_is_away(chat: ChatPage, site: Site) -> None:
    site.script("First.")
    chat.ask("One?")
    chat.expect_said("First.")
    site.web.kill()
    expect(chat.banner).to_be_visible()
    chat.ask("Two?")
    unsent = chat.questions.filter(has_text="Two?")
    expect(unsent).to_contain_text("Not sent.")
    # Only the button brings the page back: without timers it does not come by itself.
    chat.page.evaluate(STOP_TIMERS)
    site.web.start()
    chat.page.evaluate("window.goOn()")
    chat.page.get_by_role("button", name="Try now").click()
    expect(chat.banner).to_be_hidden()
    site.script("Second.")
    unsent.get_by_role("button", name="Try again").click()
    chat.expect_said("Second.")
    expect(chat.questions).to_have_text(["One?", "Two?"])


def test_an_answer_that_a_crash_cut_off_is_marked(chat: ChatPage, site: Site) -> None:
    site.script("Said before", " the crash", " and never after", gates=(2,))
    chat.ask("Go on.")
    expect(chat.text).to_have_text("Said before the crash")
    site.web.kill()
    expect(chat.banner).to_be_visible()
    site.web.start()
    expect(chat.answer).to_have_attribute("data-status", "interrupted", timeout=60_000)
    site.script("Complete this time.")
    chat.answer.get_by_role("button", name="Try again").click()
    chat.expect_said("Complete this time.")


def test_a_second_tab_is_told_that_an_answer_is_running_and_sees_it(
    chat: ChatPage, open_page: OpenPage, site: Site
) -> None:
    site.script("First.")
    chat.ask("One?")
    chat.expect_said("First.")
    # It hears no notice: otherwise it would know, and not offer to send.
    chat.page.context.route_web_socket("**/ws/notices", lambda socket: socket.close())
    other = open_page(beside=chat.page, path=f"/#/c/{chat.conversation_id()}")
    other.expect_said("First.")
    gates = site.script("Still", " going", gates=(1,))
    chat.ask("Two?")
    expect(chat.text).to_have_text("Still")
    other.ask("Three?")
    refused = other.questions.filter(has_text="Three?")
    expect(refused).to_contain_text("Not sent.")
    expect(other.text).to_have_text("Still")
    gates[1].open()
    chat.expect_said("Still going")
    other.expect_said("Still going")
    site.script("Third.")
    refused.get_by_role("button", name="Try again").click()
    other.expect_said("Third.")
    expect(other.questions).to_have_text(["One?", "Two?", "Three?"])


def test_an_answer_goes_on_while_another_conversation_is_read(chat: ChatPage, site: Site) -> None:
    gates = site.script("Slow", " answer", gates=(1,))
    chat.ask("The slow one")
    expect(chat.text).to_have_text("Slow")
    chat.page.get_by_role("button", name="New conversation", exact=True).click()
    site.script("Quick answer")
    chat.ask("The quick one")
    chat.expect_said("Quick answer")
    gates[1].open()
    chat.rows.filter(has_text="The slow one").get_by_role("link").click()
    chat.expect_said("Slow answer")


def test_an_answer_that_is_asked_for_again_takes_the_place_of_the_first(chat: ChatPage, site: Site) -> None:
    site.script("The first try.")
    chat.ask("Try.")
    chat.expect_said("The first try.")
    site.script("The second try.")
    chat.answer.get_by_role("button", name="Answer again").click()
    chat.expect_said("The second try.")
    chat.page.reload()
    chat.expect_said("The second try.")
    expect(chat.answers).to_have_count(1)


def test_older_messages_come_as_one_scrolls_up(chat: ChatPage, site: Site) -> None:
    token = chat.api_token()
    site.script("Noted.")
    chat.ask("Message 0")
    chat.expect_said("Noted.")
    for number in range(1, 22):
        run = chat.page.request.post(
            f"{site.url}/api/v1/conversations/{chat.conversation_id()}/runs",
            headers={"Authorization": f"Bearer {token}", "Accept": "text/event-stream"},
            data={"parts": [{"type": "text", "text": f"Message {number}"}]},
        )
        assert "[DONE]" in run.text()
    chat.page.reload()
    expect(chat.questions.last).to_have_text("Message 21")
    expect(chat.questions.last).to_be_in_viewport()
    expect(chat.questions).to_have_count(15)
    chat.page.locator("#thread").evaluate("(thread) => { thread.scrollTop = 0; }")
    expect(chat.questions).to_have_count(22)
    expect(chat.questions.first).to_have_text("Message 0")


def breakable_sockets(page: Page) -> list:
    """The server's ends of the page's sockets, as they are opened; closing one breaks the connection."""
    connections: list = []

    def connect(socket) -> None:
        connections.append(socket)
        socket.connect_to_server()

    page.route_web_socket("**/ws/chat", connect)
    return connections
