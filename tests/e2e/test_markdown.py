"""The page's Markdown, in the browser that shows it: what it makes of a text, at its end and half-written."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.site import Site

# What a text becomes, with the attributes that say nothing about it left out.
RENDER = """
async (text) => {
  const { renderMarkdown } = await import("/static/chat/markdown.js");
  const whole = document.createElement("div");
  whole.append(...renderMarkdown(text));
  const beside = ["dir", "rel", "target", "title", "scope", "aria-label", "tabindex", "role"];
  for (const node of whole.querySelectorAll("*")) for (const name of beside) node.removeAttribute(name);
  for (const node of whole.querySelectorAll(".code-bar, svg")) node.remove();
  return whole.innerHTML;
}
"""
# The lengths at which a text that grows letter by letter is shown otherwise than the same text at once.
DIFFERENCES = """
async ({ text, step }) => {
  const { MarkdownView } = await import("/static/chat/markdown.js");
  const growing = document.createElement("div");
  const view = new MarkdownView(growing);
  const different = [];
  for (let length = 0; ; length = Math.min(length + step, text.length)) {
    const whole = document.createElement("div");
    new MarkdownView(whole).update(text.slice(0, length), { open: true });
    view.update(text.slice(0, length), { open: true });
    if (growing.innerHTML !== whole.innerHTML) different.push(length);
    if (length === text.length) break;
  }
  const { renderMarkdown } = await import("/static/chat/markdown.js");
  const end = document.createElement("div");
  end.append(...renderMarkdown(text));
  view.update(text);
  if (end.innerHTML !== growing.innerHTML) different.push("end");
  return different;
}
"""
HALF = """
async (text) => {
  const { MarkdownView } = await import("/static/chat/markdown.js");
  const place = document.createElement("div");
  new MarkdownView(place).update(text, { open: true });
  return place.textContent;
}
"""
SECONDS = """
async (text) => {
  const { renderMarkdown } = await import("/static/chat/markdown.js");
  const began = performance.now();
  renderMarkdown(text);
  return (performance.now() - began) / 1000;
}
"""

EVERYTHING = """# A title with `code`

