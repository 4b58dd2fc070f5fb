"""The nouns of retrieval, as plain values."""

from olo_retrieval.types.collections import Collection
from olo_retrieval.types.documents import (
    DocumentRecord,
    DocumentState,
    Draft,
    Fetched,
    IngestProgress,
    IngestStep,
    RawFile,
    Staging,
    StoredVersion,
    VersionRef,
)
from olo_retrieval.types.points import Hit, Piece, Point, Ranking, Removal, Selection
from olo_retrieval.types.vectors import EmbeddingModel, HybridProbe, InputSide, SparseVector, Vector

__all__ = [
    "Collection",
    "DocumentRecord",
    "DocumentState",
    "Draft",
    "EmbeddingModel",
    "Fetched",
    "Hit",
    "HybridProbe",
    "IngestProgress",
    "IngestStep",
    "InputSide",
    "Piece",
    "Point",
    "Ranking",
    "RawFile",
    "Removal",
    "Selection",
    "SparseVector",
    "Staging",
    "StoredVersion",
    "Vector",
    "VersionRef",
]
