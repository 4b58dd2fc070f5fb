"""What the service needs of an engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from olo_embed_worker.types import EngineInfo, InputKind, Rows, SparseVector, Tokenized


class EmbeddingEngine(Protocol):
    """Computes. Every method blocks, may be called from any thread, and raises `OloError` alone."""

    def tokenize(self, texts: Sequence[str]) -> list[Tokenized]:
        """Each text as the model reads it."""
        ...

    def embed(self, texts: Sequence[Tokenized], kind: InputKind) -> Rows:
        """One dense vector for each text; they are padded to the longest."""
        ...

    def embed_sparse(self, texts: Sequence[str], kind: InputKind) -> list[SparseVector]:
        """One sparse vector for each text. Raises `SparseNotLoaded`."""
        ...

    def rerank(self, query: str, documents: Sequence[str]) -> list[float]:
        """One score for each document, higher is better. Raises `RerankerNotLoaded`."""
        ...

    def info(self) -> EngineInfo:
        """What is loaded."""
        ...

    def close(self) -> None:
        """Lets go of the models."""
        ...
