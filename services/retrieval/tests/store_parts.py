"""Points, and stores of every kind to put them into."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from olo_retrieval.adapters.vectors.fake import FakeStore
from olo_retrieval.adapters.vectors.opening import open_vectors
from olo_retrieval.adapters.vectors.points import IndexOptions
from olo_retrieval.ports import VectorStore
from olo_retrieval.types import EmbeddingModel, Piece, Selection, SparseVector, Vector

MODEL = EmbeddingModel("org/model:v1", 2)
MINE = Selection("mine", "c1")
OTHERS = [Selection("theirs", "c1"), Selection("mine", "c2")]
EAST: Vector = [1.0, 0.0]
NORTH: Vector = [0.0, 1.0]
KINDS = ["fake", "memory", "edge", "sqlite"]


def piece(document_id: str, version: int = 1, index: int = 0, **metadata: str) -> Piece:
    return Piece(document_id, version, index, 3, 9, "Title", "source.md", f"{document_id} {version} {index}", metadata)


def words(*terms: int) -> SparseVector:
    return SparseVector(terms, [1.0] * len(terms))


async def opened(kind: str, directory: Path, stack: AsyncExitStack, options: IndexOptions) -> VectorStore:
    if kind == "fake":
        return FakeStore(options)
    location = {"memory": "memory", "edge": f"edge:{directory}/vectors", "sqlite": f"sqlite:{directory}/v/vectors.db"}
    return await stack.enter_async_context(open_vectors(location[kind], None, options))
