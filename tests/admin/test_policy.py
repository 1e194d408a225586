"""What a browser may do with the console's pages, and where their nonces come from."""

import re

import pytest
from django.forms import Media
from django.template import engines
from django.test import Client, RequestFactory

from accounts.pages import PAGES
from eloquent.foundation.content_security import DATA, STILL, nonce_of
from eloquent.page_nonces import with_nonce, with_nonces
from tests.admin.conftest import Talk

POLICY = "Content-Security-Policy"
INJECTED = "<script>alert(1)</script><style>*{}</style>"


def rendered(source: str, **context: object) -> str:
    request = RequestFactory().get("/")
    page = engines["django"].from_string(with_nonces(source)).render(context, request)
    return page.replace(nonce_of(request), "NONCE")


def test_tags_of_a_template_have_the_nonce() -> None:
    assert rendered('<script src="a.js" defer></script><style>p {}</style><SCRIPTS>') == (
        '<script nonce="NONCE" src="a.js" defer></script><style nonce="NONCE">p {}</style><SCRIPTS>'
    )
    assert rendered("<script nonce='own'></script>") == "<script nonce='own'></script>"


def test_what_a_value_holds_never_has_it() -> None:
    # Not even where the template forgot to escape it: that is the mistake that a policy is for.
    assert rendered("{{ value|safe }}", value=INJECTED) == INJECTED
    assert rendered("{{ media }}", media=INJECTED).count("NONCE") == 0


def test_a_forms_own_scripts_have_it() -> None:
    media = Media(js=["a.js", 'b".js'], css={"all": ["a.css"]})
    tags = rendered("{{ form.media }}", form={"media": media})
    assert re.findall(r"<script[^>]*>", tags) == [
        '<script nonce="NONCE" src="/static/a.js">',
        '<script nonce="NONCE" src="/static/b%22.js">',
    ]
    assert '<link href="/static/a.css"' in tags
    assert with_nonce("no media", "NONCE") == "no media"


def test_pages_have_no_inline_script_handler_or_style(root: Client, talk: Talk) -> None:
    paths = [
        "/admin/",
        "/admin/login/",
        "/admin/chat/message/",
        f"/admin/chat/message/{talk.conversation.messages.first().pk}/change/",
        f"/admin/accounts/user/{talk.user.pk}/change/",
        f"/admin/chat/conversation/{talk.conversation.pk}/delete/",
    ]
    for path in paths:
        answer = root.get(path, follow=True)
        assert answer.status_code == 200, path
        page = answer.content.decode()
        nonce = re.search(r"script-src 'nonce-([\w-]{22})';", answer[POLICY])
        assert nonce, path
        assert "unsafe" not in answer[POLICY]
        for tag in re.findall(r"<(?:script|style)\b[^>]*>", page):
            assert f'nonce="{nonce[1]}"' in tag, (path, tag)
        assert re.findall(r"<[^>]+\s(?:style|on[a-z]+)=", page) == [], path
        assert "no-store" in answer["Cache-Control"], path


def test_each_answer_has_a_nonce_of_its_own(root: Client) -> None:
    assert root.get("/admin/")[POLICY] != root.get("/admin/")[POLICY]


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/admin/nowhere/", 404), ("/admin/r/1/2/", 404)])
def test_error_pages_run_nothing_and_say_nothing(root: Client, path: str, status: int) -> None:
    answer = root.get(path)
    assert (answer.status_code, answer[POLICY]) == (status, STILL)
    assert "nowhere" not in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"


def test_a_form_without_its_proof_is_refused_on_a_page_of_ours(superuser: object) -> None:
    answer = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "a"})
    assert (answer.status_code, answer[POLICY]) == (403, STILL)
    assert "opened again" in answer.content.decode()
    assert "CSRF" not in answer.content.decode()


def test_what_is_no_page_may_do_nothing(root: Client) -> None:
    assert root.get("/admin/jsi18n/")[POLICY] == DATA
    for rule in ("default-src", "base-uri", "form-action", "frame-ancestors"):
        assert f"{rule} 'none'" in DATA.split("; ")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_a_letter_runs_what_carries_its_nonce(page: str) -> None:
    answers = [Client().get(f"/account/{page}") for _ in range(2)]
    nonces = [re.search(r"script-src 'nonce-([\w-]{22})';", answer[POLICY]) for answer in answers]
    assert len({found and found[1] for found in nonces}) == 2
    for answer, nonce in zip(answers, nonces, strict=True):
        assert nonce, answer[POLICY]
        tags = re.findall(r"<script\b[^>]*>", answer.content.decode())
        assert tags
        assert [tag for tag in tags if f'nonce="{nonce[1]}"' not in tag] == []
