"""Files and batches, through the SDK and the command line, against services in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from olo.gateway.v1 import batch_service_pb2 as bt
from olo.gateway.v1 import file_service_pb2 as fl
from olo.gateway.v1.batch_service_pb2_grpc import BatchServiceServicer, add_BatchServiceServicer_to_server
from olo.gateway.v1.file_service_pb2_grpc import FileServiceServicer, add_FileServiceServicer_to_server
from olo_client import AsyncOlo, Olo
from olo_client.cli import batch as batch_commands
from olo_client.cli import program as cli
from olo_client.errors import NotFoundError

LINES = b'{"custom_id": "a"}\n'


class Kept(FileServiceServicer, BatchServiceServicer):
    """Keeps what it is given; a batch has done one more line each time that it is looked at."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[fl.File, bytes]] = {}
        self.batches: dict[str, bt.Batch] = {}
        self.asked: list[Any] = []
        self.target = ""

    def UploadFile(self, request_iterator: Any, context: Any) -> fl.UploadFileResponse:
        header = next(request_iterator).header
        data = b"".join(request.data for request in request_iterator)
        file = fl.File(
            file_id=f"file-{len(self.files)}", filename=header.filename, purpose=header.purpose, size_bytes=len(data)
        )
        if header.HasField("expires_after"):
            file.expire_time.seconds = header.expires_after.seconds
        self.files[file.file_id] = file, data
        return fl.UploadFileResponse(file=file)

    def GetFile(self, request: Any, context: Any) -> fl.GetFileResponse:
        if request.file_id not in self.files:
            context.abort(grpc.StatusCode.NOT_FOUND, "there is no file with this id")
        return fl.GetFileResponse(file=self.files[request.file_id][0])

    def ListFiles(self, request: Any, context: Any) -> fl.ListFilesResponse:
        place = int(request.page_token or 0)
        found = [file for file, _ in self.files.values() if request.purpose in ("", file.purpose)]
        following = str(place + 1) if place + 1 < len(found) else ""
        return fl.ListFilesResponse(files=found[place : place + 1], next_page_token=following)

    def ReadFile(self, request: Any, context: Any) -> Iterator[fl.ReadFileResponse]:
        if request.file_id not in self.files:
            context.abort(grpc.StatusCode.NOT_FOUND, "there is no file with this id")
        for byte in self.files[request.file_id][1]:
            yield fl.ReadFileResponse(data=bytes([byte]))

    def DeleteFile(self, request: Any, context: Any) -> fl.DeleteFileResponse:
        del self.files[request.file_id]
        return fl.DeleteFileResponse()

    def CreateBatch(self, request: Any, context: Any) -> bt.CreateBatchResponse:
        self.asked.append(request)
        batch = bt.Batch(batch_id="batch_1", status=bt.BATCH_STATUS_IN_PROGRESS, total_count=2)
        self.batches[batch.batch_id] = batch
        return bt.CreateBatchResponse(batch=batch)

    def GetBatch(self, request: Any, context: Any) -> bt.GetBatchResponse:
        batch = self.batches[request.batch_id]
        if batch.status == bt.BATCH_STATUS_IN_PROGRESS:
            batch.completed_count += 1
            if batch.completed_count == batch.total_count:
                batch.status, batch.output_file_id = bt.BATCH_STATUS_COMPLETED, "file-out"
        return bt.GetBatchResponse(batch=batch)

    def ListBatches(self, request: Any, context: Any) -> bt.ListBatchesResponse:
        return bt.ListBatchesResponse(batches=self.batches.values())

    def CancelBatch(self, request: Any, context: Any) -> bt.CancelBatchResponse:
        batch = self.batches[request.batch_id]
        batch.status = bt.BATCH_STATUS_CANCELLING
        return bt.CancelBatchResponse(batch=batch)

    def PauseBatch(self, request: Any, context: Any) -> bt.PauseBatchResponse:
        self.batches[request.batch_id].paused = True
        return bt.PauseBatchResponse(batch=self.batches[request.batch_id])

    def ResumeBatch(self, request: Any, context: Any) -> bt.ResumeBatchResponse:
        self.batches[request.batch_id].paused = False
        return bt.ResumeBatchResponse(batch=self.batches[request.batch_id])

    def ReadBatchResults(self, request: Any, context: Any) -> Iterator[bt.ReadBatchResultsResponse]:
        for row in (b'{"custom_id":', b'"a"}\n'):
            yield bt.ReadBatchResultsResponse(data=row)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(batch_commands, "_LOOK_SECONDS", 0.0)
    services = Kept()
    with ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads)
        add_FileServiceServicer_to_server(services, server)
        add_BatchServiceServicer_to_server(services, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        monkeypatch.setenv("OLO_TARGET", f"127.0.0.1:{port}")
        services.target = f"127.0.0.1:{port}"
        try:
            yield services
        finally:
            server.stop(None).wait()


def test_files_go_up_and_come_down(kept: Kept, tmp_path: Path, capfdbinary: Any) -> None:
    path, copy = tmp_path / "night.jsonl", tmp_path / "copy"
    path.write_bytes(LINES * 100_000)
    assert cli.run(["files", "upload", str(path), "--expires-after", "3600"]) == 0
    assert capfdbinary.readouterr().out == b"file-0\n"
    file, data = kept.files["file-0"]
    assert (file.filename, file.purpose, file.expire_time.seconds) == ("night.jsonl", "batch", 3600)
    assert data == path.read_bytes()
    kept.files["file-0"] = file, LINES
    assert cli.run(["files", "upload", str(path), "--purpose", "assistants", "--json"]) == 0
    assert json.loads(capfdbinary.readouterr().out)["file_id"] == "file-1"
    assert cli.run(["files", "list"]) == 0
    listed = capfdbinary.readouterr().out
    assert b"file-0" in listed
    assert b"file-1" in listed
    assert cli.run(["files", "list", "--purpose", "batch", "--json"]) == 0
    assert [each["file_id"] for each in json.loads(capfdbinary.readouterr().out)] == ["file-0"]
    assert cli.run(["files", "get", "file-0"]) == 0
    assert capfdbinary.readouterr().out == LINES
    assert cli.run(["files", "get", "file-0", "-o", str(copy)]) == 0
    assert copy.read_bytes() == LINES
    assert cli.run(["files", "delete", "file-0"]) == 0
    assert cli.run(["files", "get", "file-0", "-o", str(tmp_path / "none")]) == 1
    assert b"no file with this id" in capfdbinary.readouterr().err
    assert not (tmp_path / "none").exists()


def test_a_batch_from_a_file_is_waited_for(kept: Kept, tmp_path: Path, capfdbinary: Any) -> None:
    path = tmp_path / "night.jsonl"
    path.write_bytes(LINES)
    assert cli.run(["batch", "create", str(path), "--wait", "--window", "90m", "--metadata", "night=1"]) == 0
    out = capfdbinary.readouterr().out
    assert b"batch_1  completed" in out
    assert b"2, 2 done, 0 failed" in out
    [asked] = kept.asked
    assert (asked.input_file_id, asked.endpoint, dict(asked.metadata)) == (
        "file-0",
        "/v1/chat/completions",
        {"night": "1"},
    )
    assert asked.completion_window.seconds == 5400
    assert asked.request_id
    assert cli.run(["batch", "create", "file-0", "--json"]) == 0
    assert json.loads(capfdbinary.readouterr().out)["status"] == "BATCH_STATUS_IN_PROGRESS"
    assert len(kept.files) == 1
    assert cli.run(["batch", "results", "batch_1"]) == 0
    assert capfdbinary.readouterr().out == b'{"custom_id":"a"}\n'
    for wrong in (["nowhere"], ["file-0", "--window", "soon"], ["file-0", "--metadata", "x"]):
        assert cli.run(["batch", "create", *wrong]) == 2
    assert len(kept.asked) == 2


def test_a_batch_is_steered(kept: Kept, capfdbinary: Any) -> None:
    batch = kept.batches["batch_1"] = bt.Batch(batch_id="batch_1", status=bt.BATCH_STATUS_VALIDATING)
    for command, shown in (("pause", b"paused"), ("resume", b"validating"), ("cancel", b"cancelling")):
        assert cli.run(["batch", command, "batch_1"]) == 0
        assert b"batch_1  " + shown in capfdbinary.readouterr().out
    batch.status = bt.BATCH_STATUS_FAILED
    batch.errors.add(code="invalid_json_line", message="this line is not valid JSON", line=3)
    assert cli.run(["batch", "get", "batch_1"]) == 0
    assert b"line 3: this line is not valid JSON" in capfdbinary.readouterr().out
    assert cli.run(["batch", "list"]) == 0
    assert b"failed" in capfdbinary.readouterr().out


async def test_both_clients_do_the_same(kept: Kept) -> None:
    with Olo(kept.target) as olo:
        file = olo.files.upload(b"abc", purpose="user_data", filename="x")
        assert b"".join(olo.files.read(file.file_id)) == b"abc"
        with pytest.raises(NotFoundError):
            list(olo.files.read("none"))
        olo.batches.create(file.file_id, request_id="mine")
        assert [each.batch_id for each in olo.batches.list()] == ["batch_1"]
        assert olo.batches.pause("batch_1").paused
    async with AsyncOlo(kept.target) as client:
        other = await client.files.upload(b"abcd", purpose="user_data", filename="y")
        assert b"".join([piece async for piece in client.files.read(other.file_id)]) == b"abcd"
        with pytest.raises(NotFoundError):
            [piece async for piece in client.files.read("none")]
        assert [each.file_id async for each in client.files.list()] == [file.file_id, other.file_id]
        assert (await client.files.get(other.file_id)).filename == "y"
        await client.files.delete(other.file_id)
        assert not (await client.batches.resume("batch_1")).paused
        assert (await client.batches.cancel("batch_1")).status == bt.BATCH_STATUS_CANCELLING
        assert b"".join([piece async for piece in client.batches.results("batch_1")]) == b'{"custom_id":"a"}\n'
    assert [asked.request_id for asked in kept.asked] == ["mine"]
