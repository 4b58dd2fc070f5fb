"""Opens the vector store that a setting names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from olo_common.tracing import tracing
from olo_retrieval.adapters.vectors.points import IndexOptions
from olo_retrieval.adapters.vectors.traced import TracedVectors
from olo_retrieval.ports import VectorStore


@asynccontextmanager
async def open_vectors(
    location: str, api_key: str | None, options: IndexOptions, authorities: bytes | None = None
) -> AsyncIterator[VectorStore]:
    """The store at `memory`, `edge:<directory>`, `sqlite:<file>` or `grpc[s]://host:port`, closed afterwards.

    Args:
        location: Where it is.
        api_key: What is shown to a server.
        options: Of its indexes.
        authorities: PEM of those that the certificate of a server is known by; None: the public ones.

    Raises:
        StartupError: It cannot be opened.
    """
    async with _opened(location, api_key, options, authorities) as store:
        yield TracedVectors(store, "sqlite" if location.startswith("sqlite:") else "qdrant") if tracing() else store


def _opened(
    location: str, api_key: str | None, options: IndexOptions, authorities: bytes | None
) -> AbstractAsyncContextManager[VectorStore]:
    """Each engine is imported only where it is used."""
    if location.startswith("edge:"):
        from olo_retrieval.adapters.vectors.edge import open_edge

        return open_edge(Path(location.removeprefix("edge:")), options)
    if location.startswith("sqlite:"):
        from olo_retrieval.adapters.vectors.sqlite import open_sqlite

        return open_sqlite(Path(location.removeprefix("sqlite:")), options)
    from olo_retrieval.adapters.vectors.qdrant import open_qdrant

    return open_qdrant("" if location == "memory" else location, api_key, options, authorities)
