"""What the service adds to a search of Qdrant's engine, and how many of the true neighbours it finds.

Subject: `Search` over gRPC to a retrieval service in this process, with its SQL store, its retriever `hybrid` and the
engine on disk. Peer: the same engine and the same data, asked directly for one fused query with the same filter and the
same number of passages. Embedding is left out of both: vectors are made up, in clusters as texts are, with terms that
are as unevenly spread as words. Beside them stands the dense recall@10 against brute force.

`make bench ARGS=rag_search` takes 1,000 and 20,000 passages; `OLO_BENCH_RAG_CHUNKS=100000` names other sizes.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as edge
import uvloop
from sqlalchemy import insert
from tests.bench.harness import write_csv
from tests.bench.rag_parts import MODEL

from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo.retrieval.v1.retrieval_service_pb2_grpc import RetrievalServiceStub
from olo_common.grpc_client import call, channel
from olo_common.grpc_server import grpc_server
from olo_common.health import Health
from olo_retrieval.adapters.sql.collections import SqlCollections
from olo_retrieval.adapters.sql.documents import SqlDocuments
from olo_retrieval.adapters.sql.store import document_store
from olo_retrieval.adapters.sql.tables import DOCUMENTS
from olo_retrieval.adapters.sql.versions import SqlVersions
from olo_retrieval.adapters.vectors.edge import EdgeStore, open_edge
from olo_retrieval.adapters.vectors.edge_filter import edge_filter
from olo_retrieval.adapters.vectors.points import DENSE, SPARSE, IndexOptions, space_of
from olo_retrieval.adapters.vectors.scope import condition_of
from olo_retrieval.app import registrations
from olo_retrieval.migration_servicer import MigrationServicer
from olo_retrieval.searching.retrievers import HYBRID, own_retrievers
from olo_retrieval.searching.searcher import Searcher
from olo_retrieval.servicer import RetrievalServicer
from olo_retrieval.settings import RetrievalSettings
from olo_retrieval.transfer_servicer import TransferServicer
from olo_retrieval.types import EmbeddingModel, InputSide, Piece, Point, Selection, SparseVector

TOP_K = 10
LIMIT = 2 * TOP_K + 8
"""What the service asks the store for."""
QUERIES = 200
ROUNDS = 4
PER_DOCUMENT = 10
WORDS = 20_000


class Data:
    """Vectors in clusters, and terms by Zipf's law."""

    def __init__(self, count: int) -> None:
        self._chance = np.random.default_rng(11)
        self._centres = self._chance.standard_normal((max(16, count // 100), MODEL.dimension)).astype(np.float32)
        self.dense = self._clustered(count)
        self.sparse = [self._terms(60) for _ in range(count)]
        self.probes = self._clustered(QUERIES)
        self.sparse_probes = [self._terms(6) for _ in range(QUERIES)]

    def _clustered(self, count: int) -> Any:
        centres = self._centres[self._chance.integers(len(self._centres), size=count)]
        rows = centres + 0.6 * self._chance.standard_normal(centres.shape).astype(np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def _terms(self, count: int) -> SparseVector:
        terms = np.unique(np.minimum(self._chance.zipf(1.3, count), WORDS))
        return SparseVector(terms.tolist(), [1.0] * len(terms))


class Known:
    """An Embedder that has embedded query number n already."""

    def __init__(self, data: Data) -> None:
        self._dense = data.probes.tolist()
        self._sparse = data.sparse_probes

    async def choose(self, model_id: str) -> EmbeddingModel:
        return MODEL

    async def embed(self, model: EmbeddingModel, texts: Sequence[str], side: InputSide) -> list[list[float]]:
        return [self._dense[int(text)] for text in texts]

    async def embed_sparse(self, model: EmbeddingModel, texts: Sequence[str], side: InputSide) -> list[SparseVector]:
        return [self._sparse[int(text)] for text in texts]

    async def rerank(self, model: EmbeddingModel, query: str, texts: Sequence[str]) -> list[float]:
        raise NotImplementedError


def main() -> None:
    sizes = [int(size) for size in os.environ.get("OLO_BENCH_RAG_CHUNKS", "1000,20000").split(",")]
    rows: list[list[object]] = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as scratch:
            # On the event loop of the services.
            rows.append(uvloop.run(measured(size, Path(scratch))))
    header = ["chunks", "p50_s", "p99_s", "engine_p50_s", "engine_p99_s", "added_p50_s", "added_p99_s", "recall@10"]
    write_csv("rag_search", [*header, "upserts_per_s", "optimize_s"], rows)


async def measured(count: int, scratch: Path) -> list[object]:
    data = Data(count)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(document_store(f"sqlite:///{scratch}/documents.db"))
        store = await stack.enter_async_context(open_edge(scratch / "vectors", IndexOptions()))
        collections, versions = SqlCollections(database), SqlVersions(database)
        collection = await collections.create("default", "bench", MODEL)
        scope = Selection(collection.tenant, collection.uid)
        async with database.write() as connection:
            documents = [f"d{number}" for number in range(-(-count // PER_DOCUMENT))]
            row = {"collection_uid": collection.uid, "version": 1, "served_version": 1, "state": "ready", "error": ""}
            row |= {"deleted": False, "created_ms": 0, "updated_ms": 0}
            await connection.execute(insert(DOCUMENTS), [{**row, "document_id": name} for name in documents])
        upserts, optimizing = await fill(store, data, scope)
        searcher = Searcher(
            collections, versions, store, Known(data), lambda _: True, retrievers=own_retrievers(), default=HYBRID
        )
        unused: Any = None
        servicer = RetrievalServicer(
            collections=collections, documents=SqlDocuments(database), curation=unused, intake=unused,
            searcher=searcher, max_document_bytes=1, max_file_bytes=1, fetch_urls=False,
        )  # fmt: skip
        settings = RetrievalSettings(port=0, grace_seconds=0.0)
        served = registrations(servicer, MigrationServicer(unused), TransferServicer(unused, unused))
        address = await stack.enter_async_context(grpc_server(settings, served, Health()))
        stub = RetrievalServiceStub(await stack.enter_async_context(channel(address)))
        shard = store._shards[space_of(MODEL, IndexOptions())]

        async def subject(number: int) -> None:
            request = pb.SearchRequest(collection="bench", query=str(number), top_k=TOP_K)
            found = await call(stub.Search, request, peer="retrieval", timeout=10.0)
            assert len(found.passages) == TOP_K

        async def peer(number: int) -> None:
            assert len(shard.query(fused(data, scope, number))) == TOP_K

        subjects, peers = await alternated(subject, peer)
        recall = await recall_at_10(store, data, scope)
    figures = [at(subjects, 50), at(subjects, 99), at(peers, 50), at(peers, 99)]
    added = [figures[0] - figures[2], figures[1] - figures[3]]
    print(
        f"{count} passages: p50 {figures[0] * 1000:.2f} ms, engine {figures[2] * 1000:.2f} ms, added "
        f"{added[0] * 1000:.2f} ms; p99 "
        f"{figures[1] * 1000:.2f} ms, engine {figures[3] * 1000:.2f} ms; recall@10 {recall:.3f}; "
        f"{upserts:.0f} upserts/s, graph {optimizing:.1f} s"
    )
    return [count, *(round(figure, 6) for figure in (*figures, *added)), round(recall, 4), round(upserts), optimizing]


async def fill(store: EdgeStore, data: Data, scope: Selection) -> tuple[float, float]:
    """Upserts a second, and the seconds that the graph takes once all is written."""
    text, began = "word " * 80, time.perf_counter()
    for start in range(0, len(data.sparse), 256):
        numbers = range(start, min(start + 256, len(data.sparse)))
        pieces = [
            Piece(f"d{n // PER_DOCUMENT}", 1, n % PER_DOCUMENT, 0, len(text), "Title", "source.md", text)
            for n in numbers
        ]
        dense = data.dense[start : numbers[-1] + 1].tolist()
        await store.upsert(MODEL, scope, list(map(Point, pieces, dense, data.sparse[start : numbers[-1] + 1])))
    written = time.perf_counter()
    await store.settled()
    await asyncio.to_thread(store._shards[space_of(MODEL, IndexOptions())].optimize)
    return len(data.sparse) / (written - began), round(time.perf_counter() - written, 2)


def fused(data: Data, scope: Selection, number: int) -> edge.QueryRequest:
    """The hybrid search as one request to the engine."""
    meant = edge_filter(condition_of(scope))
    probe = data.sparse_probes[number]
    sparse = edge.Query.Nearest(edge.SparseVector(list(probe.indices), list(probe.values)), using=SPARSE)
    dense = edge.Query.Nearest(data.probes[number].tolist(), using=DENSE)
    return edge.QueryRequest(
        TOP_K,
        query=edge.Fusion.Rrf(60),
        prefetches=[
            edge.Prefetch(LIMIT, query=dense, filter=meant, params=edge.SearchParams(hnsw_ef=IndexOptions().ef)),
            edge.Prefetch(LIMIT, query=sparse, filter=meant, params=edge.SearchParams(idf=edge.IdfParams(meant))),
        ],
        with_payload=True,
    )


async def alternated(
    subject: Callable[[int], Awaitable[None]], peer: Callable[[int], Awaitable[None]]
) -> tuple[list[float], list[float]]:
    subjects: list[float] = []
    peers: list[float] = []
    for round_number in range(ROUNDS + 1):
        for operation, times in ((subject, subjects), (peer, peers)):
            for number in range(QUERIES):
                began = time.perf_counter()
                await operation(number)
                if round_number:
                    times.append(time.perf_counter() - began)
    return subjects, peers


def at(times: Sequence[float], percent: int) -> float:
    return statistics.quantiles(times, n=100)[percent - 1]


async def recall_at_10(store: EdgeStore, data: Data, scope: Selection) -> float:
    """Share of the ten nearest, by brute force, that the store finds."""
    found = 0
    for probe in data.probes:
        hits = await store.search(MODEL, scope, probe.tolist(), 10)
        numbers = {int(hit.piece.document_id[1:]) * PER_DOCUMENT + hit.piece.index for hit in hits}
        found += len(numbers & set(np.argsort(-(data.dense @ probe))[:10].tolist()))
    return found / (10 * QUERIES)
