"""An export of all that an account holds: whole, documented, and good to be imported into another account."""

import asyncio
import hashlib
import io
import re
import threading
import zipfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from bson import ObjectId
from django.core import mail
from django.core.files.storage import storages

from accounts import store
from accounts.mail.delivery import settle_mail
from accounts.personal_data import exporting, wake
from accounts.personal_data.states import ExportStatus
from accounts.store import DataExport
from eloquent.foundation import leases
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from eloquent.foundation.personal_data import personal_stores
from tests.accounts.personal_data.conftest import Someone, files, until
from tests.people import PASSWORD, Person

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "export-format.md"
SECRET = re.compile(rb"hash|argon2|successor|sealed", re.IGNORECASE)


async def ready(person: Person, export_id: str) -> Any:
    """The export once it has ended."""

    async def is_over() -> bool:
        return (await person.ok("GET", f"/me/exports/{export_id}"))["status"] in ("complete", "failed")

    await until(is_over)
    return await person.ok("GET", f"/me/exports/{export_id}")


async def exported(person: Person) -> tuple[Any, bytes]:
    """A new export, and its bytes."""
    made = await person.ok("POST", "/me/exports", 202, json={"current_password": PASSWORD})
    export = await ready(person, made["id"])
    assert export["status"] == "complete"
    answer = await person.http.get(f"/me/exports/{made['id']}/content")
    assert answer.status_code == 200
    return export, answer.content


async def test_an_export_holds_everything_and_its_conversations_can_be_imported_elsewhere(
    zora: Someone, yann: Someone
) -> None:
    export, raw = await exported(zora)
    assert (export["sha256"], export["size_bytes"]) == (hashlib.sha256(raw).hexdigest(), len(raw))
    archive = zipfile.ZipFile(io.BytesIO(raw))
    contents = {name: archive.read(name) for name in archive.namelist()}
    manifest = orjson.loads(contents.pop("manifest.json"))

    # The manifest is right about every file, and says of every place what is here of it.
    assert {file["name"] for file in manifest["files"]} == contents.keys()
    for file in manifest["files"]:
        content = contents[file["name"]]
        assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert [place["name"] for place in manifest["places"]] == [place.name for place in personal_stores()]
    assert all(place["exported"] or place["because"] for place in manifest["places"])
    assert sum(file["documents"] for file in manifest["files"]) == export["documents"] == export["documents_done"]

    # It is all theirs, and has no secret.
    for name, content in contents.items():
        assert yann.mark.encode() not in content, name
        assert str(yann.id).encode() not in content, name
        keys = re.sub(rb'"(sha256|prefix)":"[^"]*"', b"", content) if name.endswith(".json") else b""
        assert not SECRET.search(keys), name
    told = {name: orjson.loads(content) for name, content in contents.items() if name.endswith(".json")}
    assert (told["profile.json"]["email"], told["profile.json"]["groups"]) == (zora.email, ["Readers"])
    assert told["sessions.json"]["items"][0]["user_agent"] == f"Browser of {zora.mark}"
    assert told["api_keys.json"]["items"][0]["name"] == f"Key of {zora.mark}"
    assert {item["name"] for item in told["imports.json"]["items"]} == {
        f"file of {zora.mark}.json", f"rest of {zora.mark}.json"
    }  # fmt: skip
    assert [item["model"] for item in told["usage.json"]["items"]] == ["scripted/scripted"]
    assert {item["action"] for item in told["activity.json"]["items"]} >= {"account.registered", "account.export_asked"}
    assert [item["id"] for item in told["runs.json"]["items"]] == [zora.run_id]
    attached = {item["name"]: item for item in told["attachments.json"]["items"]}
    text = attached[f"text of {zora.mark}.txt"]
    assert contents[text["path"]] == f"Text of {zora.mark}".encode()
    assert hashlib.sha256(contents[text["path"]]).hexdigest() == text["sha256"]

    # Another account that imports it has the same conversations.
    async with Person(zora.server, "heir") as heir:
        await imported(heir, contents["conversations-0001.json"])
        mine, theirs = await talks(zora), await talks(heir)
    assert mine == theirs
    assert f"Question of {zora.mark}" in str(mine)


