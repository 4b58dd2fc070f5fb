"""The S3 driver against a server that keeps objects in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.converter import StorageDriverRetrieveContext, StorageDriverStoreContext
from temporalio.exceptions import ApplicationError

from olo_common.failures import from_failure
from olo_common.payload_objects import PayloadObjects

STORING, READING = StorageDriverStoreContext(), StorageDriverRetrieveContext()


class Bucket(BaseHTTPRequestHandler):
    objects: dict[str, bytes]
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        self.objects[self.path] = self.rfile.read(int(self.headers["content-length"]))
        self._answer(200, b"")

    def do_GET(self) -> None:
        found = self.objects.get(self.path)
        self._answer(*((404, b"<Error><Code>NoSuchKey</Code></Error>") if found is None else (200, found)))

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    kept: dict[str, bytes] = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Kept", (Bucket,), {"objects": kept}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    yield kept
    server.shutdown()
    server.server_close()


def reason(error: BaseException) -> str:
    assert isinstance(error, ApplicationError)
    assert error.non_retryable
    return from_failure(error).reason


async def test_payloads_in_a_bucket_are_read_back_or_told_apart(objects: dict[str, bytes]) -> None:
    driver = PayloadObjects("bucket", 1000)
    payload = Payload(data=b"a" * 500)
    [claim] = await driver.store(STORING, [payload])
    assert await driver.retrieve(READING, [claim]) == [payload]
    [key] = objects
    assert key.startswith("/bucket/")
    objects[key] = b"damaged"
    with pytest.raises(ApplicationError) as damaged:
        await driver.retrieve(READING, [claim])
    objects.clear()
    with pytest.raises(ApplicationError) as missing:
        await driver.retrieve(READING, [claim])
    with pytest.raises(ApplicationError) as large:
        await driver.store(STORING, [Payload(data=b"a" * 1001)])
    assert [reason(error.value) for error in (damaged, missing, large)] == [
        "payload_corrupt",
        "payload_missing",
        "payload_not_stored",
    ]


async def test_a_bucket_that_is_away_does_not_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with pytest.raises(ApplicationError) as caught:
        await PayloadObjects("bucket", 1000).store(STORING, [Payload(data=b"a")])
    assert reason(caught.value) == "payload_not_stored"
