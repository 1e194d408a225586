"""The account page as a person uses it."""

from collections.abc import Callable

from playwright.sync_api import Locator, expect

from tests.e2e.pages import PASSWORD, ChatPage


class AccountPage:
    """One tab with the account page of the chat's user."""

    def __init__(self, chat: ChatPage) -> None:
        self.chat = chat
        self.page = page = chat.page
        self.proof = page.get_by_role("dialog", name="Confirm that it is you")

    def open(self, part: str) -> Locator:
        """A section by its name in the list, when all of it is there."""
        self.page.get_by_role("navigation", name="Account").get_by_role("link", name=part).click()
        return self.part(part)

    def part(self, name: str) -> Locator:
        """The section that is shown, when all of it is there."""
        part = self.page.get_by_role("region", name=name, exact=True).filter(has=self.page.locator(".part-body"))
        expect(part.locator(".part-body")).to_be_visible()
        return part

    def sheet(self, title: str) -> Locator:
        """A sheet of the section that is shown."""
        return self.page.locator("section.sheet", has=self.page.get_by_role("heading", name=title))

    def confirm(self, button: str, *, password: str = PASSWORD, code: str | None = None) -> None:
        """Fill in what the dialog asks for, and press its button."""
        self.proof.get_by_label("Password", exact=True).fill(password)
        if code is not None:
            self.proof.get_by_label("Code of your authenticator app").fill(code)
        self.proof.get_by_role("button", name=button).click()

    def keep_what_is_shown_once(self) -> list[str]:
        """What the dialog shows, which is closed then."""
        expect(self.page.locator("#once-dialog li").first).to_be_visible()
        lines = self.page.locator("#once-dialog li").all_inner_texts()
        self.page.get_by_role("button", name="I have kept it").click()
        return lines


def account_of(chat: ChatPage) -> AccountPage:
    """From the chat page by its link."""
    chat.page.get_by_role("link", name="Account", exact=True).click()
    account = AccountPage(chat)
    account.part("Profile")
    return account


def new_account(open_page: Callable[..., ChatPage], **options: object) -> AccountPage:
    """That of a new user, who registers at its door."""
    chat = open_page(path="/account", **options)
    chat.create_account()
    account = AccountPage(chat)
    account.part("Profile")
    return account
