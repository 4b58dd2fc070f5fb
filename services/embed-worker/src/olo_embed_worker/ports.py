"""What the service needs of an engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from olo_embed_worker.types import EngineInfo, InputKind, Rows, SparseVector


class EmbeddingEngine(Protocol):
    """Computes. Every method blocks, may be called from any thread, and raises `OloError` alone."""

    def embed(self, texts: Sequence[str], kind: InputKind) -> Rows:
        """One dense vector for each text."""
        ...

    def embed_sparse(self, texts: Sequence[str], kind: InputKind) -> list[SparseVector]:
        """One sparse vector for each text. Raises `SparseNotLoaded`."""
        ...

    def rerank(self, query: str, documents: Sequence[str]) -> list[float]:
        """One score for each document, higher is better. Raises `RerankerNotLoaded`."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, uncut."""
        ...

    def info(self) -> EngineInfo:
        """What is loaded."""
        ...

    def close(self) -> None:
        """Lets go of the models."""
        ...
