"""The nouns of migrations, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from olo_retrieval.chunking import Chunking
from olo_retrieval.types import Collection, EmbeddingModel


class MigrationState(StrEnum):
    """How far a migration has come."""

    COPYING = "copying"
    VERIFYING = "verifying"
    SERVING = "serving"
    """Searches see the new index; the old one is kept."""
    ROLLING_BACK = "rolling_back"
    FINISHED = "finished"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"


BUILDING = (MigrationState.COPYING, MigrationState.VERIFYING)
"""Searches still see the old index."""
MOVING = (*BUILDING, MigrationState.ROLLING_BACK)
"""There is work to do."""
OPEN = (*MOVING, MigrationState.SERVING)
"""There are two indexes."""


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """An index: which one, and how its passages are made."""

    index_uid: str
    model: EmbeddingModel
    chunking: Chunking


@dataclass(frozen=True, slots=True)
class MigrationRef:
    """Names a migration as callers and workflows name it."""

    tenant: str
    collection: str
    migration_id: str

    @property
    def workflow_id(self) -> str:
        """The id of the workflow that moves it."""
        return f"migrate/{self.tenant}/{self.collection}/{self.migration_id}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What sampled searches of two indexes have in common.

    Attributes:
        overlap: Share of the documents found in the old index that the new one finds too, on average.
        queries: How many were asked.
    """

    overlap: float
    queries: int


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration as it is stored. `collection` is as it is now."""

    ref: MigrationRef
    collection: Collection
    state: MigrationState
    source: IndexPlan
    target: IndexPlan
    min_overlap: float
    created_ms: int
    updated_ms: int
    comparison: Comparison | None = None
    error: str = ""
    error_reason: str = ""
    documents_total: int = 0
    """Documents that searches see."""
    documents_done: int = 0
    """Those of them that are in the index that is not served."""

    @property
    def other(self) -> Collection:
        """The collection with the index that searches do not see."""
        served = self.collection.index_uid
        plan = self.source if served == self.target.index_uid else self.target
        return with_index(self.collection, plan)


def with_index(collection: Collection, plan: IndexPlan) -> Collection:
    """A collection as it would be with another index."""
    return replace(collection, index_uid=plan.index_uid, model=plan.model, chunking=plan.chunking)
