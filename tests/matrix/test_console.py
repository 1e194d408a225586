"""Every page of the staff console against everybody who may not see it."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts.models import User
from tests.admin.conftest import HASH, signed_in

pytestmark = pytest.mark.django_db

# Pages for whoever is not signed in, or for all who are; they show nothing of anybody's.
OPEN = {"login", "logout", "jsi18n"}
FOR_ALL_STAFF = {"index", "password_change", "password_change_done", "search"}
NOBODYS_ID = "65f0c0ffee0123456789abcd"


def _names(patterns: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _names(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield pattern.name or "", route


def pages() -> list[tuple[str, str]]:
    """(name, path) of every page below /admin/."""
    [console] = [each for each in get_resolver().url_patterns if getattr(each, "app_name", "") == "admin"]
    found = []
    for name, route in _names(console.url_patterns):
        path = route.replace("<path:object_id>", NOBODYS_ID).replace("<id>", NOBODYS_ID)
        if "<" in path or "(" in path or "^" in path:
            continue  # an index of an app, a shortcut to the site's page: looked at below by their fixed names
        found.append((name, f"/admin/{path}"))
    return found


PAGES = pages()


def statuses(client: Client, method: str) -> dict[str, int]:
    """What each page answers."""
    return {path: getattr(client, method)(path).status_code for name, path in PAGES if name not in OPEN}


def test_the_walk_finds_the_pages() -> None:
    paths = {path for _, path in PAGES}
    for model in admin.site._registry:
        assert reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") in paths
    assert len(paths) > 60


@pytest.mark.parametrize("method", ["get", "post", "delete"])
@pytest.mark.parametrize("who", ["nobody", "user", "inactive staff"])
def test_who_is_no_staff_sees_no_page(who: str, method: str) -> None:
    client = Client()
    if who != "nobody":
        user = User.objects.create(email="a@example.org", password=HASH, is_staff=who != "user")
        client = signed_in(user)
        user.is_active = who == "user"
        user.save()
    assert {path: status for path, status in statuses(client, method).items() if status not in (302, 405)} == {}
    for path in ("/admin/", "/admin/accounts/", "/admin/chat/", "/admin/accounts/user/"):
        assert getattr(client, method)(path)["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("method", ["get", "post"])
def test_staff_without_a_permission_see_no_page_that_needs_one(method: str) -> None:
    client = signed_in(User.objects.create(email="a@example.org", password=HASH, is_staff=True))
    open_to_all = {path for name, path in PAGES if name in FOR_ALL_STAFF}
    # 302: an object that is not there leads back to a list, which is refused in its turn.
    seen = {path: code for path, code in statuses(client, method).items() if code not in (302, 403, 404, 405)}
    assert {path for path in seen if path not in open_to_all} == set()


def test_staff_who_may_look_change_and_delete_nothing() -> None:
    user = User.objects.create(email="a@example.org", password=HASH, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client = signed_in(user)
    for model in admin.site._registry:
        page = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        before = model.objects.count()
        paths = [reverse(f"{page}_add"), *(reverse(f"{page}_{what}", args=[user.pk]) for what in ("change", "delete"))]
        for path in paths:
            assert client.post(path, {"post": "yes"}).status_code in (302, 403), path
        assert model.objects.count() == before, model
