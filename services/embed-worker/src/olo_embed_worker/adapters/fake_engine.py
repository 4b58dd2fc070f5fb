"""An engine for tests: small, exact and without a model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from olo_embed_worker.errors import EngineFailed, RerankerNotLoaded
from olo_embed_worker.types import EngineInfo, InputKind, Rows, SparseVector


class FakeEngine:
    """Vectors are made from the hash of text and side; tokens are words.

    Args:
        reranker: Whether `rerank` works: it then counts the words that the query and a document share.
        failing: A text on which `embed` fails.
    """

    def __init__(self, *, reranker: bool = False, failing: str | None = None) -> None:
        self.batches: list[list[str]] = []
        self.closed = False
        self._reranker = reranker
        self._failing = failing

    def embed(self, texts: Sequence[str], kind: InputKind) -> Rows:
        """Unit vectors of 8 dimensions."""
        self.batches.append(list(texts))
        if self._failing in texts:
            raise EngineFailed("the embedding failed")
        return np.stack([_vector(f"{kind.name}:{text}") for text in texts])

    def embed_sparse(self, texts: Sequence[str], kind: InputKind) -> list[SparseVector]:
        """One entry for each length of a word."""
        lengths = [sorted({len(word) for word in text.split()}) for text in texts]
        return [SparseVector(np.array(row, np.uint32), np.ones(len(row), np.float32)) for row in lengths]

    def rerank(self, query: str, documents: Sequence[str]) -> list[float]:
        """Shared words."""
        if not self._reranker:
            raise RerankerNotLoaded("no reranker is loaded on this instance")
        return [float(len(set(query.split()) & set(document.split()))) for document in documents]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Words."""
        return [len(text.split()) for text in texts]

    def info(self) -> EngineInfo:
        """8 dimensions, 256 tokens."""
        return EngineInfo(8, 256, on_gpu=False, sided=True, reranker_model="fake" if self._reranker else "")

    def close(self) -> None:
        """Remembers that it was called."""
        self.closed = True


def _vector(text: str) -> Rows:
    raw = np.frombuffer(hashlib.sha256(text.encode()).digest(), "<u4").astype(np.float32)
    vector: Rows = raw / np.linalg.norm(raw)
    return vector
