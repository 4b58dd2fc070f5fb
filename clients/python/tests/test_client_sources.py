"""Sources of documents from the SDK and the command line, against a service in the same process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from olo.retrieval.v1 import retrieval_service_pb2 as rt
from olo.retrieval.v1 import source_service_pb2 as pb
from olo.retrieval.v1.retrieval_service_pb2_grpc import RetrievalServiceServicer, add_RetrievalServiceServicer_to_server
from olo.retrieval.v1.source_service_pb2_grpc import SourceServiceServicer, add_SourceServiceServicer_to_server
from olo_client import AsyncOlo, NotFoundError, Olo
from olo_client.cli.program import run


@dataclass
class FakeSources(SourceServiceServicer, RetrievalServiceServicer):
    """Sources whose syncs end after they have been looked at twice."""

    sources: dict[str, pb.Source] = field(default_factory=dict)
    collections: list[str] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)
    end: pb.SourceSync = field(
        default_factory=lambda: pb.SourceSync(state=pb.SOURCE_SYNC_STATE_SUCCEEDED, listed=2, added=2, percent=100)
    )
    looks: int = 0
    target: str = ""

    def CreateCollection(self, request: Any, context: Any) -> rt.CreateCollectionResponse:
        self.collections.append(request.name)
        return rt.CreateCollectionResponse(collection=rt.Collection(name=request.name))

    def CreateSource(self, request: pb.CreateSourceRequest, context: Any) -> pb.CreateSourceResponse:
        self.requests.append(request)
        self.sources[request.source.source_id] = request.source
        return pb.CreateSourceResponse(source=request.source)

    def GetSource(self, request: pb.GetSourceRequest, context: Any) -> pb.GetSourceResponse:
        self.looks += 1
        source = self.sources.get(request.source_id)
        if source is None or (self.looks > 2 and source.last_sync.state == pb.SOURCE_SYNC_STATE_REMOVING):
            context.abort(grpc.StatusCode.NOT_FOUND, "source does not exist")
        if self.looks > 2 and source.HasField("last_sync"):
            source.last_sync.CopyFrom(self.end)
        return pb.GetSourceResponse(source=source)

    def ListSources(self, request: pb.ListSourcesRequest, context: Any) -> pb.ListSourcesResponse:
        return pb.ListSourcesResponse(sources=self.sources.values())

    def SyncSource(self, request: pb.SyncSourceRequest, context: Any) -> pb.SyncSourceResponse:
        self.requests.append(request)
        self.looks = 0
        source = self.sources[request.source_id]
        source.last_sync.CopyFrom(pb.SourceSync(number=1, state=pb.SOURCE_SYNC_STATE_INGESTING, percent=40))
        return pb.SyncSourceResponse(source=source)

    def DeleteSource(self, request: pb.DeleteSourceRequest, context: Any) -> pb.DeleteSourceResponse:
        self.requests.append(request)
        self.looks = 0
        self.sources[request.source_id].last_sync.state = pb.SOURCE_SYNC_STATE_REMOVING
        return pb.DeleteSourceResponse()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSources]:
    made = FakeSources()
    with ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads)
        add_SourceServiceServicer_to_server(made, server)
        add_RetrievalServiceServicer_to_server(made, server)
        made.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        monkeypatch.setenv("OLO_TARGET", made.target)
        monkeypatch.setattr("olo_client.sources._PAUSE_SECONDS", 0.0)
        try:
            yield made
        finally:
            server.stop(None).wait()


def test_a_source_is_added_and_synced(fake: FakeSources) -> None:
    seen: list[float] = []
    with Olo(fake.target) as olo:
        olo.sources.create("handbook", "docs", pb.FileSource(path="/srv/docs", glob="**/*.md"), every=900)
        assert fake.requests[0].source.interval.seconds == 900
        assert fake.requests[0].source.files.glob == "**/*.md"
        assert not olo.sources.wait("handbook", "docs").HasField("last_sync")
        olo.sources.sync("handbook", "docs", accept_deletions=True)
        assert fake.requests[-1].accept_deletions
        ended = olo.sources.wait("handbook", "docs", report=lambda source: seen.append(source.last_sync.percent))
        assert (ended.last_sync.added, seen) == (2, [40, 40, 100])
        assert [source.source_id for source in olo.sources.list("handbook")] == ["docs"]
        olo.sources.delete("handbook", "docs", keep_documents=True)
        assert fake.requests[-1].keep_documents
        with pytest.raises(NotFoundError):
            olo.sources.wait("handbook", "docs")


@pytest.mark.parametrize(
    "configuration",
    [pb.WebSource(sitemap="https://a.example/map.xml"), pb.SqlSource(database="x"), pb.GitSource(repository="/r"),
     pb.NatsSource(subject="docs.>")],
)  # fmt: skip
async def test_every_kind_from_asyncio(fake: FakeSources, configuration: Any) -> None:
    async with AsyncOlo(fake.target) as olo:
        made = await olo.sources.create("handbook", "docs", configuration)
        assert configuration in (made.web, made.sql, made.git, made.nats)
        await olo.sources.sync("handbook", "docs")
        assert (await olo.sources.wait("handbook", "docs", timeout=30)).last_sync.added == 2
        assert [source.source_id async for source in olo.sources.list("handbook")] == ["docs"]
        fake.looks = 0
        assert (await olo.sources.get("handbook", "docs")).source_id == "docs"
        await olo.sources.delete("handbook", "docs")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["files", "--path", "/srv/docs", "--every", "15m"], "files"),
        (["web", "--page", "https://a.example/", "--page", "https://a.example/b"], "web"),
        (["sql", "--database", "shop", "--query", "SELECT 1"], "sql"),
        (["git", "--repository", "https://a.example/r.git", "--ref", "main"], "git"),
        (["nats", "--subject", "docs.>"], "nats"),
    ],
)
def test_the_command_line_adds_every_kind(
    fake: FakeSources, capsys: pytest.CaptureFixture[str], words: list[str], kind: str
) -> None:
    assert run(["sources", "add", words[0], "docs", "--collection", "handbook", *words[1:]]) == 0
    assert fake.collections == ["handbook"]
    assert fake.sources["docs"].WhichOneof("configuration") == kind
    assert "docs is a source of handbook" in capsys.readouterr().out
    for command in (["list"], ["show", "docs"]):
        assert run(["sources", *command, "--collection", "handbook"]) == 0
        assert "never synced" in capsys.readouterr().out


def test_the_command_line_syncs_and_removes(fake: FakeSources, capsys: pytest.CaptureFixture[str]) -> None:
    run(["sources", "add", "files", "docs", "--collection", "handbook", "--path", "/srv/docs"])
    assert run(["sources", "sync", "docs", "--collection", "handbook"]) == 0
    assert "succeeded: 2 added" in capsys.readouterr().out
    fake.end = pb.SourceSync(state=pb.SOURCE_SYNC_STATE_SUCCEEDED, failed=1, error="is damaged", held_deletions=7)
    assert run(["sources", "sync", "docs", "--collection", "handbook"]) == 1
    said = capsys.readouterr().err
    assert "is damaged" in said
    assert "7 documents have disappeared" in said
    assert run(["sources", "sync", "docs", "--collection", "handbook", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["last_sync"]["held_deletions"] == "7"
    assert run(["sources", "sync", "docs", "--collection", "handbook", "--no-wait"]) == 0
    assert run(["sources", "remove", "docs", "--collection", "handbook", "--keep-documents"]) == 0
    assert "docs is removed" in capsys.readouterr().out


def test_a_length_of_time_that_is_none(fake: FakeSources) -> None:
    words = ["sources", "add", "files", "docs", "--collection", "handbook", "--path", "/srv", "--every", "soon"]
    assert run(words) == 2
    assert fake.requests == []
