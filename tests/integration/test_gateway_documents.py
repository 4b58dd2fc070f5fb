"""Vector stores and documents over HTTP, with the real retrieval service behind them, asked for by the OpenAI SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from tests.integration.retrieval_models import served_models

from olo_client import AsyncOlo, InvalidRequestError
from olo_client.cli.program import run
from olo_common.lifecycle import Lifetime
from olo_common.settings import NatsSettings, TemporalSettings
from olo_gateway.app import running as gateway_running
from olo_gateway.settings import GatewaySettings
from olo_retrieval.app import running as retrieval_running
from olo_retrieval.settings import RetrievalSettings
from olo_testing.ports import free_port
from olo_testing.waiting import until

pytestmark = pytest.mark.integration

FERRY = b"# Ferries\n\nThe ferry to Lindwall leaves at six in the morning."
BEES = b"# Bees\n\nA hive of bees makes forty kilograms of honey in a good year."


@pytest.fixture(scope="module")
async def edge(
    nats_url: str, temporal_address: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[str, str]]:
    """The addresses of a gateway: gRPC, and HTTP."""
    directory: Path = tmp_path_factory.mktemp("documents")
    async with AsyncExitStack() as stack:
        models = await stack.enter_async_context(served_models())
        temporal = TemporalSettings(address=temporal_address)
        documents = RetrievalSettings(
            port=0,
            grace_seconds=0.0,
            database_url=f"sqlite:///{directory}/retrieval.db",
            router_target=models.address,
            upkeep_seconds=0.2,
            temporal=temporal,
        )
        settings = GatewaySettings(
            port=0,
            http_port=free_port(),
            grace_seconds=0.0,
            retrieval_target=await stack.enter_async_context(retrieval_running(documents, Lifetime())),
            nats=NatsSettings(url=nats_url),
            temporal=temporal,
            files=str(directory / "files"),
            role="edge",
        )
        address = await stack.enter_async_context(gateway_running(settings, Lifetime()))
        yield address, f"http://127.0.0.1:{settings.http_port}/v1"


@pytest.fixture
def base(edge: tuple[str, str]) -> str:
    return edge[1]


@pytest.fixture
async def client(base: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=base, api_key="any", max_retries=3) as opened:
        yield opened


@pytest.fixture
async def http(base: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=base, timeout=30) as opened:
        yield opened


async def uploaded(client: openai.AsyncOpenAI, name: str, content: bytes) -> str:
    return (await client.files.create(file=(name, content), purpose="assistants")).id


async def settled(look: Callable[[], Awaitable[Any]]) -> Any:
    found: list[Any] = []

    async def done() -> bool:
        found[:] = [await look()]
        return bool(found[0].status != "in_progress")

    await until(done, 60)
    return found[0]


async def test_a_vector_store_takes_files_and_finds_passages(client: openai.AsyncOpenAI) -> None:
    ferry = await uploaded(client, "ferry.md", FERRY)
    made = await client.vector_stores.create(
        name="Saltmere",
        file_ids=[ferry],
        metadata={"town": "Saltmere"},
        chunking_strategy={"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 20}},
    )
    assert (made.name, made.metadata, made.file_counts.total) == ("Saltmere", {"town": "Saltmere"}, 1)
    bees = await uploaded(client, "bees.md", BEES)
    attributes: dict[str, str | float | bool] = {"year": 2024, "wet": False, "kind": "insects"}
    attached = await client.vector_stores.files.create(made.id, file_id=bees, attributes=attributes)
    assert (attached.id, attached.object, attached.vector_store_id) == (bees, "vector_store.file", made.id)
    for file_id in (ferry, bees):
        file = await settled(lambda f=file_id: client.vector_stores.files.retrieve(f, vector_store_id=made.id))
        assert (file.status, file.last_error) == ("completed", None)
    store = await client.vector_stores.retrieve(made.id)
    assert (store.status, store.file_counts.completed, store.usage_bytes) == ("completed", 2, len(FERRY) + len(BEES))

    page = await client.vector_stores.search(made.id, query="When does the ferry to Lindwall leave?", max_num_results=1)
    [hit] = page.data
    assert (hit.file_id, hit.filename) == (ferry, "ferry.md")
    assert "six in the morning" in hit.content[0].text
    narrowed = await client.vector_stores.search(
        made.id,
        query=["ferry", "honey of bees"],
        filters={
            "type": "and",
            "filters": [
                {"type": "gte", "key": "year", "value": 2024},
                {"type": "ne", "key": "kind", "value": "boats"},
                {"type": "eq", "key": "wet", "value": False},
            ],
        },
    )
    assert [found.file_id for found in narrowed.data] == [bees]
    assert narrowed.data[0].attributes == attributes

    listed = [each.id async for each in client.vector_stores.files.list(made.id, limit=1)]
    assert listed == [bees, ferry]
    assert [each.id async for each in client.vector_stores.files.list(made.id, order="asc")] == [ferry, bees]
    assert [each.id async for each in client.vector_stores.files.list(made.id, filter="failed")] == []
    renamed = await client.vector_stores.update(made.id, name="Harbour", metadata={})
    assert (renamed.name, renamed.metadata) == ("Harbour", {})
    assert (await client.vector_stores.files.delete(bees, vector_store_id=made.id)).deleted
    with pytest.raises(openai.NotFoundError) as missing:
        await client.vector_stores.files.retrieve(bees, vector_store_id=made.id)
    assert missing.value.code == "file_not_found"
    assert (await client.files.retrieve(bees)).filename == "bees.md"
    other = await client.vector_stores.create(name="other")
    names = [each.name async for each in client.vector_stores.list(limit=1)]
    assert names[:2] == ["other", "Harbour"]
    assert (await client.vector_stores.delete(other.id)).deleted
    for call in (client.vector_stores.retrieve(other.id), client.vector_stores.search("vs_No", query="x")):
        with pytest.raises(openai.NotFoundError) as gone:
            await call
        assert gone.value.code == "vector_store_not_found"


async def test_a_file_batch_counts_what_was_refused(client: openai.AsyncOpenAI) -> None:
    store = await client.vector_stores.create(name="batch")
    good = await uploaded(client, "good.md", FERRY)
    unread = await uploaded(client, "unread.bin", b"\x00\x01\x02")
    broken = await uploaded(client, "broken.pdf", b"%PDF-1.7\nnothing more")
    begun = await client.vector_stores.file_batches.create(store.id, file_ids=[good, unread, broken, "file-0"])
    batch = await settled(lambda: client.vector_stores.file_batches.retrieve(begun.id, vector_store_id=store.id))
    assert (batch.status, batch.file_counts.total, batch.file_counts.completed) == ("completed", 4, 1)
    assert batch.file_counts.failed == 3
    failed = [each async for each in client.vector_stores.file_batches.list_files(begun.id, vector_store_id=store.id)]
    [error] = [each.last_error for each in failed if each.status == "failed" and each.last_error is not None]
    assert error.code == "invalid_file"
    with pytest.raises(openai.BadRequestError) as refused:
        await client.vector_stores.files.create(store.id, file_id=unread)
    assert refused.value.code == "document_type"


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("", {"expires_after": {"anchor": "last_active_at", "days": 1}}, "expires_after"),
        ("", {"description": "x"}, "description"),
        ("", {"chunking_strategy": {"type": "static"}}, "chunking_strategy.static"),
        (
            "",
            {
                "chunking_strategy": {
                    "type": "static",
                    "static": {"max_chunk_size_tokens": 4096, "chunk_overlap_tokens": 0},
                }
            },
            "chunking_strategy.static.max_chunk_size_tokens",
        ),
        ("", {"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ("", {"file_ids": ["file-0"]}, "file_ids"),
        ("/vs_demo/search", {"query": "x", "rewrite_query": True}, "rewrite_query"),
        ("/vs_demo/search", {"query": []}, "query"),
        ("/vs_demo/search", {"query": "x", "max_num_results": 51}, "max_num_results"),
        ("/vs_demo/search", {"query": "x", "filters": {"type": "like", "key": "a"}}, "filters.type"),
        ("/vs_demo/search", {"query": "x", "filters": {"type": "or", "filters": [{}]}}, "filters.filters[0].type"),
        ("/vs_demo/search", {"query": "x", "filters": {"type": "gt", "key": "a", "value": "b"}}, "filters.value"),
        ("/vs_demo/file_batches", {}, "file_ids"),
    ],
)
async def test_what_is_refused_is_named(http: httpx.AsyncClient, path: str, body: dict[str, Any], param: str) -> None:
    answer = await http.post(f"/vector_stores{path}", json=body)
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]["param"] == param


async def test_documents_in_our_own_words(http: httpx.AsyncClient, client: openai.AsyncOpenAI) -> None:
    made = await http.post("/rag/collections", json={"name": "notes", "strategy": "parent_child", "max_tokens": 64})
    assert (made.status_code, made.json()["strategy"]) == (200, "parent_child")
    assert (await http.post("/rag/collections", json={"name": "notes"})).status_code == 409
    file_id = await uploaded(client, "bees.md", BEES)
    asked = {
        "collection": "notes",
        "documents": [
            {"document_id": "ferry", "content": FERRY.decode(), "metadata": {"town": "Lindwall"}},
            {"file_id": file_id},
            {"content": ""},
        ],
    }
    results = (await http.post("/rag/ingest", json=asked)).json()["results"]
    assert [result["document"] and result["document"]["document_id"] for result in results] == ["ferry", file_id, None]
    assert results[2]["error"]["code"] == "document_empty"

    async def ready() -> bool:
        found = (await http.get("/rag/documents", params={"collection": "notes"})).json()["data"]
        return {each["state"] for each in found} == {"ready"}

    await until(ready, 60)
    query = {"collection": "notes", "query": "the ferry to Lindwall", "top_k": 2, "retriever": "dense"}
    [first, *_] = (await http.post("/rag/search", json=query)).json()["passages"]
    assert (first["document_id"], first["heading_path"]) == ("ferry", ["Ferries"])
    query["filter"] = {"type": "eq", "key": "town", "value": "elsewhere"}
    assert (await http.post("/rag/search", json=query)).json() == {"passages": []}
    page = (await http.get("/rag/documents", params={"collection": "notes", "page_size": 1})).json()
    assert page["next_page_token"]
    one = await http.get("/rag/documents/ferry", params={"collection": "notes"})
    assert (one.json()["title"], one.json()["percent"]) == ("Ferries", 100.0)
    assert (await http.get("/vector_stores/vs_notes")).json()["name"] == "notes"
    assert (await http.delete("/rag/documents/ferry", params={"collection": "notes"})).json() == {"deleted": True}
    missing = await http.get("/rag/documents/ferry", params={"collection": "notes"})
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "document_not_found")
    both = {"collection": "notes", "documents": [{"content": "x", "file_id": file_id}]}
    wrong = await http.post("/rag/ingest", json=both)
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "documents[0]")
    assert [each["name"] for each in (await http.get("/rag/collections")).json()["data"]].count("notes") == 1
    assert (await http.delete("/rag/collections/notes")).json() == {"deleted": True}
    assert (await http.get("/rag/collections/notes")).status_code == 404


async def ingested(http: httpx.AsyncClient, collection: str) -> None:
    """A collection of two documents that searches see."""
    assert (await http.post("/rag/collections", json={"name": collection})).status_code == 200
    documents = [{"document_id": name, "content": text.decode()} for name, text in (("ferry", FERRY), ("bees", BEES))]
    await http.post("/rag/ingest", json={"collection": collection, "documents": documents})
    await until(lambda: ready(http, collection), 60)


async def ready(http: httpx.AsyncClient, collection: str) -> bool:
    found = (await http.get("/rag/documents", params={"collection": collection})).json()["data"]
    return [document["state"] for document in found] == ["ready", "ready"]


async def passages(http: httpx.AsyncClient, collection: str) -> list[dict[str, Any]]:
    search = {"collection": collection, "query": "when does the ferry leave"}
    found: list[dict[str, Any]] = (await http.post("/rag/search", json=search)).json()["passages"]
    return [{**passage, "chunk_id": ""} for passage in found]


async def test_a_collection_goes_out_and_in_over_http(http: httpx.AsyncClient) -> None:
    await ingested(http, "town")
    answer = await http.get("/rag/export", params={"collection": "town"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-tar")
    file = answer.content
    smaller = (await http.get("/rag/export", params={"collection": "town", "vectors": False})).content
    assert len(smaller) < len(file)
    taken = await http.post("/rag/import", params={"collection": "town-copy"}, content=file)
    assert taken.json()["collection"]["documents"] == 2
    assert taken.json()["documents_to_index"] == 0
    assert await passages(http, "town-copy") == await passages(http, "town") != []
    taken = await http.post("/rag/import", params={"collection": "town-anew"}, content=smaller)
    assert taken.json()["documents_to_index"] == 2
    await until(lambda: ready(http, "town-anew"), 60)
    assert await passages(http, "town-anew") == await passages(http, "town")


async def test_what_is_wrong_with_a_transfer_is_said(http: httpx.AsyncClient) -> None:
    await ingested(http, "village")
    file = (await http.get("/rag/export", params={"collection": "village"})).content
    missing = await http.get("/rag/export", params={"collection": "nowhere"})
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "collection_not_found")
    for content, params, status, code in (
        (file[:5000], {"collection": "broken"}, 400, "import_truncated"),
        (b"", {"collection": "broken"}, 400, "import_truncated"),
        (b"x" * 3_000_000, {"collection": "broken"}, 400, "import_malformed"),
        (file, {}, 409, "collection_exists"),
        (file, {"collection": "Not A Name"}, 400, "field_invalid"),
    ):
        refused = await http.post("/rag/import", params=params, content=content)
        assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    assert (await http.get("/rag/collections/broken")).status_code == 404


async def test_a_collection_goes_out_and_in_by_the_sdk_and_the_command(
    edge: tuple[str, str], http: httpx.AsyncClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await ingested(http, "harbour")
    async with AsyncOlo(edge[0]) as olo:
        file = b"".join([piece async for piece in olo.collections.export("harbour")])
        taken = await olo.collections.import_file(file, name="harbour-sdk")
        assert (taken.collection.document_count, taken.documents_to_index) == (2, 0)
        with pytest.raises(InvalidRequestError, match="ends before its seal"):
            await olo.collections.import_file(file[:-1024], name="harbour-broken")
    path, target = tmp_path / "harbour.tar", ["--target", edge[0]]
    assert await asyncio.to_thread(run, ["collections", "export", "harbour", "-o", str(path), "--json", *target]) == 0
    assert path.stat().st_size == json.loads(capsys.readouterr().out)["size_bytes"]
    order = ["collections", "import", str(path), "--name", "harbour-cli", "--json", *target]
    assert await asyncio.to_thread(run, order) == 0
    assert json.loads(capsys.readouterr().out)["collection"]["document_count"] == "2"
    assert await asyncio.to_thread(run, ["collections", "export", "gone", "-o", f"{path}.2", *target]) == 1
    assert [found.name for found in tmp_path.iterdir()] == ["harbour.tar"]
    assert await passages(http, "harbour-cli") == await passages(http, "harbour-sdk") == await passages(http, "harbour")
