"""Points in Qdrant's engine, in this process and on disk: a folder of its own for each embedding model."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Final, TextIO

import qdrant_edge as edge

from olo_common.errors import StartupError
from olo_retrieval.adapters.vectors.edge_filter import edge_filter
from olo_retrieval.adapters.vectors.edge_search import EdgeSearch
from olo_retrieval.adapters.vectors.edge_terms import EdgeTerms
from olo_retrieval.adapters.vectors.points import (
    DENSE,
    SPARSE,
    IndexOptions,
    by_number,
    payload_of,
    point_id,
    point_of,
    space_of,
)
from olo_retrieval.adapters.vectors.rarity import Rarity
from olo_retrieval.adapters.vectors.scope import condition_of, corpus_of
from olo_retrieval.adapters.vectors.threads import StoreThreads
from olo_retrieval.types import EmbeddingModel, Hit, HybridProbe, Point, Selection, SparseVector, Vector

_THREADS: Final = 4
_UPSERT_BATCH: Final = 256
_OPTIMIZE_AFTER: Final = 5_000
"""Points written or deleted, after which the graph is brought up to date; until then they are searched one by one."""


class EdgeStore:
    """A VectorStore. What is written is in the engine's log when the call returns."""

    def __init__(self, directory: Path, threads: StoreThreads, options: IndexOptions) -> None:
        self._directory = directory
        self._threads = threads
        self._options = options
        self._shards: dict[str, edge.EdgeShard] = {}
        self._opening = Lock()
        self._rarity = Rarity()
        self._changes: dict[str, int] = {}
        self._optimizing: set[asyncio.Task[None]] = set()

    async def upsert(self, model: EmbeddingModel, scope: Selection, points: Sequence[Point]) -> None:
        """Writes points into the tenant and collection of the scope."""

        def upsert() -> None:
            shard = self._shard(model, create=True)
            assert shard is not None
            try:
                for start in range(0, len(points), _UPSERT_BATCH):
                    batch = [_record(scope, point) for point in points[start : start + _UPSERT_BATCH]]
                    shard.update(edge.UpdateOperation.upsert_points(batch))
            finally:
                self._written(model, scope)

        await self._threads.run(upsert)
        self._count_changes(model, len(points))

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

        def search() -> list[Hit]:
            searching = self._searching(model, selection)
            return searching.one(probe, limit, with_vectors) if searching is not None else []

        return await self._threads.run(search)

    async def search_hybrid(self, model: EmbeddingModel, selection: Selection, probe: HybridProbe) -> list[Hit]:
        """Both searches in one visit, fused by ranks."""

        def search() -> list[Hit]:
            searching = self._searching(model, selection)
            return searching.hybrid(probe) if searching is not None else []

        return await self._threads.run(search)

    async def count(self, model: EmbeddingModel, selection: Selection) -> int:
        """The number of points in the selection."""

        def count() -> int:
            shard = self._shard(model)
            return _count(shard, edge_filter(condition_of(selection))) if shard is not None else 0

        return await self._threads.run(count)

    async def read(self, model: EmbeddingModel, selection: Selection) -> list[Point]:
        """The points of the selection with both of their vectors, by number."""

        def read() -> list[Point]:
            if (shard := self._shard(model)) is None:
                return []
            meant = edge_filter(condition_of(selection))
            limit = max(_count(shard, meant), 1)
            request = edge.ScrollRequest(limit=limit, filter=meant, with_payload=True, with_vector=True)
            return by_number(point_of(record.payload or {}, record.vector) for record in shard.scroll(request)[0])

        return await self._threads.run(read)

    async def delete(self, model: EmbeddingModel, selection: Selection) -> None:
        """Deletes the points of the selection."""

        def delete() -> int:
            meant = edge_filter(condition_of(selection))
            if (shard := self._shard(model)) is None or not (gone := _count(shard, meant)):
                return 0
            try:
                shard.update(edge.UpdateOperation.delete_points_by_filter(meant))
            finally:
                self._written(model, selection)
            return gone

        self._count_changes(model, await self._threads.run(delete))

    async def is_empty(self, model: EmbeddingModel) -> bool:
        """Whether the model's space holds no point at all."""

        def empty() -> bool:
            shard = self._shard(model)
            return shard is None or _count(shard) == 0

        return await self._threads.run(empty)

    async def settled(self) -> None:
        """Returns when no graph is being brought up to date."""
        await asyncio.gather(*self._optimizing, return_exceptions=True)

    async def close(self) -> None:
        """Writes everything out and lets the folder go."""
        await self.settled()
        for shard in self._shards.values():
            await self._threads.raw(shard.flush)
            await self._threads.raw(shard.close)

    def _searching(self, model: EmbeddingModel, selection: Selection) -> EdgeSearch | None:
        """Searches of a selection; None where the model has no points at all."""
        if (shard := self._shard(model)) is None:
            return None
        meant, corpus = edge_filter(condition_of(selection)), corpus_of(selection)
        counted = meant if corpus == selection else edge_filter(condition_of(corpus))
        place = (space_of(model, self._options), corpus)
        terms_of = partial(EdgeTerms, self._rarity, place, counted) if self._options.idf else None
        return EdgeSearch(shard, meant, self._options.ef, terms_of)

    def _written(self, model: EmbeddingModel, selection: Selection) -> None:
        """Must be called when points were written or deleted, or may have been."""
        self._rarity.forget((space_of(model, self._options), corpus_of(selection)))

    def _shard(self, model: EmbeddingModel, *, create: bool = False) -> edge.EdgeShard | None:
        space = space_of(model, self._options)
        with self._opening:
            if space not in self._shards:
                folder = self._directory / space
                if folder.is_dir():
                    self._shards[space] = edge.EdgeShard.load(str(folder))
                elif create:
                    self._shards[space] = _create(folder, model.dimension, self._options)
            return self._shards.get(space)

    def _count_changes(self, model: EmbeddingModel, count: int) -> None:
        space = space_of(model, self._options)
        self._changes[space] = self._changes.get(space, 0) + count
        if self._changes[space] >= _OPTIMIZE_AFTER and not self._optimizing:
            self._changes[space] = 0
            task = asyncio.create_task(self._threads.run(lambda: _tidied(self._shards[space])))
            self._optimizing.add(task)
            task.add_done_callback(self._optimizing.discard)


