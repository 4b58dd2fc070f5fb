"""Where files are kept: one suite for both stores, and the shelf on them."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from olo_common.errors import InvalidField, OloError, StartupError
from olo_gateway.adapters import object_stores
from olo_gateway.adapters.object_directory import ObjectDirectory
from olo_gateway.adapters.object_stores import SweptObjects, object_store, sweep_for_ever
from olo_gateway.errors import FilesDisabled, FileTooLarge, ObjectMissing, StoreAway, StoredFileNotFound
from olo_gateway.files.objects import get_bytes, get_json, put_bytes, put_json
from olo_gateway.files.shelf import FileDraft, Shelf

DRAFT = FileDraft("requests.jsonl", "batch")
LARGE = 9 * 1024 * 1024
"""More than one part of an upload to a bucket."""


class Bucket(BaseHTTPRequestHandler):
    """As much of S3 as the store speaks."""

    objects: dict[str, bytes]
    parts: dict[str, bytes]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self._body()
        if "uploads" in self._query():
            self._answer(200, b"<R><UploadId>u1</UploadId></R>")
        else:
            self.objects[self._key()] = b"".join(self.parts[name] for name in sorted(self.parts))
            self.parts.clear()
            self._answer(200, b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")

    def do_PUT(self) -> None:
        query = self._query()
        if "partNumber" in query:
            self.parts[query["partNumber"][0]] = self._body()
        else:
            self.objects[self._key()] = self._body()
        self._answer(200, b"")

    def do_DELETE(self) -> None:
        self.parts.clear() if "uploadId" in self._query() else self.objects.pop(self._key(), None)
        self._answer(204, b"")

    def do_GET(self) -> None:
        query = self._query()
        if "list-type" in query:
            prefix = query["prefix"][0]
            keys = [k for k in sorted(self.objects) if k.startswith(prefix) and "/" not in k.removeprefix(prefix)]
            listed = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in keys)
            self._answer(200, f"<ListBucketResult>{listed}</ListBucketResult>".encode())
            return
        found = self.objects.get(self._key())
        if found is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        elif wanted := self.headers.get("range"):
            first, last = wanted.removeprefix("bytes=").split("-")
            self._answer(206, found[int(first) : int(last) + 1 if last else None])
        else:
            self._answer(200, found)

    def log_message(self, *_: object) -> None:
        pass

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix("/bucket/")

    def _query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query, keep_blank_values=True)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("etag", '"e"')
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Any]]:
    handler: type[Any] = type("Kept", (Bucket,), {"objects": {}, "parts": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    yield handler
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["directory", "bucket"])
async def objects(request: pytest.FixtureRequest, tmp_path: Path, bucket: type[Any]) -> AsyncIterator[SweptObjects]:
    place = str(tmp_path / "files") if request.param == "directory" else "s3://bucket"
    async with object_store(place) as store:
        yield store


async def pieces(*given: bytes, error: Exception | None = None) -> AsyncGenerator[bytes, None]:
    for piece in given:
        yield piece
    if error is not None:
        raise error


async def test_an_object_is_read_back_whole_and_in_part(objects: SweptObjects) -> None:
    assert await objects.put("a/b.bin", pieces(b"0123", b"", b"456789")) == 10
    assert await get_bytes(objects, "a/b.bin") == b"0123456789"
    assert await get_bytes(objects, "a/b.bin", 3, 4) == b"3456"
    assert await get_bytes(objects, "a/b.bin", 8) == b"89"
    assert await get_bytes(objects, "a/b.bin", 8, 0) == b""


async def test_a_large_object_is_all_there(objects: SweptObjects) -> None:
    whole = os.urandom(LARGE)
    step = 1024 * 1024
    parts = [whole[start : start + step] for start in range(0, LARGE, step)]
    assert await objects.put("a/large", pieces(*parts)) == LARGE
    assert await get_bytes(objects, "a/large") == whole
    assert await get_bytes(objects, "a/large", LARGE - 5, 5) == whole[-5:]


async def test_an_object_whose_writer_fails_is_the_old_one_or_none(objects: SweptObjects) -> None:
    await put_bytes(objects, "a/old", b"old")
    for name in ("old", "new"):
        with pytest.raises(InvalidField):
            await objects.put(f"a/{name}", pieces(b"x" * LARGE, error=InvalidField("file", "is wrong")))
    assert await objects.names("a") == ["old"]
    assert await get_bytes(objects, "a/old") == b"old"


async def test_names_are_those_right_in_the_folder(objects: SweptObjects) -> None:
    for key in ("a/2", "a/1", "a/b/3", "ab/4"):
        await put_json(objects, key, key)
    assert await objects.names("a") == ["1", "2"]
    assert await objects.names("nowhere") == []
    await objects.delete("a/1")
    await objects.delete("a/1")
    assert await objects.names("a") == ["2"]
    assert await get_json(objects, "a/b/3") == "a/b/3"


async def test_what_is_missing_is_missing(objects: SweptObjects) -> None:
    with pytest.raises(ObjectMissing):
        await get_bytes(objects, "a/none")


async def test_a_store_that_is_away_says_so(monkeypatch: pytest.MonkeyPatch, bucket: type[Any], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    for place in (str(tmp_path / "file"), "s3://bucket"):
        async with object_store(place) as store:
            with pytest.raises(StoreAway):
                await put_bytes(store, "a/b", b"c")


async def test_a_gateway_without_a_place_refuses_and_a_relative_one_is_no_place() -> None:
    async with object_store("") as store:
        shelf = Shelf(store, 10)
        with pytest.raises(FilesDisabled):
            await shelf.take("t", DRAFT, pieces(b"x"))
        with pytest.raises(FilesDisabled):
            await shelf.list("t", 1)
        with pytest.raises(FilesDisabled):
            await get_bytes(store, "a")
    with pytest.raises(StartupError, match="absolute"):
        async with object_store("here"):
            pass


async def test_partial_files_of_the_dead_are_swept(tmp_path: Path) -> None:
    store = ObjectDirectory(tmp_path)
    await put_bytes(store, "a/b", b"c")
    for name, age in (("dead", 25 * 3600), ("writing", 60)):
        path = tmp_path / ".partial" / name
        path.touch()
        os.utime(path, (time.time() - age,) * 2)
    await store.sweep()
    assert [path.name for path in (tmp_path / ".partial").iterdir()] == ["writing"]
    assert await get_bytes(store, "a/b") == b"c"


async def test_the_shelf_shows_a_tenant_its_own_files_newest_first(objects: SweptObjects) -> None:
    clock = iter(range(1_000, 10_000))
    shelf = Shelf(objects, 100, lambda: float(next(clock)))
    names = [f"{n}.txt" for n in range(5)]
    files = [await shelf.take("one", FileDraft(name, "assistants"), pieces(name.encode())) for name in names]
    await shelf.take("one", DRAFT, pieces(b"{}"))
    other = await shelf.take("two", DRAFT, pieces(b"{}"))
    page, more = await shelf.list("one", 3, purpose="assistants")
    assert ([file.filename for file in page], more) == (["4.txt", "3.txt", "2.txt"], True)
    rest, more = await shelf.list("one", 3, page[-1].file_id, "assistants")
    assert ([file.filename for file in rest], more) == (["1.txt", "0.txt"], False)
    first, _ = await shelf.list("one", 1, oldest_first=True)
    assert first == [files[0]]
    assert b"".join([piece async for piece in shelf.read("one", files[1].file_id)]) == b"1.txt"
    for call in (shelf.get("one", other.file_id), shelf.delete("one", other.file_id), shelf.get("one", "../x")):
        with pytest.raises(StoredFileNotFound):
            await call
    with pytest.raises(StoredFileNotFound):
        await anext(shelf.read("one", other.file_id))


async def test_a_file_expires_and_its_bytes_go(tmp_path: Path) -> None:
    now = 1_000_000.0
    store = ObjectDirectory(tmp_path)
    shelf = Shelf(store, 100, lambda: now)
    kept = await shelf.take("t", DRAFT, pieces(b"{}"))
    file = await shelf.take("t", FileDraft("a", "batch", 3600.0), pieces(b"{}"))
    assert file.expires == 1_003_600
    # An upload that has written its bytes and has died before its record.
    await put_bytes(store, f"content/t/{file.file_id[:-1]}x", b"orphan")
    now += 3600
    with pytest.raises(StoredFileNotFound):
        await shelf.get("t", file.file_id)
    assert await shelf.sweep("t") == 1
    now += 24 * 3600
    assert await shelf.sweep("t") == 1
    assert await store.names("content/t") == [kept.file_id]
    assert (await shelf.list("t", 10))[0] == [kept]


async def test_a_sweep_between_the_bytes_and_their_record_takes_neither(tmp_path: Path) -> None:
    # The files of a batch have ids as old as the batch, which may be as old as its window is long.
    now, old = 10_000_000.0, f"file-{9_000_000_000:012x}0123456789abcdef"

    class Swept(ObjectDirectory):
        async def put(self, key: str, content: AsyncIterable[bytes]) -> int:
            size = await super().put(key, content)
            if key.startswith("content/"):
                assert await shelf.sweep("t") == 0
            return size

    store = Swept(tmp_path)
    shelf = Shelf(store, 100, lambda: now)
    file = await shelf.write("t", FileDraft("out.jsonl", "batch_output", file_id=old), pieces(b"{}"))
    assert b"".join([piece async for piece in shelf.read("t", file.file_id)]) == b"{}"
    await store.delete(f"files/t/{old}.json")
    assert await shelf.sweep("t") == 0
    now += 3600
    assert await shelf.sweep("t") == 1
    assert await store.names("content/t") == []


async def test_a_file_of_a_later_release_is_a_file(tmp_path: Path) -> None:
    store = ObjectDirectory(tmp_path)
    shelf = Shelf(store, 100)
    file = await shelf.take("t", DRAFT, pieces(b"{}"))
    record = await get_json(store, f"files/t/{file.file_id}.json")
    await put_json(store, f"files/t/{file.file_id}.json", {**record, "colour": "green"})
    assert await shelf.get("t", file.file_id) == file
    assert await shelf.sweep("t") == 0


async def test_disorder_does_not_end_the_sweeping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_stores, "_SWEEP_SECONDS", 0.0)
    again = asyncio.Event()

    class Counted(ObjectDirectory):
        sweeps = 0

        async def sweep(self) -> None:
            self.sweeps += 1
            if self.sweeps == 2:
                again.set()

    store = Counted(tmp_path)
    await put_bytes(store, "files/default/file-1.json", b"{")
    sweeping = asyncio.create_task(sweep_for_ever(store, Shelf(store, 100)))
    waiting = asyncio.create_task(again.wait())
    await asyncio.wait({sweeping, waiting}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
    assert again.is_set()
    sweeping.cancel()


@pytest.mark.parametrize(
    ("draft", "content", "reason", "field"),
    [
        (FileDraft("a", "mischief"), b"x", "field_invalid", "purpose"),
        (FileDraft("a", "batch_output"), b"x", "field_invalid", "purpose"),
        (FileDraft("", "batch"), b"x", "field_invalid", "file"),
        (FileDraft("a\nb", "batch"), b"x", "field_invalid", "file"),
        (FileDraft("a", "batch", 3599), b"x", "field_invalid", "expires_after"),
        (FileDraft("a", "batch", 31 * 24 * 3600), b"x", "field_invalid", "expires_after"),
        (DRAFT, b"", "file_empty", "file"),
        (DRAFT, b"x" * 11, "file_too_large", "file"),
    ],
)
async def test_what_is_no_file_leaves_nothing(
    tmp_path: Path, draft: FileDraft, content: bytes, reason: str, field: str
) -> None:
    store = ObjectDirectory(tmp_path)
    with pytest.raises(OloError) as refused:
        await Shelf(store, 10).take("t", draft, pieces(content))
    assert (refused.value.reason, refused.value.field) == (reason, field)
    assert await store.names("content/t") == await store.names("files/t") == []
    assert not list(tmp_path.glob(".partial/*"))


async def test_a_name_loses_its_folders(tmp_path: Path) -> None:
    file = await Shelf(ObjectDirectory(tmp_path), 10).take("t", FileDraft("c:\\x/../y.txt", "batch"), pieces(b"x"))
    assert file.filename == "y.txt"
    assert FileTooLarge(3).code.value.http == 400


async def test_two_writers_of_one_object_leave_one_of_both(tmp_path: Path) -> None:
    store = ObjectDirectory(tmp_path)
    await asyncio.gather(*(put_bytes(store, "a/b", str(n).encode() * 1000) for n in range(8)))
    found = await get_bytes(store, "a/b")
    assert len(found) == 1000
    assert len(set(found)) == 1
