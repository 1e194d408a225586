"""What the server did, and could not say: the page asks again, and nobody is taken for a thief."""

import time
import urllib.request

import pytest
from playwright.sync_api import Response, Route, expect

from tests.e2e.pages import ChatPage, until
from tests.e2e.site import Site

REFRESH = "**/api/v1/auth/refresh"


class Losing:
    """Has the server answer requests that the browser hears nothing of: not even the cookie arrives."""

    def __init__(self, chat: ChatPage, *, breaks: bool) -> None:
        self._context = chat.page.context
        self._origin = chat.site.url
        self._breaks = breaks
        self.statuses: list[int] = []

    def __call__(self, route: Route) -> None:
        cookies = "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in self._context.cookies())
        headers = {"Cookie": cookies, "Origin": self._origin, "Content-Type": "application/json"}
        asked = urllib.request.Request(route.request.url, route.request.post_data_buffer, headers)
        with urllib.request.urlopen(asked) as reply:
            self.statuses.append(reply.status)
        if self._breaks:
            route.abort("connectionreset")


@pytest.mark.parametrize("breaks", [True, False], ids=["broken off", "never there"])
def test_a_user_whose_fresh_token_got_lost_twice_stays_signed_in(chat: ChatPage, site: Site, breaks: bool) -> None:
    losing = Losing(chat, breaks=breaks)
    chat.page.route(REFRESH, losing, times=2)
    chat.page.reload()
    expect(chat.box).to_be_visible()
    assert losing.statuses == [200, 200]
    chat.page.reload()
    expect(chat.box).to_be_visible()
    assert [taken.message["Subject"] for taken in site.mail.taken if "ended" in taken.message["Subject"]] == []


def test_a_token_that_could_not_be_replaced_in_time_is_replaced_later(chat: ChatPage) -> None:
    page = chat.page
    page.clock.install()
    page.reload()
    expect(chat.box).to_be_visible()
    refused: list[Route] = []

    def refuse(route: Route) -> None:
        refused.append(route)
        route.abort("connectionrefused")

    page.route(REFRESH, refuse)
    page.clock.fast_forward("14:01")
    until(page, lambda: len(refused) >= 3)
    page.unroute(REFRESH)
    replaced: list[Response] = []
    page.on("response", lambda reply: replaced.extend([reply] if reply.url.endswith("/auth/refresh") else []))
    deadline = time.monotonic() + 60
    while not replaced and time.monotonic() < deadline:
        page.clock.fast_forward("00:31")
        page.wait_for_timeout(100)
    assert [reply.status for reply in replaced] == [200]