A paragraph with *emphasis*, **strong _and nested_ words**, ~~gone~~, `code with *stars*`, a snake_case_name,
#hashtag at the start of a line, and
---no rule either: their first letters look like blocks of their own.
5 * 3 = 15, a [link](https://example.org/a_(b) "its title"), <https://example.org>, https://example.org/x?a=1&b=2.

1. First
2. Second
   - nested
     - deeper

     with a paragraph
   ```python
   def answer():
       return "<b>42</b>"
   ```
3. Third

- [ ] open
- [x] done

> A quotation
> - with a list
and a lazy line

| Left | Middle | Right |
|:-----|:------:|------:|
| a | **b** | `c` |
| d \\| e | <br> | |

---

```
a fence
```

    indented

![a picture](https://images.example/p.png) and \\*no emphasis\\* &amp; an entity

Unclosed **bold and `code
* a star
+ a plus
~~~js
an open fence"""


@pytest.fixture(scope="module")
def page(_site: Site, chromium: Browser) -> Iterator[Page]:
    page = chromium.new_page()
    page.goto(_site.url)
    yield page
    page.close()


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Plain", "<p>Plain</p>"),
        ("One\nTwo\n\nThree", "<p>One<br>Two</p><p>Three</p>"),
        ("# One\n## Two ##\n###### Six", '<h3 class="h1">One</h3><h4 class="h2">Two</h4><h6 class="h6">Six</h6>'),
        ("#hashtag", "<p>#hashtag</p>"),
        ("*a* _b_ **c** __d__", "<p><em>a</em> <em>b</em> <strong>c</strong> <strong>d</strong></p>"),
        ("***e***", "<p><em><strong>e</strong></em></p>"),
        ("**bold *and* bold**", "<p><strong>bold <em>and</em> bold</strong></p>"),
        ("a_b_c 2 * 3 * 4 ** 5", "<p>a_b_c 2 * 3 * 4 ** 5</p>"),
        ("~~gone~~ ~5", "<p><del>gone</del> ~5</p>"),
        ("`a*b*` ``c`d`` `open", "<p><code>a*b*</code> <code>c`d</code> `open</p>"),
        (r"\*not\* \# C:\dir", r"<p>*not* # C:\dir</p>"),
        ("&lt;b&gt; &copy", "<p>&lt;b&gt; &amp;copy</p>"),
        ("<b>raw</b>", "<p>&lt;b&gt;raw&lt;/b&gt;</p>"),
        ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
        ("- a\n\n- b", "<ul><li><p>a</p></li><li><p>b</p></li></ul>"),
        ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
        ("1. a\n  - b\n2. c", "<ol><li>a<ul><li>b</li></ul></li><li>c</li></ol>"),
        ("1. a\n\n   more\n2. b", "<ol><li><p>a</p><p>more</p></li><li><p>b</p></li></ol>"),
        ("- [x] done", '<ul><li class="task"><input type="checkbox" disabled="" checked="">done</li></ul>'),
        ("Text:\n- a", "<p>Text:</p><ul><li>a</li></ul>"),
        ("It was in\n1987. A year.", "<p>It was in<br>1987. A year.</p>"),
        ("- a\n* b", "<ul><li>a</li></ul><ul><li>b</li></ul>"),
        ("> a\nb\n\nc", "<blockquote><p>a<br>b</p></blockquote><p>c</p>"),
        ("> > a", "<blockquote><blockquote><p>a</p></blockquote></blockquote>"),
        ("***\n---\n- - -", "<hr><hr><hr>"),
        ("```js\n`<b>`;\n```\na", '<div class="code-block"><pre><code>`&lt;b&gt;`;</code></pre></div><p>a</p>'),
        ("````\n```\n````", '<div class="code-block"><pre><code>```</code></pre></div>'),
        ("```\nopen", '<div class="code-block"><pre><code>open</code></pre></div>'),
        ("    four", '<div class="code-block"><pre><code>four</code></pre></div>'),
        (
            "See:\n| a | b |\n|---|--:|\n| 1 |\n\nafter",
            (
                '<p>See:</p><div class="table-scroll"><table><thead><tr><th>a</th><th class="align-right">b</th></tr>'
                '</thead><tbody><tr><td>1</td><td class="align-right"></td></tr></tbody></table></div><p>after</p>'
            ),
        ),
        ("a | b\nc | d", "<p>a | b<br>c | d</p>"),
        ("[a](https://example.org)", '<p><a href="https://example.org/">a</a></p>'),
        ("[**a** `b`](mailto:a@b.c)", '<p><a href="mailto:a@b.c"><strong>a</strong> <code>b</code></a></p>'),
        ("(https://example.org/a_(b)).", '<p>(<a href="https://example.org/a_(b)">https://example.org/a_(b)</a>).</p>'),
        ("[a [b](https://x.org) c](mailto:x)", '<p>[a <a href="https://x.org/">b</a> c](mailto:x)</p>'),
        ("[a](javascript:alert(1)) [b](JaVaScRiPt:alert(1))", "<p><span>a</span> <span>b</span></p>"),
        ("[a](data:text/html,x) [b](/admin/) [c](//x.org)", "<p><span>a</span> <span>b</span> <span>c</span></p>"),
        ("![alt](https://images.example/p.png)", '<p><a class="image-link" href="https://images.example/p.png">alt</a></p>'),
        ("[a](https://bank.example@evil.example/)", "<p><span>a</span></p>"),
        ("https://bank.example@evil.example", "<p><span>https://bank.example@evil.example</span></p>"),
        ("`a\u202eb`", "<p><code>a\\u202eb</code></p>"),
        (
            "```\nif \u2066x\u2069\n```",
            '<div class="code-block"><pre><code>if \\u2066x\\u2069</code></pre></div>',
        ),
        ("[moc.live\u202e](https://x.org)", '<p><a href="https://x.org/">moc.live\\u202e</a></p>'),
        ("\u2067שלום\u2069", "<p>\u2067שלום\u2069</p>"),
        ("![x](javascript:alert(1))", '<p><span class="image-link">x</span></p>'),
        ("[![a](https://x.org/p)](mailto:x)", '<p><a href="mailto:x"><span class="image-link">a</span></a></p>'),
    ],
)  # fmt: skip
def test_what_a_text_becomes(page: Page, text: str, html: str) -> None:
    assert page.evaluate(RENDER, text) == html


@pytest.mark.parametrize("step", [1, 2, 7, 50])
def test_a_text_that_grows_is_shown_as_the_whole_would_be(page: Page, step: int) -> None:
    assert page.evaluate(DIFFERENCES, {"text": EVERYTHING, "step": step}) == []


@pytest.mark.parametrize(
    ("half", "shown"),
    [
        ("**bo", "bo"),
        ("a **", "a "),
        ("`co", "co"),
        ("*it", "it"),
        ("[label](https://exa", "label"),
        ("| a | b |\n|--", "ab"),
    ],
)
def test_what_is_half_written_shows_no_marks(page: Page, half: str, shown: str) -> None:
    assert page.evaluate(HALF, half) == shown


@pytest.mark.parametrize(
    "storm",
    [
        "[" * 30_000,
        "![" * 8_000 + "](" * 8_000,
        "*a " * 5_000 + " a*" * 5_000,
        "**a _b " * 4_000 + " a** b_" * 4_000,
        ">" * 30_000,
        "> - " * 8_000,
        "- a\n\n" * 4_000,
        "\n".join(" " * (2 * depth) + "- x" for depth in range(200)),
        "|a" * 5_000 + "\n" + "|-" * 5_000,
        "http://a" + ")" * 30_000,
        "".join("`" * length + "a" for length in range(1, 240)),
        "# " + "#" * 20_000 + " a",
        "-" * 15_000 + " " * 15_000 + "x",
    ],
    ids=lambda storm: storm[:8].encode("unicode_escape").decode(),
)
def test_no_storm_of_marks_makes_the_page_hang(page: Page, storm: str) -> None:
    assert page.evaluate(SECONDS, storm) < 5
