"""What the benchmarks of retrieval share: an embedding worker's engine in this process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from olo_embed_worker.adapters.fastembed_engine import FastembedEngine
from olo_embed_worker.batching.batcher import MicroBatcher
from olo_embed_worker.batching.lane import Lane
from olo_embed_worker.types import InputKind
from olo_retrieval.types import EmbeddingModel, InputSide, SparseVector

MODEL = EmbeddingModel("minilm", 384)
_KINDS = {InputSide.QUERY: InputKind.QUERY, InputSide.PASSAGE: InputKind.PASSAGE}


class LocalEmbedder:
    """An Embedder without a network in between."""

    def __init__(self, batcher: MicroBatcher, engine: FastembedEngine, sparse: Lane) -> None:
        self._batcher = batcher
        self._engine = engine
        self._sparse = sparse

    async def choose(self, model_id: str) -> EmbeddingModel:
        return MODEL

    async def embed(self, model: EmbeddingModel, texts: Sequence[str], side: InputSide) -> list[list[float]]:
        embedded = await self._batcher.embed(list(texts), _KINDS[side])
        rows: list[list[float]] = embedded.rows.tolist()
        return rows

    async def embed_sparse(self, model: EmbeddingModel, texts: Sequence[str], side: InputSide) -> list[SparseVector]:
        found = await self._sparse.run(len(texts), lambda: self._engine.embed_sparse(list(texts), _KINDS[side]))
        return [SparseVector(vector.indices.tolist(), vector.values.tolist()) for vector in found]

    async def rerank(self, model: EmbeddingModel, query: str, texts: Sequence[str]) -> list[float]:
        raise NotImplementedError("no reranker is loaded")


@asynccontextmanager
async def local_embedder(directory: Path) -> AsyncIterator[LocalEmbedder]:
    """The engine of the embed-worker with its batcher, one replica for each core, and BM25 beside it."""
    engine = FastembedEngine(str(directory), int8=False, sparse="bm25", reranker="", threads=1, cache_dir="")
    tokenizing, sparse = Lane("tokenizing", max_texts=2048), Lane("sparse", max_texts=2048)
    computing = Lane("computing", threads=len(os.sched_getaffinity(0)), max_texts=2048)
    batcher = MicroBatcher(
        engine.tokenize,
        engine.embed,
        tokenizing=tokenizing,
        computing=computing,
        max_batch=64,
        max_tokens=512,
        max_queue=2048,
        window_seconds=0.003,
    )
    owner = asyncio.create_task(batcher.run())
    try:
        yield LocalEmbedder(batcher, engine, sparse)
    finally:
        owner.cancel()
        await asyncio.gather(owner, return_exceptions=True)
        for lane in (tokenizing, computing, sparse):
            await asyncio.to_thread(lane.close)
        engine.close()
