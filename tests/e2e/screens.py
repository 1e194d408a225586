"""Pictures of the page in its states: `python -m tests.e2e.screens DIRECTORY`. For eyes; nothing is compared."""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from eloquent.embedded.mongod import Mongod
from eloquent.embedded.valkey import Valkey
from tests.e2e.account_screens import take_own_account
from tests.e2e.chromium import launched
from tests.e2e.pages import ChatPage
from tests.e2e.site import HANDY, SCRIPTED, Site, running_site

DESKTOP = {"width": 1280, "height": 820}
PHONE = {"width": 390, "height": 800}
LETTER = """## Two ways to say it

Rainbows need **sunlight behind you** and *rain in front of you*. Each drop works as a small prism:

1. Light bends as it enters the drop.
2. It is reflected at the back.
3. It bends once more on its way out.
   - red leaves at about 42°
   - violet at about 40°

> The bow is a circle. The ground hides its lower half.

| Colour | Wavelength | Angle |
|:-------|-----------:|:-----:|
| Red    | 650 nm     | 42.4° |
| Violet | 400 nm     | 40.5° |

```python
def bow(colour: str) -> float:
    \"\"\"The angle at which a colour is seen, in degrees.\"\"\"
    return {"red": 42.4, "violet": 40.5}[colour]
```

More in `optics.md`, or at [the encyclopedia](https://example.org/rainbow)."""
# Those that never end (a breathing dot) are not waited for.
AT_REST = """
() => Promise.all(document.getAnimations()
  .filter((animation) => animation.effect.getTiming().iterations === 1)
  .map((animation) => animation.finished.catch(() => {})))  // its element may go first
"""
WORDS = [word + " " for word in LETTER.split(" ")]


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    directory: Path = parser.parse_args().directory
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="eloquent-screens-") as data:
        place = Path(data)
        with Mongod(place / "mongod") as mongod, Valkey(place / "valkey") as valkey:
            uris = {"mongodb_uri": mongod.address, "redis_url": valkey.address}
            with running_site(place / "site", **uris) as site, sync_playwright() as playwright:
                browser = launched(playwright)
                take_all(site, browser, lambda name: directory / f"{name}.png")
                browser.close()