async def imported(person: Person, raw: bytes) -> None:
    """Import a file."""
    made = await person.ok("POST", "/imports", 201, json={"size": len(raw)})
    await person.ok("PUT", f"/imports/{made['id']}/content", params={"offset": 0}, content=raw)

    async def is_complete() -> bool:
        return bool((await person.ok("GET", f"/imports/{made['id']}"))["status"] == "complete")

    await until(is_complete)


async def talks(person: Person) -> list[Any]:
    """All conversations with all their branches, as far as they are the same wherever they are."""
    found = []
    for each in (await person.ok("GET", "/conversations"))["items"]:
        exported = await person.ok("GET", f"/conversations/{each['id']}/export", params={"format": "json"})
        about, messages = exported["conversation"], exported["messages"]
        numbers = {message["id"]: number for number, message in enumerate(messages)} | {None: None}
        kept = [
            {
                **{name: message[name] for name in ("role", "status", "model", "usage", "feedback", "created_at")},
                "parent": numbers[message["parent_id"]],
                # A file is named where it was: its bytes are in the archive, and not imported.
                "parts": [part for part in map(_words, message["parts"]) if part],
            }
            for message in messages
        ]
        names = ("title", "model", "system_prompt", "pinned", "archived", "created_at", "updated_at")
        found.append([{name: about[name] for name in names}, numbers[about["leaf_id"]], kept])
    return sorted(found, key=str)


def _words(part: dict[str, Any]) -> Any:
    if part["type"] == "file":
        return {"type": "text", "text": f"[File: {part['filename']}]"}
    return part


async def test_a_download_goes_on_where_it_broke_off(zora: Someone) -> None:
    export, raw = await exported(zora)
    path = f"/me/exports/{export['id']}/content"
    whole = await zora.http.get(path)
    etag = whole.headers["ETag"]
    assert whole.headers["Content-Disposition"].startswith('attachment; filename="eloquent-')
    assert (whole.headers["Content-Type"], whole.headers["Content-Length"]) == ("application/zip", str(len(raw)))
    rest = await zora.http.get(path, headers={"Range": "bytes=100-", "If-Range": etag})
    assert (rest.status_code, rest.content) == (206, raw[100:])
    assert rest.headers["Content-Range"] == f"bytes 100-{len(raw) - 1}/{len(raw)}"
    assert (await zora.http.get(path, headers={"Range": "bytes=100-", "If-Range": '"other"'})).content == raw
    assert (await zora.http.get(path, headers={"If-None-Match": etag})).status_code == 304
    behind = await zora.http.get(path, headers={"Range": f"bytes={len(raw)}-"})
    assert (behind.status_code, behind.headers["Content-Range"]) == (416, f"bytes */{len(raw)}")
    read = await database()["audit"].find({"subject_id": zora.id, "action": "account.export_read"}).to_list()
    begins = [orjson.loads(each["facts"])["from_byte"] for each in sorted(read, key=lambda each: each["number"])]
    assert begins == [0, 0, 100, 0], "whoever leaves out the first byte has read it, too"


