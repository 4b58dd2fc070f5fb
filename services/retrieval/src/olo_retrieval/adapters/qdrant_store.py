"""Points in Qdrant: in memory, in a directory, or on a server.

The blocking client runs on threads of its own. The local modes get exactly one: calls then cannot disturb
each other in what is plain Python and numpy, and a large search does not stop the event loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import uuid
import warnings
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import httpx
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException

from olo_common.errors import StartupError, Unavailable
from olo_retrieval.adapters.qdrant_filter import filter_of
from olo_retrieval.types import EmbeddingModel, Hit, Piece, Selection, Vector

R = TypeVar("R")

_NAMESPACE: Final = uuid.UUID("6f1f6d0e-8f5b-4f0e-9a57-0f6c1d1b8a11")
_NOT_A_NAME = re.compile(r"[^a-z0-9]+")
_SERVER_THREADS = 8
_TIMEOUT_SECONDS = 10
_UPSERT_BATCH = 256


class QdrantStore:
    """A VectorStore. Each embedding model has a Qdrant collection, made when it is first written to."""

    def __init__(self, client: QdrantClient, threads: ThreadPoolExecutor, *, local: bool) -> None:
        self._client = client
        self._threads = threads
        self._local = local
        self._spaces: set[str] = set()

    async def upsert(self, model: EmbeddingModel, scope: Selection, points: Sequence[tuple[Piece, Vector]]) -> None:
        """Writes points into the tenant and collection of the scope."""
        records = [
            models.PointStruct(id=_point_id(scope, piece), vector=list(vector), payload=_payload(scope, piece))
            for piece, vector in points
        ]
        await self._run(lambda: self._upsert(model, records))

    async def search(
        self, model: EmbeddingModel, selection: Selection, vector: Vector, limit: int, min_score: float | None
    ) -> list[Hit]:
        """The nearest points of the selection, best first."""
        return await self._run(lambda: self._search(model, selection, vector, limit, min_score))

    async def count(self, model: EmbeddingModel, selection: Selection) -> int:
        """The number of points in the selection."""

        def count() -> int:
            if not self._exists(space_of(model)):
                return 0
            return int(self._client.count(space_of(model), count_filter=filter_of(selection), exact=True).count)

        return await self._run(count)

    async def delete(self, model: EmbeddingModel, selection: Selection) -> None:
        """Deletes the points of the selection."""

        def delete() -> None:
            if self._exists(space_of(model)):
                self._client.delete(space_of(model), models.FilterSelector(filter=filter_of(selection)), wait=True)

        await self._run(delete)

    async def is_empty(self, model: EmbeddingModel) -> bool:
        """Whether the model's space holds no point at all."""

        def empty() -> bool:
            # Asked anew each time: a server may have been replaced by an empty one.
            self._spaces.discard(space_of(model))
            return not self._exists(space_of(model)) or not self._client.get_collection(space_of(model)).points_count

        return await self._run(empty)

    def _upsert(self, model: EmbeddingModel, records: list[models.PointStruct]) -> None:
        space = space_of(model)
        if not self._exists(space):
            self._create(space, model.dimension)
        for start in range(0, len(records), _UPSERT_BATCH):
            self._client.upsert(space, records[start : start + _UPSERT_BATCH], wait=True)

    def _search(
        self, model: EmbeddingModel, selection: Selection, vector: Vector, limit: int, min_score: float | None
    ) -> list[Hit]:
        if not self._exists(space_of(model)):
            return []
        found = self._client.query_points(
            space_of(model),
            query=list(vector),
            query_filter=filter_of(selection),
            limit=limit,
            score_threshold=min_score,
            with_payload=True,
        )
        return [Hit(_piece(point.payload or {}), point.score) for point in found.points]

    def _exists(self, space: str) -> bool:
        if space not in self._spaces and self._client.collection_exists(space):
            self._spaces.add(space)
        return space in self._spaces

    def _create(self, space: str, dimension: int) -> None:
        try:
            self._client.create_collection(
                space, vectors_config=models.VectorParams(size=dimension, distance=models.Distance.COSINE)
            )
        except (ApiException, ValueError):
            if not self._client.collection_exists(space):
                raise
        if not self._local:
            tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
            self._client.create_payload_index(space, "tenant", field_schema=tenant)
            for key in ("collection", "document_id"):
                self._client.create_payload_index(space, key, field_schema=models.PayloadSchemaType.KEYWORD)
            self._client.create_payload_index(space, "version", field_schema=models.PayloadSchemaType.INTEGER)
        self._spaces.add(space)

    async def _run(self, work: Callable[[], R]) -> R:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except (ApiException, httpx.HTTPError, OSError) as error:
            self._spaces.clear()
            raise Unavailable("the vector store does not answer", retry_after=1.0) from error


@asynccontextmanager
async def open_qdrant(location: str, api_key: str | None) -> AsyncIterator[QdrantStore]:
    """The store at `memory`, `path:<directory>` or a URL, closed afterwards.

    Raises:
        StartupError: The directory cannot be written, or another process uses it.
    """
    local = not location.startswith(("http://", "https://"))
    threads = ThreadPoolExecutor(1 if local else _SERVER_THREADS, thread_name_prefix="qdrant")
    loop = asyncio.get_running_loop()
    try:
        try:
            client = await loop.run_in_executor(threads, _connect, location, api_key)
        except (OSError, RuntimeError):
            raise StartupError(
                f"the vector store {location} cannot be opened; make the directory writable, stop the process that "
                "uses it, or set another OLO_RETRIEVAL_QDRANT"
            ) from None
        try:
            yield QdrantStore(client, threads, local=local)
        finally:
            await loop.run_in_executor(threads, client.close)
    finally:
        threads.shutdown(wait=False)


def space_of(model: EmbeddingModel) -> str:
    """The name of the Qdrant collection that holds a model's vectors."""
    digest = hashlib.sha256(f"{model.model_id}\n{model.dimension}".encode()).hexdigest()[:8]
    return f"olo-{_NOT_A_NAME.sub('-', model.model_id.lower()).strip('-')[:80]}-{model.dimension}-{digest}"


def _connect(location: str, api_key: str | None) -> QdrantClient:
    if location == "memory":
        return QdrantClient(":memory:")
    if location.startswith("path:"):
        return QdrantClient(path=location.removeprefix("path:"))
    with warnings.catch_warnings():
        # It warns of an API key over plain HTTP; inside a cluster that is the operator's decision.
        warnings.simplefilter("ignore")
        return QdrantClient(url=location, api_key=api_key, timeout=_TIMEOUT_SECONDS, check_compatibility=False)


def _point_id(scope: Selection, piece: Piece) -> str:
    parts = (scope.tenant, scope.collection_uid, piece.document_id, str(piece.version), str(piece.index))
    return str(uuid.uuid5(_NAMESPACE, "\n".join(parts)))


def _payload(scope: Selection, piece: Piece) -> dict[str, Any]:
    return {
        "tenant": scope.tenant,
        "collection": scope.collection_uid,
        "document_id": piece.document_id,
        "version": piece.version,
        "index": piece.index,
        "start": piece.start,
        "end": piece.end,
        "title": piece.title,
        "source": piece.source,
        "text": piece.text,
        "page": piece.page,
        "headings": list(piece.headings),
        "parent": piece.parent,
    }


def _piece(payload: dict[str, Any]) -> Piece:
    return Piece(**{key: value for key, value in payload.items() if key not in ("tenant", "collection")})
