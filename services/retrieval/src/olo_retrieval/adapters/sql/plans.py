"""Rows of collections, of indexes and of removals, to values and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from olo_retrieval.chunking import DEFAULT, Chunking, Strategy
from olo_retrieval.types import Collection, EmbeddingModel


def chunking_of(stored: Mapping[str, Any] | None) -> Chunking:
    """How passages are cut, from its column."""
    return Chunking(**{**stored, "strategy": Strategy(stored["strategy"])}) if stored else DEFAULT


def removal_values(collection: Collection) -> dict[str, Any]:
    """The row that asks for the removal of all points of a collection's index."""
    return _values(collection.tenant, collection.index_uid or collection.uid, collection.model)


def removal_of_index(tenant: str, index_uid: str, model: EmbeddingModel, due_ms: int) -> dict[str, Any]:
    """The row that asks for the removal of all points of an index, not before this time."""
    return {**_values(tenant, index_uid, model), "due_ms": due_ms}


def _values(tenant: str, index_uid: str, model: EmbeddingModel) -> dict[str, Any]:
    return {
        "tenant": tenant,
        "collection_uid": index_uid,
        "embedding_model_id": model.model_id,
        "dimension": model.dimension,
    }


def collection_of(row: Row[Any]) -> Collection:
    """The collection of a row, with the counts that were read with it."""
    counts = row._mapping
    return Collection(
        row.uid,
        row.tenant,
        row.name,
        EmbeddingModel(row.embedding_model_id, row.dimension),
        row.created_ms,
        chunking_of(row.chunking),
        counts.get("document_count", 0),
        counts.get("chunk_count", 0),
        row.index_uid,
        row.retriever,
        row.revision,
    )
