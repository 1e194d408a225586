"""Where attached files lie: the bucket that the settings name, spoken to as Amazon's client does."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.core.files.storage import Storage
from django.utils.module_loading import import_string

from chat.attachments import storage
from chat.attachments.errors import StorageAway
from eloquent.foundation.config import Config
from eloquent.object_storage import attachment_storage


class Bucket(BaseHTTPRequestHandler):
    """As much of S3 as is asked for."""

    objects: dict[str, bytes] = {}
    signatures: list[str] = []
    broken = False

    def _reply(self, status: int, body: bytes = b"") -> None:
        self.signatures.append(self.headers.get("Authorization", ""))
        self.send_response(403 if self.broken else status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"x"')
        self.send_header("Last-Modified", "Fri, 01 May 2026 12:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_PUT(self) -> None:
        self.objects[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self._reply(200)

    def do_GET(self) -> None:
        self._reply(200 if self.path in self.objects else 404, self.objects.get(self.path, b""))

    do_HEAD = do_GET  # noqa: N815

    def do_DELETE(self) -> None:
        self.objects.pop(self.path, None)
        self._reply(204)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Bucket]]:
    """A bucket on this machine, which the attachments' storage is pointed at."""
    Bucket.objects, Bucket.signatures, Bucket.broken = {}, [], False
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for name, value in (("AWS_ACCESS_KEY_ID", "a-key"), ("AWS_SECRET_ACCESS_KEY", "a-secret")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    config = Config(attachments_bucket="cups", attachments_endpoint=f"http://127.0.0.1:{server.server_port}")
    made = _made(attachment_storage(config))
    monkeypatch.setattr(storage, "_storage", lambda: made)
    yield Bucket
    server.shutdown()
    thread.join()
    server.server_close()


def _made(entry: dict[str, Any]) -> Storage:
    made: Storage = import_string(entry["BACKEND"])(**entry["OPTIONS"])
    return made


async def test_files_are_kept_in_the_bucket_that_the_settings_name(bucket: type[Bucket]) -> None:
    await storage.keep_file("ann/cup", b"tea\n")
    assert bucket.objects == {"/cups/attachments/ann/cup": b"tea\n"}
    assert await storage.file_at("ann/cup") == b"tea\n"
    assert await storage.file_at("ann/pot") is None
    await storage.remove_file("ann/cup")
    await storage.remove_file("ann/cup")
    assert bucket.objects == {}
    assert all(signature.startswith("AWS4-HMAC-SHA256 Credential=a-key/") for signature in bucket.signatures)


async def test_a_bucket_that_refuses_is_away_and_its_words_are_not_shown(bucket: type[Bucket]) -> None:
    bucket.broken = True
    for call in (storage.keep_file("ann/cup", b"tea"), storage.file_at("ann/cup"), storage.remove_file("ann/cup")):
        with pytest.raises(StorageAway) as away:
            await call
        assert away.value.__cause__ is not None
        assert "403" not in away.value.detail
