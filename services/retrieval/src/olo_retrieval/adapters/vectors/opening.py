"""Opens the vector store that a setting names."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from olo_retrieval.adapters.vectors.points import IndexOptions
from olo_retrieval.ports import VectorStore


def open_vectors(location: str, api_key: str | None, options: IndexOptions) -> AbstractAsyncContextManager[VectorStore]:
    """The store at `memory`, `edge:<directory>`, `sqlite:<file>` or `grpc[s]://host:port`, closed afterwards.

    Each engine is imported only where it is used.

    Raises:
        StartupError: It cannot be opened.
    """
    if location.startswith("edge:"):
        from olo_retrieval.adapters.vectors.edge import open_edge

        return open_edge(Path(location.removeprefix("edge:")), options)
    if location.startswith("sqlite:"):
        from olo_retrieval.adapters.vectors.sqlite import open_sqlite

        return open_sqlite(Path(location.removeprefix("sqlite:")), options)
    from olo_retrieval.adapters.vectors.qdrant import open_qdrant

    return open_qdrant("" if location == "memory" else location, api_key, options)
