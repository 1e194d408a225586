"""Cookies as production sets them: their prefixes make a browser refuse what others plant."""

from http.cookies import SimpleCookie
from pathlib import Path

from accounts.origins import is_own_origin
from tests.strict import run_strictly, strict_settings

PROGRAM = """
from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware, get_token
from django.test import RequestFactory
from accounts.cookies import drop_refresh_cookie, set_refresh_cookie
from accounts.device_cookie import remember_device

settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
request = RequestFactory().get("/")

def view(request):
    request.session["signed"] = "in"
    get_token(request)
    response = HttpResponse()
    set_refresh_cookie(request, response, "refresh")
    remember_device(request, response, "ann@example.org")
    return response

response = SessionMiddleware(CsrfViewMiddleware(view))(request)
print(response.cookies.output(header="", sep="\\n"))
print("dropped")
gone = HttpResponse()
drop_refresh_cookie(gone)
print(gone.cookies.output(header=""))
print(settings.MESSAGE_STORAGE)
"""


def test_every_cookie_is_ours_alone(tmp_path: Path) -> None:
    printed = run_strictly(PROGRAM, strict_settings(tmp_path))
    set_here, _, rest = printed.partition("dropped")
    cookies: SimpleCookie = SimpleCookie()
    for line in set_here.splitlines():
        cookies.load(line)
    assert {name: morsel["path"] for name, morsel in cookies.items()} == {
        "__Host-eloquent_staff": "/",
        "__Host-eloquent_csrf": "/",
        "__Host-eloquent_device": "/",
        "__Secure-eloquent_refresh": "/api/v1/auth",
    }
    for morsel in cookies.values():
        assert morsel["secure"]
        assert morsel["httponly"]
        assert morsel["samesite"] in ("Lax", "Strict")
        assert not morsel["domain"]
    # A browser ignores a prefixed cookie without Secure, even one that deletes.
    dropped = SimpleCookie(rest.splitlines()[1])["__Secure-eloquent_refresh"]
    assert dropped["secure"]
    assert dropped["path"] == "/api/v1/auth"
    assert "session.SessionStorage" in rest


def test_over_tls_a_page_without_it_is_nobodys() -> None:
    assert is_own_origin("http://chat.example", host="chat.example", allowed=(), plain=True)
    assert is_own_origin("https://chat.example", host="chat.example", allowed=(), plain=False)
    assert not is_own_origin("http://chat.example", host="chat.example", allowed=(), plain=False)
