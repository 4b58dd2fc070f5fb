"""The service over a real gRPC channel: fields, pages, outcomes, errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
from retrieval_files import pdf, pptx

from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo.retrieval.v1.retrieval_service_pb2_grpc import RetrievalServiceStub
from olo_common.errors import OloError
from olo_common.grpc_client import call, channel
from olo_common.grpc_server import grpc_server
from olo_common.health import Health
from olo_retrieval.adapters.sql.portable import SqlPortable
from olo_retrieval.app import registrations
from olo_retrieval.migration_servicer import MigrationServicer
from olo_retrieval.portable.exporting import Exporter
from olo_retrieval.portable.importing import Importer, ImportLimits
from olo_retrieval.servicer import RetrievalServicer
from olo_retrieval.settings import RetrievalSettings
from olo_retrieval.transfer_servicer import TransferServicer

if TYPE_CHECKING:
    from conftest import House

TEXT = "# Ferries\n\nThe ferry leaves at six."


def transfers(house: House) -> TransferServicer:
    """The servicer of collections as files."""
    portable = SqlPortable(house.database)
    importer = Importer(
        collections=house.collections,
        store=portable,
        documents=house.documents,
        versions=house.versions,
        vectors=house.vectors,
        embedder=house.embedder,
        starter=house.starter,
        sparse="bm25",
        retrievers=["hybrid"],
        limits=ImportLimits(10_000_000, 200_000, 200_000),
    )
    return TransferServicer(Exporter(house.collections, portable, house.vectors, sparse="bm25"), importer)


@pytest.fixture
async def stub(house: House) -> AsyncIterator[Any]:
    servicer = RetrievalServicer(
        collections=house.collections,
        documents=house.documents,
        curation=house.curation,
        intake=house.intake,
        searcher=house.searcher,
        max_file_bytes=200_000,
        fetch_urls=False,
        max_document_bytes=100,
    )
    settings = RetrievalSettings(port=0, grace_seconds=0.0)
    served = registrations(servicer, MigrationServicer(house.control), transfers(house))
    async with grpc_server(settings, served, Health()) as address, channel(address) as opened:
        yield RetrievalServiceStub(opened)


async def ask(method: Any, request: Any) -> Any:
    return await call(method, request, peer="retrieval", timeout=5.0)


def document(document_id: str = "guide", content: str = TEXT) -> pb.DocumentInput:
    return pb.DocumentInput(document_id=document_id, source="guide.md", content=content, metadata={"a": "b"})


async def test_a_document_from_end_to_end(stub: Any, house: House) -> None:
    response = await ask(stub.IngestDocument, pb.IngestDocumentRequest(collection="demo", document=document()))
    assert response.document.state == pb.DOCUMENT_STATE_INDEXING
    assert response.document.title == "Ferries"
    assert response.document.workflow_id == "ingest/default/demo/guide/1"
    await house.ingest(TEXT)
    [passage] = (await ask(stub.Search, pb.SearchRequest(collection="demo", query="ferry"))).passages
    assert passage.text == TEXT[passage.start_offset : passage.end_offset] == "The ferry leaves at six."
    assert (passage.title, passage.source, passage.document_id) == ("Ferries", "guide.md", "guide")
    found = await ask(stub.GetDocument, pb.GetDocumentRequest(collection="demo", document_id="guide"))
    assert (found.document.state, found.document.chunk_count) == (pb.DOCUMENT_STATE_READY, 1)
    await ask(stub.DeleteDocument, pb.DeleteDocumentRequest(collection="demo", document_id="guide"))
    assert not (await ask(stub.Search, pb.SearchRequest(collection="demo", query="ferry"))).passages
    await ask(stub.DeleteCollection, pb.DeleteCollectionRequest(name="demo"))
    assert not (await ask(stub.ListCollections, pb.ListCollectionsRequest())).collections


async def test_a_file_from_end_to_end(stub: Any, house: House) -> None:
    chunking = pb.Chunking(strategy=pb.CHUNK_STRATEGY_PARENT_CHILD, max_tokens=16)
    made = await ask(stub.CreateCollection, pb.CreateCollectionRequest(name="files", chunking=chunking))
    assert made.collection.chunking == chunking
    slides = pptx([("Trains", "The train leaves at nine."), ("Ferries", "The ferry leaves at six.")])
    file = pb.DocumentInput(source="times.pptx", data=slides)
    ingest = pb.IngestDocumentRequest(collection="files", document=file)
    document = (await ask(stub.IngestDocument, ingest)).document
    assert document.progress == pb.IngestProgress(step=pb.INGEST_STEP_PARSE, percent=0)
    ref = house.starter.started[-1]
    await house.indexer.index(ref, lambda _: None)
    get = pb.GetDocumentRequest(collection="files", document_id=document.document_id)
    document = (await ask(stub.GetDocument, get)).document
    assert (document.progress.step, document.title, document.page_count) == (pb.INGEST_STEP_SWAP, "Ferries", 2)
    await house.indexer.swap(ref)
    document = (await ask(stub.GetDocument, get)).document
    assert document.progress == pb.IngestProgress(step=pb.INGEST_STEP_DONE, percent=100)
    [passage, _] = (
        await ask(stub.Search, pb.SearchRequest(collection="files", query="when leaves the ferry"))
    ).passages
    assert (passage.text, passage.page, passage.heading_path) == ("The ferry leaves at six.", 1, ["Ferries"])
    assert passage.parent_text == passage.text
    again = (await ask(stub.IngestDocument, ingest)).document
    assert (again.version, again.state) == (1, pb.DOCUMENT_STATE_READY)


async def test_a_collection_has_a_retriever_of_its_own(stub: Any, house: House) -> None:
    await house.ingest(TEXT)
    search, get = pb.SearchRequest(collection="demo", query="ferry"), pb.GetCollectionRequest(name="demo")
    assert (await ask(stub.Search, search)).retriever == "hybrid"
    for retriever, taken in (("sparse", "sparse"), ("", "hybrid"), ("dense", "dense")):
        update = pb.UpdateCollectionRequest(name="demo", retriever=retriever)
        assert (await ask(stub.UpdateCollection, update)).collection.retriever == retriever
        assert (await ask(stub.Search, search)).retriever == taken
    unchanged = await ask(stub.UpdateCollection, pb.UpdateCollectionRequest(name="demo"))
    assert unchanged.collection == (await ask(stub.GetCollection, get)).collection
    named = pb.SearchRequest(collection="demo", query="ferry", retriever="sparse")
    assert (await ask(stub.Search, named)).retriever == "sparse"


async def test_a_file_that_cannot_be_read_says_why(stub: Any, house: House) -> None:
    for document_id, data in (("bad", b"%PDF-1.4 broken"), ("good", pdf(["The ferry leaves at six."]))):
        document = pb.DocumentInput(document_id=document_id, source="times.pdf", data=data)
        await ask(stub.IngestDocument, pb.IngestDocumentRequest(collection="demo", document=document))
    for ref in list(house.starter.started):
        try:
            await house.indexer.index(ref, lambda _: None)
            await house.indexer.swap(ref)
        except OloError as error:
            assert not error.retryable
            await house.indexer.fail(ref)
    found = (await ask(stub.ListDocuments, pb.ListDocumentsRequest(collection="demo"))).documents
    assert [(d.document_id, d.state, d.error_reason, d.progress.step) for d in found] == [
        ("bad", pb.DOCUMENT_STATE_FAILED, "document_malformed", pb.INGEST_STEP_PARSE),
        ("good", pb.DOCUMENT_STATE_READY, "", pb.INGEST_STEP_DONE),
    ]
    assert await house.find("ferry") == ["The ferry leaves at six."]


async def test_pages(stub: Any) -> None:
    documents = [document(f"d{n}") for n in range(5)]
    await ask(stub.IngestDocuments, pb.IngestDocumentsRequest(collection="demo", documents=documents))
    seen, token = [], ""
    while True:
        request = pb.ListDocumentsRequest(collection="demo", page_size=2, page_token=token)
        page = await ask(stub.ListDocuments, request)
        assert len(page.documents) <= 2
        seen += [item.document_id for item in page.documents]
        if not (token := page.next_page_token):
            break
    assert seen == ["d0", "d1", "d2", "d3", "d4"]


async def test_one_bad_document_does_not_stop_the_others(stub: Any) -> None:
    documents = [document("a"), document("b", " "), document("c", "x" * 101), document("d")]
    response = await ask(stub.IngestDocuments, pb.IngestDocumentsRequest(collection="demo", documents=documents))
    assert [result.WhichOneof("outcome") for result in response.results] == ["document", "error", "error", "document"]
    assert [result.error.reason for result in response.results[1:3]] == ["document_empty", "document_too_large"]
    assert [response.results[0].document.document_id, response.results[1].error.document_id] == ["a", "b"]


def file_request(source: str, data: bytes, **more: str) -> pb.IngestDocumentRequest:
    return pb.IngestDocumentRequest(collection="demo", document=pb.DocumentInput(source=source, data=data, **more))


def url_request(url: str, **more: str) -> pb.IngestDocumentRequest:
    return pb.IngestDocumentRequest(collection="demo", document=pb.DocumentInput(url=url, **more))


def chunked(**values: int) -> pb.CreateCollectionRequest:
    return pb.CreateCollectionRequest(name="new", chunking=pb.Chunking(**values))


@pytest.mark.parametrize(
    ("method", "request_message", "reason", "field"),
    [
        ("CreateCollection", pb.CreateCollectionRequest(name="demo"), "collection_exists", "name"),
        (
            "UpdateCollection",
            pb.UpdateCollectionRequest(name="no", retriever="dense"),
            "collection_not_found",
            "collection",
        ),
        ("UpdateCollection", pb.UpdateCollectionRequest(name="demo", retriever="none"), "field_invalid", "retriever"),
        ("CreateCollection", pb.CreateCollectionRequest(name="De mo"), "field_invalid", "name"),
        ("CreateCollection", pb.CreateCollectionRequest(name="x", tenant="../y"), "field_invalid", "tenant"),
        ("GetCollection", pb.GetCollectionRequest(name="no"), "collection_not_found", "collection"),
        ("Search", pb.SearchRequest(collection="no", query="x"), "collection_not_found", "collection"),
        ("Search", pb.SearchRequest(collection="demo", query=" "), "field_invalid", "query"),
        ("Search", pb.SearchRequest(collection="demo", query="x" * 8193), "field_invalid", "query"),
        ("Search", pb.SearchRequest(collection="demo", query="x", top_k=51), "field_invalid", "top_k"),
        ("Search", pb.SearchRequest(query="x"), "field_invalid", "collection"),
        (
            "GetDocument",
            pb.GetDocumentRequest(collection="demo", document_id="no"),
            "document_not_found",
            "document_id",
        ),
        ("ListDocuments", pb.ListDocumentsRequest(collection="demo", page_token="?"), "field_invalid", "page_token"),
        ("ListDocuments", pb.ListDocumentsRequest(collection="demo", page_size=1001), "field_invalid", "page_size"),
        (
            "IngestDocument",
            pb.IngestDocumentRequest(collection="demo", document=document("..")),
            "field_invalid",
            "document.document_id",
        ),
        (
            "IngestDocument",
            pb.IngestDocumentRequest(collection="demo", document=document(content="")),
            "document_empty",
            "document.content",
        ),
        ("IngestDocuments", pb.IngestDocumentsRequest(collection="demo"), "field_invalid", "documents"),
        ("IngestDocument", file_request("a.pdf", b"text"), "document_type", "document.data"),
        ("IngestDocument", file_request("a.exe", b"MZ"), "document_type", "document.data"),
        ("IngestDocument", file_request("a.pdf", b" "), "document_empty", "document.data"),
        ("IngestDocument", file_request("a.pdf", b"x" * 200_001), "document_too_large", "document.data"),
        ("IngestDocument", file_request("a.txt", b"x", content="y"), "field_invalid", "document.content"),
        ("IngestDocument", url_request("https://example.org/"), "url_forbidden", "document.url"),
        ("IngestDocument", url_request("https://example.org/", content="x"), "field_invalid", "document.url"),
        ("CreateCollection", chunked(strategy=9), "field_invalid", "chunking.strategy"),
        ("CreateCollection", chunked(max_tokens=15), "field_invalid", "chunking.max_tokens"),
        ("CreateCollection", chunked(max_tokens=40, overlap_tokens=21), "field_invalid", "chunking.overlap_tokens"),
    ],
)
async def test_bad_requests(stub: Any, method: str, request_message: Any, reason: str, field: str) -> None:
    with pytest.raises(OloError) as caught:
        await ask(getattr(stub, method), request_message)
    assert (caught.value.reason, caught.value.field) == (reason, field)