def take_all(site: Site, browser: Browser, path_of: Callable[[str], Path]) -> None:
    """Each under its name."""
    page = browser.new_page(viewport=DESKTOP)  # type: ignore[arg-type]
    chat = ChatPage(page, site)

    def take(name: str) -> None:
        page.evaluate(AT_REST)
        page.screenshot(path=path_of(name))

    take_own_account(site, browser, (("", DESKTOP), ("-phone", PHONE)), path_of)
    take_account_pages(site, page, take)
    page.goto(site.url)
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    take("01-sign-in")
    chat.sign_in("not the password")
    expect(page.locator("#auth-error")).to_be_visible()
    take("02-sign-in-refused")
    chat.register()
    expect(page.get_by_label("Language model")).to_be_visible()
    take("03-empty")
    site.script("One moment.", gates=(0,))
    chat.ask("What do you do while I wait?")
    expect(chat.answer).to_be_visible()
    take("04-waiting")
    chat.stop_button.click()
    chat.expect_answer("stopped")
    take("05-stopped")
    page.get_by_role("button", name="New conversation", exact=True).click()
    site.script(*WORDS, gates=(len(WORDS) // 2,))
    chat.ask("How do rainbows form? Please show me a table and some code.")
    expect(chat.text).to_contain_text("a circle")
    take("06-streaming")
    chat.stop_button.click()
    site.script(*WORDS)
    chat.answer.get_by_role("button", name="Try again").click()
    chat.expect_answer("complete")
    take("07-complete")
    page.emulate_media(color_scheme="dark")
    take("08-dark")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    take("09-phone-dark")
    page.emulate_media(color_scheme="light")
    page.locator("#thread").evaluate("(thread) => { thread.scrollTop = 0; }")
    take("10-phone")
    page.get_by_role("button", name="Open the list").click()
    take("11-phone-list")
    page.keyboard.press("Escape")
    page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
    site.script("It began", " well", " but", fails_after=2)
    chat.ask("And how do they end?")
    chat.expect_answer("failed")
    take("12-failed")
    take_versions(site, chat, take)
    take_searches(chat, take)
    take_questions(chat, take)
    chat.open_menu("How do rainbows")
    take("13-menu")
    chat.choose("Delete")
    take("14-delete")
    page.keyboard.press("Escape")
    site.web.kill()
    expect(chat.banner).to_be_visible()
    chat.ask("Is anybody there?")
    expect(page.get_by_text("Not sent.")).to_be_visible(timeout=10_000)
    take("15-connection-lost")
    page.route("**/auth/refresh", lambda route: route.abort())
    site.web.start()
    page.reload()
    expect(page.get_by_role("heading", name="We can’t reach the server")).to_be_visible()
    take("16-server-away")


def take_account_pages(site: Site, page: Page, take: Callable[[str], None]) -> None:
    """What letters lead to: the forms, what came of them, and links that are no good."""
    for look, size in (("light", DESKTOP), ("dark", DESKTOP), ("light", PHONE), ("dark", PHONE)):
        page.emulate_media(color_scheme=look)  # type: ignore[arg-type]
        page.set_viewport_size(size)  # type: ignore[arg-type]
        name = f"{look}{'-phone' if size is PHONE else ''}"
        page.goto(site.url)
        expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
        take(f"30-sign-in-{name}")
        page.goto(f"{site.url}/account/verify-email#made-up")
        take(f"31-verify-{name}")
        page.get_by_role("button", name="Confirm").click()
        expect(page.get_by_role("heading", name="not valid any more")).to_be_visible()
        take(f"32-dead-{name}")
        page.goto(f"{site.url}/account/forgot-password")
        page.get_by_label("Email").fill("ada@example.org")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Look at your mail")).to_be_visible()
        take(f"33-forgotten-{name}")
        page.goto(f"{site.url}/account/reset-password#made-up")
        refused = {"code": "invalid_input", "errors": [{"loc": ["new_password"], "msg": "This is too common."}]}
        page.route("**/auth/password/reset", lambda route: route.fulfill(status=422, json=refused))  # noqa: B023
        page.get_by_label("New password", exact=True).fill("password12")
        page.keyboard.press("Enter")
        expect(page.get_by_text("This is too common.")).to_be_visible()
        take(f"34-reset-{name}")
        page.unroute("**/auth/password/reset")
        printed = site.manage("invite", f"guest{len(name)}@example.org")
        page.goto(site.url + printed[printed.index("/account/") :].split()[0])
        expect(page.get_by_label("Email")).not_to_be_editable()
        take(f"35-invited-{name}")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]


def take_searches(chat: ChatPage, take: Callable[[str], None]) -> None:
    """What was found, nothing, a server that does not answer, and the message that was chosen."""
    page = chat.page
    box = page.get_by_label("Search your messages")
    results = page.locator("#search-results a")
    for look, size in (("light", DESKTOP), ("dark", DESKTOP), ("light", PHONE), ("dark", PHONE)):
        page.emulate_media(color_scheme=look)  # type: ignore[arg-type]
        page.set_viewport_size(size)  # type: ignore[arg-type]
        name = f"{look}{'-phone' if size is PHONE else ''}"
        if size is PHONE:
            page.get_by_role("button", name="Open the list").click()
        box.fill("sea")
        expect(results.first).to_be_visible()
        expect(page.locator("#search-panel")).not_to_have_attribute("aria-busy", "true")
        take(f"20-search-{name}")
        box.fill("seafarers")
        expect(page.get_by_text("No message has all of these words.")).to_be_visible()
        take(f"21-nothing-found-{name}")
        box.fill("prism")
        results.first.click()
        expect(page.locator(".found")).to_be_visible()
        take(f"22-found-{name}")
    page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
    page.emulate_media(color_scheme="light")
    page.route("**/api/v1/search*", lambda route: route.abort())
    box.fill("sea")
    expect(page.locator("#search-fault")).to_be_visible()
    take("23-search-failed")
    page.unroute("**/api/v1/search*")
    box.fill("")


def take_questions(chat: ChatPage, take: Callable[[str], None]) -> None:
    """An answer that asks whether a tool may be called, and one that was not allowed to."""
    page = chat.page
    page.get_by_role("button", name="New conversation", exact=True).click()
    chat.choose_model(f"{HANDY}:latest")
    chat.ask("Add 20 and 22, and write it down.")
    asks = page.get_by_role("group", name="May house__writes be called?")
    expect(asks.get_by_role("button", name="Allow", exact=True)).to_be_enabled()
    for look, size in (("light", DESKTOP), ("dark", DESKTOP), ("light", PHONE), ("dark", PHONE)):
        page.emulate_media(color_scheme=look)  # type: ignore[arg-type]
        page.set_viewport_size(size)  # type: ignore[arg-type]
        take(f"24-may-it-{look}{'-phone' if size is PHONE else ''}")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
    asks.get_by_role("button", name="Don’t allow").click()
    chat.expect_answer("complete")
    take("25-not-allowed")
    page.get_by_role("button", name="New conversation", exact=True).click()
    chat.choose_model(f"{SCRIPTED}:latest")


def take_versions(site: Site, chat: ChatPage, take: Callable[[str], None]) -> None:
    """A conversation with several wordings and answers, one of which was made without its beginning."""
    page = chat.page
    page.get_by_role("button", name="New conversation", exact=True).click()
    site.script("Noted.")
    chat.ask("Here is my whole diary, for you to remember. " + "A long day by the sea. " * 1_200)
    chat.expect_answer("complete")
    site.script("It was written ", "by the sea.")
    chat.ask("Where did I write it?")
    chat.expect_said("It was written by the sea.")
    for answer in ("In a house by the sea.", "By the sea, where the days are long."):
        chat.expect_answer("complete")
        site.script(answer)
        chat.answer.get_by_role("button", name="Answer again").click()
        chat.expect_said(answer)
    chat.answer.get_by_role("button", name="Previous version").click()
    expect(chat.answer.get_by_role("group", name="Versions")).to_have_text("2/3")
    question = chat.questions.last
    for look, size in (("light", DESKTOP), ("dark", DESKTOP), ("light", PHONE), ("dark", PHONE)):
        page.emulate_media(color_scheme=look)  # type: ignore[arg-type]
        page.set_viewport_size(size)  # type: ignore[arg-type]
        name = f"{look}{'-phone' if size is PHONE else ''}"
        question.hover()
        take(f"17-versions-{name}")
        question.get_by_role("button", name="Edit message").click()
        page.get_by_role("textbox", name="Edit your message").fill("Where did I write it?\nAnd when?")
        take(f"18-editing-{name}")
        page.keyboard.press("Escape")
    site.script("In a house by the sea, in summer.")
    question.get_by_role("button", name="Edit message").click()
    page.get_by_role("textbox", name="Edit your message").fill("Where and when did I write it?")
    page.keyboard.press("Enter")
    chat.expect_answer("complete")
    expect(chat.questions.last.get_by_role("group", name="Versions")).to_have_text("2/2")
    take("19-edited-phone")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
    take("19-edited")


if __name__ == "__main__":
    main()
