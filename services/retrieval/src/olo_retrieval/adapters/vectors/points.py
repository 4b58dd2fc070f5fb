"""How a point is stored, whatever the store."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from olo_retrieval.filters import METADATA, Order, numbers_of
from olo_retrieval.searching.fusion import fuse
from olo_retrieval.searching.likeness import compared
from olo_retrieval.types import EmbeddingModel, Hit, HybridProbe, Piece, Point, Selection, SparseVector

_NAMESPACE: Final = uuid.UUID("6f1f6d0e-8f5b-4f0e-9a57-0f6c1d1b8a11")
_NOT_A_NAME = re.compile(r"[^a-z0-9]+")
_PIECE_FIELDS: Final = tuple(field.name for field in fields(Piece))
_NUMBERS: Final = "numbers."
_RANGES: Final = {
    Order.EQUAL: ("gte", "lte"),
    Order.BELOW: ("lt",),
    Order.AT_MOST: ("lte",),
    Order.ABOVE: ("gt",),
    Order.AT_LEAST: ("gte",),
}

DENSE: Final = "dense"
SPARSE: Final = "sparse"
"""The names of the two vectors of a point."""


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """How vectors are indexed; stores take what they have.

    Attributes:
        idf: Whether terms of sparse vectors weigh by their rarity, as BM25 wants.
        m: Edges of a node of the HNSW graph.
        ef_construct: Neighbours weighed when a node is added.
        ef: Neighbours weighed by a search.
        quantized: Whether searches read bytes in place of floats first, and compare the best by their floats.
    """

    idf: bool = True
    m: int = 16
    ef_construct: int = 128
    ef: int = 128
    quantized: bool = False


def space_of(model: EmbeddingModel, options: IndexOptions) -> str:
    """The name of what holds a model's vectors; another kind of sparse vectors, or quantization, makes another."""
    kind = f"{model.model_id}\n{model.dimension}\n{options.idf}\n{options.quantized}"
    digest = hashlib.sha256(kind.encode()).hexdigest()[:8]
    return f"olo-{_NOT_A_NAME.sub('-', model.model_id.lower()).strip('-')[:80]}-{model.dimension}-{digest}"


def point_id(scope: Selection, piece: Piece) -> str:
    """The id of a point: the same for the same piece."""
    parts = (scope.tenant, scope.collection_uid, piece.document_id, str(piece.version), str(piece.index))
    return str(uuid.uuid5(_NAMESPACE, "\n".join(parts)))


def payload_of(scope: Selection, piece: Piece) -> dict[str, Any]:
    """What is stored beside the vectors."""
    return {
        **{name: getattr(piece, name) for name in _PIECE_FIELDS},
        "headings": list(piece.headings),
        "metadata": dict(piece.metadata),
        "numbers": numbers_of(piece.metadata),
        "tenant": scope.tenant,
        "collection": scope.collection_uid,
    }


def piece_of(payload: Mapping[str, Any]) -> Piece:
    """The piece that was stored; what it did not have when it was stored is left at its default."""
    # A search makes dozens of these; by keywords each would take several times as long.
    return Piece(
        payload["document_id"],
        payload["version"],
        payload["index"],
        payload["start"],
        payload["end"],
        payload["title"],
        payload["source"],
        payload["text"],
        payload.get("metadata", {}),
        payload.get("page"),
        tuple(payload.get("headings", ())),
        payload.get("parent", ""),
    )


def number_key(key: str) -> str:
    """Where the stored payload has the number of a key."""
    return _NUMBERS + key.removeprefix(METADATA) if key.startswith(METADATA) else key


def range_of(order: Order, value: float) -> dict[str, float]:
    """A comparison as the ranges of Qdrant and of its engine say it."""
    return dict.fromkeys(_RANGES[order], value)


def dense_of(vectors: object) -> list[float] | None:
    """The dense vector among those that came with a point, if any did."""
    row: list[float] | None = vectors.get(DENSE) if isinstance(vectors, dict) else None
    return row


def point_of(payload: Mapping[str, Any], vectors: Any) -> Point:
    """The point that was stored as this payload and these vectors by name."""
    sparse = vectors.get(SPARSE) if isinstance(vectors, dict) else None
    terms = SparseVector(list(sparse.indices), list(sparse.values)) if sparse is not None else None
    return Point(piece_of(payload), dense_of(vectors) or (), terms)


def fused_hits(near: Sequence[Hit], sharing: Sequence[Hit], probe: HybridProbe) -> list[Hit]:
    """What a hybrid search has found: by meaning, and by words with the dense vectors, each with its cosine."""
    return fuse([[hit.compared(hit.score) for hit in near], compared(sharing, probe.dense)])[: probe.most]


def by_number(points: Iterable[Point]) -> list[Point]:
    """The points in the order of their pieces."""
    return sorted(points, key=lambda point: (point.piece.version, point.piece.index))
