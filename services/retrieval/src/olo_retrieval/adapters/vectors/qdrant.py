"""Points in Qdrant: in memory, or on a server over gRPC.

The blocking client runs on threads. In memory there is exactly one: calls then cannot disturb each other in what is
plain Python and numpy, and a large search does not stop the event loop.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import grpc
import httpx

from olo_retrieval.adapters.vectors.points import (
    DENSE,
    SPARSE,
    IndexOptions,
    by_number,
    dense_of,
    fused_hits,
    payload_of,
    piece_of,
    point_id,
    point_of,
    space_of,
)
from olo_retrieval.adapters.vectors.qdrant_filter import qdrant_filter
from olo_retrieval.adapters.vectors.qdrant_library import ApiException, QdrantClient, models
from olo_retrieval.adapters.vectors.scope import condition_of, corpus_of
from olo_retrieval.adapters.vectors.slots import Slots
from olo_retrieval.adapters.vectors.threads import StoreThreads
from olo_retrieval.types import EmbeddingModel, Hit, HybridProbe, Point, Selection, SparseVector, Vector

_SERVER_THREADS: Final = 8
_TIMEOUT_SECONDS: Final = 10
_UPSERT_BATCH: Final = 256
_GRPC_PORT: Final = 6334
_FAILURES: Final = (ApiException, httpx.HTTPError, grpc.RpcError, OSError)


class QdrantStore:
    """A VectorStore. Each embedding model has a Qdrant collection, made when it is first written to."""

    def __init__(self, client: QdrantClient, threads: StoreThreads, options: IndexOptions, *, local: bool) -> None:
        self._client = client
        self._threads = threads
        self._options = options
        self._local = local
        self._spaces: set[str] = set()
        self._slots: defaultdict[str, Slots] = defaultdict(Slots)

    async def upsert(self, model: EmbeddingModel, scope: Selection, points: Sequence[Point]) -> None:
        """Writes points into the tenant and collection of the scope."""
        await self._threads.run(lambda: self._upsert(model, [_record(scope, point) for point in points]))

    async def search(
        self,
        model: EmbeddingModel,
        selection: Selection,
        probe: Vector | SparseVector,
        limit: int,
        *,
        with_vectors: bool = False,
    ) -> list[Hit]:
        """The points of the selection that are nearest to the probe, best first."""
        asked = [self._request(selection, probe, limit, with_vectors)]
        return (await self._threads.run(lambda: self._search(model, asked)))[0]

    async def search_hybrid(self, model: EmbeddingModel, selection: Selection, probe: HybridProbe) -> list[Hit]:
        """Both searches in one call, fused by ranks."""

        def search() -> list[Hit]:
            asked = [self._request(selection, probe.dense, probe.limit, probe.with_vectors)]
            if probe.sparse.indices:
                asked.append(self._request(selection, probe.sparse, probe.limit, True))
            near, *sharing = self._search(model, asked)
            return fused_hits(near, sharing[0] if sharing else [], probe)

        return await self._threads.run(search)

    async def count(self, model: EmbeddingModel, selection: Selection) -> int:
        """The number of points in the selection."""

        def count() -> int:
            if (space := self._existing(model)) is None:
                return 0
            meant = qdrant_filter(condition_of(selection))
            return int(self._client.count(space, count_filter=meant, exact=True).count)

        return await self._threads.run(count)

    async def read(self, model: EmbeddingModel, selection: Selection) -> list[Point]:
        """The points of the selection with both of their vectors, by number."""

        def read() -> list[Point]:
            if (space := self._existing(model)) is None:
                return []
            meant = qdrant_filter(condition_of(selection))
            limit = max(1, self._client.count(space, count_filter=meant, exact=True).count)
            found, _ = self._client.scroll(space, meant, limit=limit, with_payload=True, with_vectors=True)
            return by_number(point_of(record.payload or {}, record.vector) for record in found)

        return await self._threads.run(read)

    async def delete(self, model: EmbeddingModel, selection: Selection) -> None:
        """Deletes the points of the selection."""

        def delete() -> None:
            if (space := self._existing(model)) is None:
                return
            meant = qdrant_filter(condition_of(selection))
            if self._local:
                self._delete_and_free(space, meant)
            else:
                self._client.delete(space, models.FilterSelector(filter=meant), wait=True)

        await self._threads.run(delete)

    async def is_empty(self, model: EmbeddingModel) -> bool:
        """Whether the model's space holds no point at all."""

        def empty() -> bool:
            # Asked anew each time: a server may have been replaced by an empty one.
            self._spaces.clear()
            space = self._existing(model)
            return space is None or not self._client.get_collection(space).points_count

        return await self._threads.run(empty)

    def _upsert(self, model: EmbeddingModel, records: list[models.PointStruct]) -> None:
        space = self._existing(model) or self._create(model)
        if self._local:
            for record in records:
                record.id = self._slots[space].number(str(record.id))
        for start in range(0, len(records), _UPSERT_BATCH):
            self._client.upsert(space, records[start : start + _UPSERT_BATCH], wait=True)

    def _delete_and_free(self, space: str, meant: models.Filter) -> None:
        """In memory: the next points take the places of those that are deleted."""
        limit = max(1, self._client.count(space, count_filter=meant, exact=True).count)
        found, _ = self._client.scroll(space, meant, limit=limit, with_payload=False)
        if gone := [int(record.id) for record in found]:
            self._client.delete(space, models.PointIdsList(points=[*gone]))
            self._slots[space].free(gone)

    def _search(self, model: EmbeddingModel, asked: Sequence[models.QueryRequest]) -> list[list[Hit]]:
        """What each request finds, in one call."""
        if (space := self._existing(model)) is None:
            return [[] for _ in asked]
        answers = self._client.query_batch_points(space, asked)
        return [[_hit(point) for point in answer.points] for answer in answers]

    def _request(
        self, selection: Selection, probe: Vector | SparseVector, limit: int, with_vectors: bool
    ) -> models.QueryRequest:
        query: models.SparseVector | list[float]
        params: models.SearchParams | None
        if isinstance(probe, SparseVector):
            query, using = _sparse(probe), SPARSE
            corpus = models.IdfCorpusParams(corpus=qdrant_filter(condition_of(corpus_of(selection))))
            params = models.SearchParams(idf=corpus) if self._options.idf else None
        else:
            query, using = list(probe), DENSE
            # In memory there is no graph.
            params = None if self._local else models.SearchParams(hnsw_ef=self._options.ef)
        return models.QueryRequest(
            query=query,
            using=using,
            filter=qdrant_filter(condition_of(selection)),
            params=params,
            limit=limit,
            with_payload=True,
            with_vector=[DENSE] if with_vectors else False,
        )

    def _existing(self, model: EmbeddingModel) -> str | None:
        """The name of the model's Qdrant collection, if it is there."""
        space = space_of(model, self._options)
        if space not in self._spaces and self._client.collection_exists(space):
            self._spaces.add(space)
        return space if space in self._spaces else None

    def _create(self, model: EmbeddingModel) -> str:
        space, options = space_of(model, self._options), self._options
        quantization = models.ScalarQuantization(
            scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
        )
        try:
            self._client.create_collection(
                space,
                vectors_config={DENSE: models.VectorParams(size=model.dimension, distance=models.Distance.COSINE)},
                sparse_vectors_config={
                    SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF if options.idf else None)
                },
                hnsw_config=models.HnswConfigDiff(m=options.m, ef_construct=options.ef_construct),
                quantization_config=quantization if options.quantized else None,
            )
        except (ApiException, grpc.RpcError, ValueError):
            if not self._client.collection_exists(space):
                raise
        if not self._local:
            tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
            self._client.create_payload_index(space, "tenant", field_schema=tenant)
            for key in ("collection", "document_id"):
                self._client.create_payload_index(space, key, field_schema=models.PayloadSchemaType.KEYWORD)
            self._client.create_payload_index(space, "version", field_schema=models.PayloadSchemaType.INTEGER)
        self._spaces.add(space)
        return space


