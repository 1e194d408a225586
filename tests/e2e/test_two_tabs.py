"""Two tabs of one user: what happens in one is seen in the other, without a reload."""

from playwright.sync_api import expect

from tests.e2e.conftest import OpenPage
from tests.e2e.pages import ChatPage, Frames
from tests.e2e.site import Site


def beside(chat: ChatPage, open_page: OpenPage) -> ChatPage:
    """A second tab that listens already."""
    other = open_page(beside=chat.page)
    frames = Frames(other.page)
    other.page.reload()
    expect(other.box).to_be_visible()
    frames.until("listening")
    other.email = chat.email
    return other


def test_another_tab_sees_an_answer_come_and_a_conversation_change_and_go(
    chat: ChatPage, site: Site, open_page: OpenPage
) -> None:
    other = beside(chat, open_page)
    gates = site.script("First", " and last.", gates=(1,))
    chat.ask("Say it.")
    expect(other.rows).to_have_text(["Say it."])
    expect(other.rows.first).to_have_class("conversation busy")
    gates[1].open()
    chat.expect_answer("complete")
    expect(other.rows.first).to_have_class("conversation")

    # In the conversation that is open there, the answer is read as it is written.
    other.rows.get_by_role("link").click()
    other.expect_said("First and last.")
    gates = site.script("Second", " and last.", gates=(1,))
    chat.ask("And again.")
    expect(other.questions).to_have_count(2)
    expect(other.text).to_have_text("Second")
    other.expect_answer("streaming")
    gates[1].open()
    other.expect_said("Second and last.")

    chat.open_menu("Say it.")
    chat.choose("Rename")
    chat.page.get_by_label("Conversation title").fill("Firsts and lasts")
    chat.page.get_by_label("Conversation title").press("Enter")
    expect(other.title).to_have_text("Firsts and lasts")
    expect(other.rows).to_have_text(["Firsts and lasts"])

    chat.open_menu("Firsts and lasts")
    chat.choose("Delete")
    chat.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(other.rows).to_have_count(0)
    expect(other.page.get_by_text("This conversation was deleted elsewhere.")).to_be_visible()
    expect(other.page.get_by_role("heading", name="What shall we think through?")).to_be_visible()
