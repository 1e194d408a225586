"""Pictures of the account page: every section, in both themes, on a desk and on a phone."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, expect

from tests.e2e.own_account import AccountPage, account_of
from tests.e2e.pages import PASSWORD, ChatPage
from tests.e2e.site import Site

PARTS: Final = ("Profile", "Signing in", "Devices", "API keys", "Activity", "Your data")


def take_own_account(
    site: Site, browser: Browser, sizes: Sequence[tuple[str, Any]], path_of: Callable[[str], Path]
) -> None:
    """A user who has a bit of everything, then the dialogs."""
    context = browser.new_context()
    cdp = context.new_cdp_session(page := context.new_page())
    cdp.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "automaticPresenceSimulation": True}
    able = dict.fromkeys(("hasResidentKey", "hasUserVerification", "isUserVerified"), True)
    cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options | able})
    page.goto(site.url.replace("127.0.0.1", "localhost"))
    chat = ChatPage(page, site)

    def take(name: str) -> None:
        page.screenshot(path=path_of(name), full_page=not page.locator("dialog[open]").count())

    chat.register()
    take("40-way-to-the-account")
    account = account_of(chat)
    _fill(chat, account)
    for look in ("light", "dark"):
        page.emulate_media(color_scheme=look)  # type: ignore[arg-type]
        for name, size in sizes:
            page.set_viewport_size(size)
            for number, part in enumerate(PARTS, 41):
                account.open(part)
                take(f"{number}-{part.lower().replace(' ', '-')}-{look}{name}")
            _take_dialogs(chat, account, take, f"{look}{name}")
    context.close()


def _fill(chat: ChatPage, account: AccountPage) -> None:
    page = chat.page
    page.get_by_label("New email").fill(f"countess{time.time_ns()}@example.org")
    page.get_by_role("button", name="Change the email").click()
    account.confirm("Send the letters")
    expect(page.locator("#email-pending")).to_be_visible()
    account.open("Signing in")
    page.get_by_label("Name of the new passkey").fill("My laptop")
    page.get_by_role("button", name="Add a passkey").click()
    account.confirm("Go on")
    account.keep_what_is_shown_once()
    for agent in ("Mozilla/5.0 (iPhone) Safari/600", "curl/8"):
        body = {"email": chat.email, "password": "guessed"}
        page.request.post(f"{chat.site.url}/api/v1/auth/login", data=body, headers={"User-Agent": agent})
    account.open("API keys")
    for name in ("Editor on the laptop", "A shell script"):
        page.get_by_role("textbox", name="Name", exact=True).fill(name)
        page.get_by_role("button", name="Make the key").click()
        account.confirm("Make the key")
        account.keep_what_is_shown_once()
    account.open("Your data")
    page.get_by_role("button", name="Make an export").click()
    account.confirm("Make the export")
    expect(page.get_by_role("button", name="Download")).to_be_visible(timeout=20_000)


def _take_dialogs(chat: ChatPage, account: AccountPage, take: Callable[[str], None], name: str) -> None:
    page = chat.page
    account.open("Signing in")
    page.get_by_role("button", name="Set up an app").click()
    take(f"47-proof-{name}")
    account.confirm("Go on", password="wrong")
    expect(account.proof.get_by_text("The current password is wrong.")).to_be_visible()
    take(f"48-proof-refused-{name}")
    account.confirm("Go on", password=PASSWORD)
    expect(page.get_by_alt_text("QR code")).to_be_visible()
    page.get_by_alt_text("QR code").scroll_into_view_if_needed()
    take(f"49-app-{name}")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Make new codes").click()
    account.confirm("Make new codes")
    expect(page.locator("#once-dialog li").first).to_be_visible()
    take(f"50-once-{name}")
    account.keep_what_is_shown_once()
