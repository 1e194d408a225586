"""Whatever would block the request road stops the start, with a sentence that names it."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django.urls import include, path, re_path

from eloquent.async_only import SyncOnRequestRoad
from eloquent.handlers import AsyncHandler
from tests.front_door import blocking
from tests.front_door.exchange import exchange

HERE = "tests.front_door.blocking"


def made(*patterns: Any, middleware: tuple[str, ...] = ()) -> AsyncHandler:
    with override_settings(ROOT_URLCONF=blocking.urlconf(*patterns)):
        return AsyncHandler(middleware=middleware)


@pytest.mark.parametrize(
    ("patterns", "sentence"),
    [
        ([path("api/x", blocking.sync_view)], f"/api/x ({HERE}.sync_view) is a sync view"),
        ([path("healthz", blocking.sync_view)], f"/healthz ({HERE}.sync_view) is a sync view"),
        ([path("api/x", blocking.SyncClassView.as_view())], f"/api/x ({HERE}.SyncClassView) is a sync view"),
        ([re_path(r"^\.well-known/x$", blocking.sync_view)], "/.well-known/x"),
        ([path("api/", include([path("deep/", include([path("x", blocking.sync_view)]))]))], "/api/deep/x"),
        ([path("<path:anything>", blocking.sync_view)], f"({HERE}.sync_view) is a sync view"),
        ([re_path(r"^(?P<a>api|admin)/x$", blocking.sync_view)], f"({HERE}.sync_view) is a sync view"),
    ],
    ids=["function", "whole path", "class", "regular expression", "included", "catch-all", "alternatives"],
)
def test_a_sync_view_on_the_request_road_is_refused(patterns: list[Any], sentence: str) -> None:
    with pytest.raises(SyncOnRequestRoad) as refused:
        made(*patterns)
    assert sentence in str(refused.value)
    assert isinstance(refused.value, ImproperlyConfigured)


@pytest.mark.parametrize(
    "patterns",
    [
        [path("api/x", blocking.async_view), path("v1/y", blocking.AsyncClassView.as_view())],
        [path("admin/", include([path("<path:rest>", blocking.sync_view)])), path("", blocking.sync_view)],
        [path("favicon.ico", blocking.sync_view), re_path(r"^static/(?P<path>.*)$", blocking.sync_view)],
        [path("apiary/x", blocking.sync_view), path("api.txt", blocking.sync_view)],
    ],
    ids=["async views", "admin and page", "static files", "names that begin alike"],
)
def test_async_views_and_the_desk_road_are_admitted(patterns: list[Any]) -> None:
    made(*patterns)


def test_a_sync_operation_is_refused_by_its_method_and_name() -> None:
    with pytest.raises(SyncOnRequestRoad) as refused:
        made(path("api/", blocking.ninja_api("sync-operation").urls))
    assert f"POST /api/fine ({HERE}.ninja_api.<locals>.blocks) is a sync operation" in str(refused.value)
    assert "GET" not in str(refused.value)


def test_a_sync_authentication_is_refused() -> None:
    with pytest.raises(SyncOnRequestRoad, match=r"GET /api/guarded .* authenticates with .*sync_auth, which is sync"):
        made(path("api/", blocking.ninja_api("sync-auth").urls))


def test_ninja_with_its_documents_is_admitted() -> None:
    from tests.front_door import views

    made(path("api/", views.api.urls), path("v1/", blocking.ninja_api("fine").urls))


def test_every_offender_is_named_at_once() -> None:
    with pytest.raises(SyncOnRequestRoad) as refused:
        made(path("api/x", blocking.sync_view), path("api/y", blocking.sync_view), path("z", blocking.sync_view))
    assert [line.split(" ")[0] for line in str(refused.value).splitlines()] == ["/api/x", "/api/y"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("sync_middleware", "is sync"), ("HookedMiddleware", "has a process_view")],
)
def test_a_middleware_that_does_not_fit_is_refused(name: str, sentence: str) -> None:
    made(middleware=(f"{HERE}.async_middleware",))
    with pytest.raises(SyncOnRequestRoad) as refused:
        made(middleware=(f"{HERE}.async_middleware", f"{HERE}.{name}"))
    assert f"The middleware {HERE}.{name} {sentence}" in str(refused.value)


SYNC_URLS = blocking.urlconf(path("api/late", blocking.sync_view), path("api/fine", blocking.async_view))


def late_urls(get_response: Any) -> Any:
    async def middleware(request: Any) -> Any:
        request.urlconf = SYNC_URLS
        return await get_response(request)

    return middleware


async def test_a_requests_own_urls_are_served_and_held_to_the_same_rule(caplog: pytest.LogCaptureFixture) -> None:
    handler = made(middleware=("tests.front_door.test_async_only.late_urls",))
    assert (await exchange(handler, "GET", "/api/fine")).status == 200
    assert (await exchange(handler, "GET", "/api/late")).status == 500
    assert f"/api/late ({HERE}.sync_view) is a sync view" in caplog.text


def test_the_projects_own_request_road_is_async() -> None:
    AsyncHandler()
