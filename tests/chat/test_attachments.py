"""Files that are uploaded: what is taken, who may read them, and how they go."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from bson import ObjectId
from django.core.files.storage import storages

from accounts.limits import gate, policies
from chat import work
from chat.attachments import links, storage, sweep
from eloquent.foundation.clock import now
from eloquent.foundation.config import get_config
from eloquent.foundation.database import database
from eloquent.foundation.tasks import end_task
from tests.people import Person
from tests.pictures import gif, jpeg, png, webp

# Nothing runs in it, nothing is loaded by it, and nobody frames it.
POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; sandbox"


def files() -> list[Path]:
    """The files that are kept."""
    place = Path(storages["attachments"].location)  # type: ignore[attr-defined]
    return [path for path in place.rglob("*") if path.is_file()]


@pytest.fixture(autouse=True)
def _no_files_before(db: None) -> None:
    for path in files():
        path.unlink()


async def test_a_picture_is_kept_with_what_its_bytes_say(ann: Person) -> None:
    kept = await ann.attach(png(), "My cup.png", media_type="image/png")
    assert (kept["name"], kept["media_type"], kept["width"], kept["height"]) == ("My cup.png", "image/png", 40, 30)
    assert kept["size_bytes"] == len(png())
    assert kept["conversation_id"] is None
    assert await ann.ok("GET", f"/attachments/{kept['id']}") == {**kept, "url": ANY}
    answer = await ann.http.get(f"/attachments/{kept['id']}/content")
    assert (answer.content, answer.headers["Content-Type"]) == (png(), "image/png")
    assert answer.headers["Content-Disposition"] == 'inline; filename="My cup.png"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert [path.stat().st_mode & 0o777 for path in files()] == [0o600]


@pytest.mark.parametrize(
    ("content", "media_type"), [(jpeg(), "image/jpeg"), (gif(), "image/gif"), (webp(), "image/webp")]
)
async def test_other_pictures_are_told_by_their_bytes_whatever_their_name(
    ann: Person, content: bytes, media_type: str
) -> None:
    kept = await ann.attach(content, "../cup.exe")
    assert (kept["media_type"], kept["width"]) == (media_type, 40)
    assert kept["name"].startswith("cup.exe.")


async def test_a_text_is_saved_not_shown_and_never_run(ann: Person) -> None:
    page = b"<script>alert(1)</script>\n"
    kept = await ann.attach(page, "page.html", media_type="text/html")
    assert (kept["media_type"], kept["width"]) == ("text/plain", None)
    answer = await ann.http.get(f"/attachments/{kept['id']}/content")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="page.html"'
    assert answer.content == page
    assert (await ann.attach(b"tea"))["name"] == "text.txt"
    assert (await ann.attach(b"tea", "cup.png"))["name"] == "cup.png.txt"


@pytest.mark.parametrize(
    ("content", "media_type", "code"),
    [
        (b"", "", "attachment_empty"),
        (b" \n\t", "text/plain", "attachment_empty"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "application/pdf", "attachment_kind_unknown"),
        (b"tea\0", "text/plain", "attachment_kind_unknown"),
        (png()[:-5], "image/png", "attachment_broken"),
        (png(60_000, 60_000), "image/png", "attachment_too_many_pixels"),
        (gif(1, 1, frame=(60_000, 60_000)), "image/gif", "attachment_too_many_pixels"),
        (png(), "image/jpeg", "attachment_kind_differs"),
        (b"tea", "image/png", "attachment_kind_differs"),
        (
            b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\ntea\r\n--x--',
            "multipart/form-data; boundary=x",
            "attachment_kind_differs",
        ),
    ],
)
async def test_what_cannot_be_taken_is_refused_by_name_and_nothing_is_kept(
    ann: Person, content: bytes, media_type: str, code: str
) -> None:
    refused = await ann.attach(content, "cup", media_type=media_type, status=422)
    assert refused["code"] == code
    assert files() == []
    assert await database()["attachments"].count_documents({}) == 0


async def test_a_file_up_to_the_limit_is_taken_and_a_longer_one_is_not(ann: Person) -> None:
    most = get_config().attachment_max_bytes
    assert (await ann.attach(b"x" * most))["size_bytes"] == most
    assert (await ann.attach(b"x" * (most + 1), status=413))["code"] == "too_large"
    assert len(files()) == 1


async def test_uploads_are_throttled_those_that_are_refused_too(
    ann: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "UPLOADS", policies.Policy("uploads", 3, 60))
    gate.forget_all()
    statuses = [
        (await ann.http.post("/attachments", content=content)).status_code for content in (b"x", b"", b"x", b"x")
    ]
    assert statuses == [201, 422, 201, 429]
    await bob.attach(b"x")


async def test_all_that_one_has_attached_is_bounded(ann: Person, bob: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, attachments_max_bytes=250_000)
    kept = [await ann.attach(b"x" * 100_000) for _ in range(2)]
    sent = {"$set": {"conversation_id": ObjectId(), "expires_at": None}}
    await database()["attachments"].update_one({"_id": ObjectId(kept[0]["id"])}, sent)
    assert (await ann.attach(b"x" * 100_000, status=409))["code"] == "attachments_full"
    await ann.ok("DELETE", f"/attachments/{kept[1]['id']}", 204)
    await ann.attach(b"x" * 100_000)
    await bob.attach(b"x" * 100_000)


async def test_what_waits_to_be_sent_is_bounded_for_each_user(
    ann: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(monkeypatch, attachments_unsent_max_bytes=300_000)
    answers = await asyncio.gather(*(ann.http.post("/attachments", content=b"x" * 100_000) for _ in range(6)))
    taken = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    assert 1 <= len(taken) <= 3
    while (answer := await ann.http.post("/attachments", content=b"x" * 100_000)).status_code == 201:
        taken.append(answer.json()["id"])
    assert (answer.status_code, answer.json()["code"], len(taken)) == (409, "too_much_unsent", 3)
    assert len(files()) == 3
    await bob.attach(b"x" * 100_000)
    await ann.ok("DELETE", f"/attachments/{taken[0]}", 204)
    assert len([None for _ in range(5) if (await ann.http.post("/attachments", content=b"x")).status_code == 201]) == 1


async def test_a_signed_address_opens_without_a_session_for_ten_minutes(
    ann: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, other = await ann.attach(png()), await ann.attach(b"tea")
    async with httpx.AsyncClient(base_url=ann.server, timeout=30) as stranger:
        opened = await stranger.get(kept["url"])
        assert (opened.status_code, opened.content) == (200, png())
        assert opened.headers["Content-Security-Policy"] == POLICY
        signature = kept["url"].rpartition("/")[2]
        for forged in (
            kept["url"][:-1] + ("A" if kept["url"][-1] != "A" else "B"),
            f"{links.address_of(ObjectId(other['id']))}/{signature}",
            f"{links.address_of(ObjectId(kept['id']))}/x",
        ):
            refused = await stranger.get(forged)
            assert (refused.status_code, refused.json()["code"]) == (403, "link_expired")
        monkeypatch.setattr(links, "OPENS_FOR_S", 0)
        assert (await stranger.get(kept["url"])).status_code == 403
        assert (await stranger.get(links.address_of(ObjectId(kept["id"])))).status_code == 401


async def test_anothers_attachment_is_not_there(ann: Person, bob: Person) -> None:
    kept = await ann.attach(png())
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        assert (await bob.ok(method, f"/attachments/{kept['id']}{path}", 404))["code"] == "not_found"
    assert len(files()) == 1


async def test_a_deleted_attachment_is_gone_with_its_file(ann: Person) -> None:
    kept = await ann.attach(png())
    await ann.ok("DELETE", f"/attachments/{kept['id']}", 204)
    assert files() == []
    await ann.ok("GET", f"/attachments/{kept['id']}", 404)
    await ann.ok("DELETE", f"/attachments/{kept['id']}", 404)


async def test_what_was_never_sent_is_swept_away_after_a_day(ann: Person) -> None:
    old, new = await ann.attach(png()), await ann.attach(b"tea")
    stored = await database()["attachments"].find_one({"_id": ObjectId(old["id"])})
    assert stored is not None
    assert stored["expires_at"] - stored["created_at"] == timedelta(days=1)
    await _expire(old["id"], hours=2)
    await _expire(new["id"], hours=0.5)  # another process may still be sending it
    await sweep.sweep()
    assert len(files()) == 1
    await ann.ok("GET", f"/attachments/{old['id']}", 404)
    await ann.ok("GET", f"/attachments/{new['id']}")


async def test_while_the_storage_is_away_it_is_said_and_nothing_is_lost(
    ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await ann.attach(png())
    with monkeypatch.context() as patch:
        patch.setattr(storage, "_storage", lambda: storages["attachments_away"])
        for method, path in (("GET", f"/{kept['id']}/content"), ("POST", "")):
            answer = await ann.http.request(method, f"/attachments{path}", content=b"tea" if method == "POST" else None)
            assert (answer.status_code, answer.json()["code"]) == (503, "storage_away")
        assert (await ann.ok("DELETE", f"/attachments/{kept['id']}", 503))["code"] == "storage_away"
    assert await database()["attachments"].count_documents({}) == 2
    await sweep.sweep()
    assert await database()["attachments"].count_documents({}) == 0
    assert files() == []


async def test_every_process_sweeps_and_goes_on_when_the_storage_was_away(
    ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = [task.get_coro().cr_code for task in work._tasks[asyncio.get_running_loop()]]  # type: ignore[union-attr]
    assert sweep.run.__code__ in running
    await _expire((await ann.attach(png()))["id"], hours=2)
    swept, names, sweep_once = asyncio.Event(), iter(["away"]), sweep.sweep

    async def swept_once() -> None:
        await sweep_once()
        swept.set()

    monkeypatch.setattr(storage, "_storage", lambda: storages[next(names, "attachments")])
    monkeypatch.setattr(sweep, "sweep", swept_once)
    monkeypatch.setattr(sweep, "SWEEP_EVERY_S", 0.01)
    sweeping = asyncio.create_task(sweep.run())
    await asyncio.wait_for(swept.wait(), 10)
    await end_task(sweeping)
    assert await database()["attachments"].count_documents({}) == 0
    assert files() == []


class _Any:
    def __eq__(self, _: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


ANY: Any = _Any()


async def _expire(attachment_id: str, *, hours: float) -> None:
    at = now() - timedelta(hours=hours)
    await database()["attachments"].update_one({"_id": ObjectId(attachment_id)}, {"$set": {"expires_at": at}})


def _set(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
    config = get_config().model_copy(update=settings)
    for module in ("keeping", "links"):
        monkeypatch.setattr(f"chat.attachments.{module}.get_config", lambda: config)
