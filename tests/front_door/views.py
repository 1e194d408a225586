"""Views that both handlers serve, and the URLs they stand at. What happens in them is written to `happened`."""

import asyncio
from collections.abc import AsyncIterator
from queue import SimpleQueue

from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.multipartparser import MultiPartParserError
from django.template import engines
from django.template.response import SimpleTemplateResponse
from django.urls import path, re_path
from ninja import NinjaAPI, Schema

from eloquent.foundation.errors import StreamCut
from eloquent.foundation.leaving import ends_with_client

# Filled by views, emptied by tests; a test waits on it instead of sleeping.
happened: SimpleQueue[str] = SimpleQueue()

api = NinjaAPI(urls_namespace="front-door-test", version="front-door")


class Sum(Schema):
    numbers: list[int]


@api.get("/ping")
async def ping(request: HttpRequest) -> dict:
    return {"ok": True}


@api.post("/sum")
async def add(request: HttpRequest, body: Sum) -> dict:
    return {"sum": sum(body.numbers)}


@api.get("/broken")
async def broken_operation(request: HttpRequest) -> dict:
    raise RuntimeError("a bug with a secret in it")


async def mirror(request: HttpRequest, **parts: str) -> JsonResponse:
    return JsonResponse(
        {
            "method": request.method,
            "path": request.path,
            "parts": parts,
            "query": {name: request.GET.getlist(name) for name in request.GET},
            "form": dict(request.POST.items()),
            "files": {name: [file.name, file.size] for name, file in request.FILES.items()},
            "cookies": request.COOKIES,
            "repeated": request.headers.get("X-Repeated"),
            "underscored": request.META.get("HTTP_X_UNDER_SCORED"),
            "type": request.content_type,
            "scheme": request.scheme,
            "route": request.resolver_match.route,
        }
    )


async def body_length(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"length": len(request.body), "sum": sum(request.body)})


async def read_in_steps(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"first": request.read(3).decode(), "rest": request.read().decode()})


async def dressed(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("dressed", status=201, headers={"X-Latin": "café", "X-Other": "zażółć", "X-Number": 7})
    response.set_cookie("first", "1", max_age=60, httponly=True, samesite="Strict", path="/api")
    response.set_cookie("second", "two words", secure=True)
    response.delete_cookie("third")
    response["ETag"] = '"abc"'
    return response


async def refusal(request: HttpRequest, kind: str) -> HttpResponse:
    errors = {
        "missing": Http404("no such thing"),
        "denied": PermissionDenied(),
        "bad": BadRequest("not understood"),
        "suspicious": SuspiciousOperation("odd"),
        "too-big": RequestDataTooBig("too big"),
        "multipart": MultiPartParserError("no boundary"),
        "bug": ZeroDivisionError("a bug with a secret in it"),
    }
    raise errors[kind]


async def nothing(request: HttpRequest) -> None:
    return None


async def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


async def long(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"x" * 300_000, content_type="application/octet-stream")


async def templated(request: HttpRequest) -> SimpleTemplateResponse:
    return SimpleTemplateResponse(engines["django"].from_string("Hello {{ name }}"), {"name": "<you>"})


async def stream(request: HttpRequest) -> StreamingHttpResponse:
    async def words() -> AsyncIterator[str | bytes]:
        yield "één "
        yield b""
        yield b"two"

    return StreamingHttpResponse(words(), content_type="text/event-stream")


async def sync_stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(iter([b"one"]))


async def breaking_stream(request: HttpRequest) -> StreamingHttpResponse:
    async def words() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            raise RuntimeError("broke")
        finally:
            happened.put("closed")

    return StreamingHttpResponse(words())


async def broken_off_stream(request: HttpRequest) -> StreamingHttpResponse:
    """One chunk, then it breaks off: what it reads from is out of reach."""

    async def words() -> AsyncIterator[bytes]:
        yield b"first"
        raise StreamCut

    return StreamingHttpResponse(words())


async def silent_stream(request: HttpRequest) -> StreamingHttpResponse:
    """One chunk, then nothing for ever: ends only when somebody ends it."""

    async def words() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            happened.put("waiting")
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            happened.put("cancelled")
            raise
        finally:
            # Saving what there is takes a while, and must be allowed to.
            await asyncio.sleep(0)
            happened.put("closed")

    return StreamingHttpResponse(words(), content_type="text/event-stream")


async def stubborn_stream(request: HttpRequest) -> StreamingHttpResponse:
    """Swallows its cancellation and goes on."""

    async def words() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            try:
                happened.put("waiting")
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                yield b"second"
                yield b"third"
        finally:
            happened.put("closed")

    return StreamingHttpResponse(words())


async def pouring_stream(request: HttpRequest) -> StreamingHttpResponse:
    """Writes as fast as it may, for ever."""

    async def words() -> AsyncIterator[bytes]:
        try:
            happened.put("pouring")
            while True:
                yield b"x" * 65536
        finally:
            happened.put("closed")

    return StreamingHttpResponse(words())


async def slowly_closing_stream(request: HttpRequest) -> StreamingHttpResponse:
    """Takes its time to save what there is."""

    async def words() -> AsyncIterator[bytes]:
        try:
            yield b"first"
        finally:
            await asyncio.sleep(0.1)
            happened.put("saved")

    return StreamingHttpResponse(words())


async def waiting_view(request: HttpRequest) -> HttpResponse:
    try:
        happened.put("waiting")
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        happened.put("cancelled")
        raise
    return HttpResponse()


@ends_with_client
async def asking_view(request: HttpRequest) -> HttpResponse:
    return await waiting_view(request)


async def changing_view(request: HttpRequest) -> HttpResponse:
    happened.put("began")
    await asyncio.sleep(0.2)
    happened.put("done")
    return HttpResponse()


async def other_urls(request: HttpRequest) -> HttpResponse:
    return HttpResponse("from the request's own urlconf")


urlpatterns = [
    path("api/ninja/", api.urls),
    path("api/mirror", mirror),
    path("api/things/<slug:thing>/parts/<int:part>", mirror),
    re_path(r"^v1/files/(?P<name>[a-z.]+)$", mirror),
    path("api/length", body_length),
    path("api/length-of-more", body_length),
    path("api/steps", read_in_steps),
    path("api/dressed", dressed),
    path("api/refusal/<str:kind>", refusal),
    path("api/nothing", nothing),
    path("api/empty", empty),
    path("api/long", long),
    path("api/templated", templated),
    path("api/stream", stream),
    path("api/sync-stream", sync_stream),
    path("api/breaking", breaking_stream),
    path("api/silent", silent_stream),
    path("api/broken-off", broken_off_stream),
    path("api/stubborn", stubborn_stream),
    path("api/pouring", pouring_stream),
    path("api/slowly-closing", slowly_closing_stream),
    path("api/waiting", waiting_view),
    path("api/changing", changing_view),
    path("api/asking", asking_view),
]