@asynccontextmanager
async def open_edge(directory: Path, options: IndexOptions) -> AsyncIterator[EdgeStore]:
    """The store in a directory, made if it is missing, closed afterwards.

    Raises:
        StartupError: The directory cannot be written, or another process uses it.
    """
    # What the engine raises has no kind of its own.
    threads = StoreThreads(_THREADS, lambda error: type(error) is Exception)
    with contextlib.ExitStack() as stack:
        stack.callback(threads.close)
        try:
            stack.enter_context(await threads.raw(lambda: _locked(directory)))
        except OSError:
            raise StartupError(
                f"the vector store {directory} cannot be opened; make the directory writable, stop the process that "
                "uses it, or set another OLO_RETRIEVAL_VECTOR_STORE"
            ) from None
        store = EdgeStore(directory, threads, options)
        try:
            yield store
        finally:
            await store.close()


def _locked(directory: Path) -> TextIO:
    """The directory's lock, held until it is closed."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = (directory / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise
    return lock


def _create(folder: Path, dimension: int, options: IndexOptions) -> edge.EdgeShard:
    quantization = edge.ScalarQuantizationConfig(edge.ScalarType.Int8, always_ram=True) if options.quantized else None
    # Made aside, so that a folder of this name is always whole.
    made = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(made, ignore_errors=True)
    shard = edge.EdgeShard.create(
        str(made),
        edge.EdgeConfig(
            vectors={DENSE: edge.EdgeVectorParams(dimension, edge.Distance.Cosine)},
            sparse_vectors={SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf if options.idf else None)},
            hnsw_config=edge.HnswIndexConfig(options.m, options.ef_construct, full_scan_threshold=10_000),
            quantization_config=quantization,
        ),
    )
    index = edge.UpdateOperation.create_field_index
    shard.update(index("tenant", edge.KeywordIndexParams(is_tenant=True)))
    for key in ("collection", "document_id"):
        shard.update(index(key, edge.PayloadSchemaType.Keyword))
    shard.update(index("version", edge.PayloadSchemaType.Integer))
    shard.flush()
    shard.close()
    made.rename(folder)
    return edge.EdgeShard.load(str(folder))


def _tidied(shard: edge.EdgeShard) -> None:
    """Brings the graph up to date, and lets go of what was deleted.

    Until all is written out, the engine keeps what it has replaced and its whole log, on disk and in memory.
    """
    shard.optimize()
    shard.flush()


def _count(shard: edge.EdgeShard, meant: edge.Filter | None = None) -> int:
    return int(shard.count(edge.CountRequest(exact=True, filter=meant)))


def _record(scope: Selection, point: Point) -> edge.Point:
    vectors: dict[str, list[float] | edge.SparseVector | list[list[float]]] = {DENSE: list(point.dense)}
    if point.sparse is not None and point.sparse.indices:
        vectors[SPARSE] = edge.SparseVector(list(point.sparse.indices), list(point.sparse.values))
    return edge.Point(point_id(scope, point.piece), vectors, payload_of(scope, point.piece))
