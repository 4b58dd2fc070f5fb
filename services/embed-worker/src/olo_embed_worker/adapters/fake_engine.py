"""An engine for tests: small, exact and without a model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np

from olo_embed_worker.errors import EngineFailed, RerankerNotLoaded
from olo_embed_worker.types import EngineInfo, InputKind, Rows, SparseVector, Tokenized

_LIMIT: Final = 256


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

    def tokenize(self, texts: Sequence[str]) -> list[Tokenized]:
        """Words."""
        counts = [len(text.split()) for text in texts]
        return [
            Tokenized(text, np.zeros(min(count, _LIMIT), np.int64), count)
            for text, count in zip(texts, counts, strict=True)
        ]

    def embed(self, texts: Sequence[Tokenized], kind: InputKind) -> Rows:
        """Unit vectors of 8 dimensions."""
        batch = [text.text for text in texts]
        self.batches.append(batch)
        if self._failing in batch:
            raise EngineFailed("the embedding failed")
        return self.rows(batch, kind)

    @staticmethod
    def rows(texts: Sequence[str], kind: InputKind) -> Rows:
        """What `embed` gives for the texts."""
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

    def info(self) -> EngineInfo:
        """8 dimensions, 256 tokens."""
        return EngineInfo(8, _LIMIT, on_gpu=False, reranker_model="fake" if self._reranker else "")

    def close(self) -> None:
        """Remembers that it was called."""
        self.closed = True


def _vector(text: str) -> Rows:
    raw = np.frombuffer(hashlib.sha256(text.encode()).digest(), "<u4").astype(np.float32)
    vector: Rows = raw / np.linalg.norm(raw)
    return vector