@asynccontextmanager
async def open_qdrant(
    address: str, api_key: str | None, options: IndexOptions, authorities: bytes | None = None
) -> AsyncIterator[QdrantStore]:
    """The store in memory, where the address is empty, or on the server at `grpc://host:6334`, closed afterwards."""
    local = not address
    threads = StoreThreads(1 if local else _SERVER_THREADS, lambda error: isinstance(error, _FAILURES))
    try:
        client = await threads.raw(lambda: _connect(address, api_key, authorities))
        try:
            yield QdrantStore(client, threads, options, local=local)
        finally:
            await threads.raw(client.close)
    finally:
        threads.close()


def _connect(address: str, api_key: str | None, authorities: bytes | None) -> QdrantClient:
    if not address:
        return QdrantClient(":memory:")
    parts = urlsplit(address)
    with warnings.catch_warnings():
        # It warns of an API key without TLS; inside a cluster that is the operator's decision.
        warnings.simplefilter("ignore")
        return QdrantClient(
            host=parts.hostname,
            grpc_port=parts.port or _GRPC_PORT,
            prefer_grpc=True,
            https=parts.scheme == "grpcs",
            api_key=api_key,
            grpc_options={"root_certificates": authorities} if authorities else None,
            timeout=_TIMEOUT_SECONDS,
            check_compatibility=False,
        )


def _record(scope: Selection, point: Point) -> models.PointStruct:
    vectors: dict[str, models.Vector] = {DENSE: list(point.dense)}
    if point.sparse is not None and point.sparse.indices:
        vectors[SPARSE] = _sparse(point.sparse)
    return models.PointStruct(id=point_id(scope, point.piece), vector=vectors, payload=payload_of(scope, point.piece))


def _sparse(vector: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=list(vector.indices), values=list(vector.values))


def _hit(point: models.ScoredPoint) -> Hit:
    return Hit(piece_of(point.payload or {}), point.score, dense_of(point.vector))
