"""Questions worded anew, other answers, and the way back to the versions before, on the page."""

from playwright.sync_api import expect

from tests.e2e.conftest import OpenPage
from tests.e2e.pages import ChatPage, text_of
from tests.e2e.site import Site


def asked(chat: ChatPage, site: Site, question: str, *answer: str) -> None:
    """An exchange that is complete."""
    before = chat.answers.count()
    site.script(*answer)
    chat.ask(question)
    expect(chat.answers).to_have_count(before + 1)
    chat.expect_answer("complete")


def edit(chat: ChatPage, number: int, text: str) -> None:
    """Word the question anew and send it."""
    question = chat.questions.nth(number)
    question.hover()
    question.get_by_role("button", name="Edit message").click()
    box = chat.page.get_by_role("textbox", name="Edit your message")
    expect(box).to_be_focused()
    box.fill(text)
    box.press("Enter")


def stored(chat: ChatPage) -> list[str]:
    """The texts of the branch shown, as the API has it."""
    return [text_of(message) for message in chat.stored_messages()]


def test_a_message_is_edited_and_the_wording_before_is_found_again(chat: ChatPage, site: Site) -> None:
    asked(chat, site, "How tall is a giraffe?", "Five metres.")
    asked(chat, site, "And an elephant?", "Three metres.")
    site.script("Fifteen metres long.")
    edit(chat, 0, "How long is a whale?")
    chat.expect_said("Fifteen metres long.")
    expect(chat.questions).to_have_count(1)
    expect(chat.questions.locator(".bubble")).to_have_text("How long is a whale?")
    versions = chat.questions.first.get_by_role("group", name="Versions")
    expect(versions).to_have_text("2/2")
    expect(versions.get_by_role("button", name="Next version")).to_be_disabled()

    versions.get_by_role("button", name="Previous version").click()
    expect(chat.questions.locator(".bubble")).to_have_text(["How tall is a giraffe?", "And an elephant?"])
    expect(versions).to_have_text("1/2")
    expect(versions.get_by_role("button", name="Next version")).to_be_focused()
    chat.page.reload()
    expect(chat.questions).to_have_count(2)
    assert stored(chat) == ["How tall is a giraffe?", "Five metres.", "And an elephant?", "Three metres."]


def test_an_earlier_answer_is_made_anew_and_the_arrows_go_by_keyboard(chat: ChatPage, site: Site) -> None:
    asked(chat, site, "Name a colour.", "Red.")
    asked(chat, site, "Why?", "It is warm.")
    site.script("Blue.")
    first = chat.answers.first
    first.hover()
    first.get_by_role("button", name="Answer again").click()
    chat.expect_said("Blue.")
    expect(chat.answers).to_have_count(1)
    versions = first.get_by_role("group", name="Versions")
    expect(versions).to_have_text("2/2")
    versions.get_by_role("button", name="Previous version").focus()
    chat.page.keyboard.press("Enter")
    expect(first.locator(".markdown")).to_have_text("Red.")
    chat.expect_said("It is warm.")
    expect(versions.get_by_role("button", name="Next version")).to_be_focused()
    chat.page.keyboard.press("Enter")
    chat.expect_said("Blue.")
    expect(versions.get_by_role("button", name="Previous version")).to_be_focused()


def test_the_next_message_goes_on_from_the_version_shown(chat: ChatPage, site: Site) -> None:
    asked(chat, site, "Name a colour.", "Red.")
    site.script("Blue.")
    chat.answer.get_by_role("button", name="Answer again").click()
    chat.expect_said("Blue.")
    versions = chat.answer.get_by_role("group", name="Versions")
    expect(versions).to_have_text("2/2")
    versions.get_by_role("button", name="Previous version").click()
    chat.expect_said("Red.")
    asked(chat, site, "Why?", "It is warm.")
    assert stored(chat) == ["Name a colour.", "Red.", "Why?", "It is warm."]


def test_an_edit_that_is_given_up_changes_nothing(chat: ChatPage, site: Site) -> None:
    asked(chat, site, "Name a colour.", "Red.")
    question = chat.questions.first
    question.hover()
    question.get_by_role("button", name="Edit message").click()
    box = chat.page.get_by_role("textbox", name="Edit your message")
    expect(box).to_have_value("Name a colour.")
    expect(question.get_by_role("button", name="Send")).to_be_disabled()
    box.fill("Name a <b>number</b>.")
    expect(question.get_by_role("button", name="Send")).to_be_enabled()
    box.press("Escape")
    expect(box).to_have_count(0)
    expect(question.get_by_role("button", name="Edit message")).to_be_focused()
    expect(question.locator(".bubble")).to_have_text("Name a colour.")
    expect(question.get_by_role("group", name="Versions")).to_be_hidden()


def test_while_an_answer_is_written_nothing_is_edited_or_turned(chat: ChatPage, site: Site) -> None:
    asked(chat, site, "Name a colour.", "Red.")
    site.script("Blue.")
    chat.answer.get_by_role("button", name="Answer again").click()
    first = chat.answers.first.get_by_role("group", name="Versions")
    expect(first).to_have_text("2/2")
    gates = site.script("It", " is cold.", gates=(1,))
    chat.ask("Why?")
    expect(chat.text).to_have_text("It")
    expect(first.get_by_role("button", name="Previous version")).to_be_disabled()
    expect(chat.questions.first.get_by_role("button", name="Edit message")).to_be_hidden()
    gates[1].open()
    chat.expect_answer("complete")
    expect(first.get_by_role("button", name="Previous version")).to_be_enabled()


def test_a_wording_that_is_refused_is_not_lost(chat: ChatPage, site: Site) -> None:
    asked(chat, site, "Name a colour.", "Red.")
    edit(chat, 0, "x " * 9_000 + "end")
    unsent = chat.page.locator(".unsent")
    expect(unsent.get_by_text("too long for the language model")).to_be_visible()
    expect(unsent.locator(".bubble")).to_contain_text("end")
    expect(chat.questions).to_have_count(1)
    unsent.get_by_role("button", name="Discard").click()
    expect(chat.questions.locator(".bubble")).to_have_text(["Name a colour."])
    chat.expect_said("Red.")


def test_what_the_model_was_not_shown_is_said_at_the_last_answer(chat: ChatPage, site: Site) -> None:
    asked(chat, site, "long " * 6_000, "Noted.")
    expect(chat.answer.get_by_text("server left out a part")).to_be_visible()
    asked(chat, site, "And now?", "Nothing.")
    line = chat.page.get_by_text("The first 2 messages did not fit and were not shown to the language model.")
    expect(line).to_be_visible()
    expect(chat.answers.first.locator(".trimmed")).to_have_count(0)
    chat.page.reload()
    expect(line).to_be_visible()


def test_two_tabs_see_the_same_version_when_they_are_looked_at(chat: ChatPage, open_page: OpenPage, site: Site) -> None:
    asked(chat, site, "Name a colour.", "Red.")
    other = open_page(beside=chat.page, path=f"/#/c/{chat.conversation_id()}")
    other.expect_said("Red.")
    site.script("Seven.")
    edit(other, 0, "Name a number.")
    other.expect_said("Seven.")
    chat.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    chat.expect_said("Seven.")
    expect(chat.questions.first.get_by_role("group", name="Versions")).to_have_text("2/2")