async def test_an_export_is_asked_for_with_the_password_one_at_a_time(
    ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()
    count = personal_stores()[0].count
    assert count is not None

    async def claim() -> None:
        await go_on.wait()

    refused = await ann.ok("POST", "/me/exports", 422, json={"current_password": "wrong"})
    assert refused["code"] == "wrong_password"
    assert (await ann.ok("POST", "/me/exports", 422, json={}))["code"] == "wrong_password"
    with monkeypatch.context() as held:
        held.setattr(exporting, "_claim", claim)
        made = await ann.ok("POST", "/me/exports", 202, json={"current_password": PASSWORD})
        again = await ann.ok("POST", "/me/exports", 409, json={"current_password": PASSWORD})
        assert again["code"] == "export_at_work"
        assert (await ann.ok("GET", f"/me/exports/{made['id']}/content", 409))["code"] == "export_not_ready"
    go_on.set()
    wake.exports.look_now()
    assert (await ready(ann, made["id"]))["status"] == "complete"
    page = await ann.ok("GET", "/me/exports")
    assert [item["id"] for item in page["items"]] == [made["id"]]
    await settle_mail()
    [letter] = [each for each in mail.outbox if each.to == [ann.email] and "downloaded" in each.subject]
    assert "/account/exports\n" in letter.body
    assert "#" not in letter.body


async def test_an_export_is_deleted_with_its_file_after_a_week(ann: Person) -> None:
    export, _ = await exported(ann)
    owner = ann.tokens["user"]["id"]
    assert [name for name in files() if owner in name] != []
    assert timedelta(days=6) < _moment(export["expires_at"]) - now() < timedelta(days=8)
    over = {"$set": {"expires_at": now() - timedelta(seconds=1)}}
    await database()["data_exports"].update_one({"_id": ObjectId(export["id"])}, over)
    await ann.ok("GET", f"/me/exports/{export['id']}/content", 404)
    await exporting.sweep()
    assert [name for name in files() if owner in name] == []
    assert await database()["data_exports"].count_documents({}) == 0


async def test_a_worker_that_is_lost_leaves_its_export_to_another(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    at = now()
    lost = {
        "_id": ObjectId(), "user_id": ObjectId(ann.tokens["user"]["id"]), "status": "running", "active": True,
        "slot": 1, "documents": 10, "documents_done": 5, "key": "", "size_bytes": 0, "sha256": "", "attempts": 1,
        "worker": "lost", "lease_expires_at": at, "created_at": at, "finished_at": None,
        "expires_at": at + timedelta(days=7),
    }  # fmt: skip
    await database()["data_exports"].insert_one(lost)
    wake.exports.look_now()
    export = await ready(ann, str(lost["_id"]))
    assert (export["status"], export["documents"]) == ("complete", export["documents_done"])
    # Five more, and it is given up: it takes no sixth along.
    await database()["data_exports"].update_one({"_id": lost["_id"]}, {"$set": {**lost, "attempts": 5}})
    wake.exports.look_now()
    assert (await ready(ann, str(lost["_id"])))["status"] == "failed"


async def test_an_export_waits_for_its_storage(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = asyncio.Event()
    monkeypatch.setattr(exporting, "_TRY_AGAIN_S", 0)

    def save(*_: Any, **__: Any) -> None:
        loop.call_soon_threadsafe(tried.set)
        raise OSError("away")

    loop = asyncio.get_running_loop()
    with monkeypatch.context() as away:
        away.setattr(storages["exports"], "save", save)
        made = await ann.ok("POST", "/me/exports", 202, json={"current_password": PASSWORD})
        async with asyncio.timeout(20):
            await tried.wait()
        assert (await ann.ok("GET", f"/me/exports/{made['id']}"))["status"] in ("queued", "running")
    wake.exports.look_now()
    assert (await ready(ann, made["id"]))["status"] == "complete"


async def test_an_export_is_put_off_when_no_renewal_is_on_its_way(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that came later would make it look as if a worker were at it, for as long as a lease lasts."""
    loop, keep = asyncio.get_running_loop(), store.keep_export
    renewing, renews, put_off = 0, threading.Event(), loop.create_future()

    async def watched(export: DataExport) -> bool:
        nonlocal renewing
        if export.status is not ExportStatus.RUNNING:
            if not put_off.done():
                put_off.set_result(renewing)
            return await keep(export)
        renewing += 1
        renews.set()
        try:
            await asyncio.shield(put_off)
        finally:
            renewing -= 1
        return await keep(export)

    def save(*_: Any, **__: Any) -> None:
        assert renews.wait(20)
        raise OSError("away")

    with monkeypatch.context() as away:
        away.setattr(store, "keep_export", watched)
        away.setattr(storages["exports"], "save", save)
        away.setattr(leases, "RENEWED_EVERY_S", 0.05)
        await ann.ok("POST", "/me/exports", 202, json={"current_password": PASSWORD})
        async with asyncio.timeout(20):
            assert await put_off == 0


def test_every_file_of_an_export_is_documented() -> None:
    described = DOCUMENT.read_text()
    for place in personal_stores():
        if place.export is not None:
            assert f"`{place.name}" in described, place.name


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
