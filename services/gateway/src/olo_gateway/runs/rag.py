"""Which passages a caller wants before the model, whatever the dialect."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class RagMode(Enum):
    """What becomes of a request for which there are no passages."""

    REQUIRED = "required"
    """Where nothing can be searched the run fails; where nothing is found the model answers from nothing."""
    OPTIONAL = "optional"
    """It is answered as if none had been asked for, and the answer says so."""


class Rewriting(Enum):
    """What is searched for."""

    NONE = "none"
    MULTI_QUERY = "multi_query"
    HYDE = "hyde"
    CONDENSE = "condense"


class Operator(Enum):
    """How metadata are compared; the words are those of OpenAI's filters."""

    IN = "in"
    NOT_IN = "nin"
    LESS = "lt"
    LESS_OR_EQUAL = "lte"
    GREATER = "gt"
    GREATER_OR_EQUAL = "gte"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A condition on one entry of the metadata; the retrieval service says whether it is allowed."""

    key: str
    operator: Operator
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Several conditions, of which every one holds, or one."""

    every: bool
    filters: tuple[Filter, ...]


Filter: TypeAlias = Comparison | Group


@dataclass(frozen=True, slots=True)
class Rag:
    """Which passages to put before the model; what is empty or None is left to the retrieval service."""

    collection: str
    top_k: int = 0
    retriever: str = ""
    filter: Filter | None = None
    min_score: float | None = None
    """Cosine similarity."""
    mmr_lambda: float | None = None
    """0 to 1; less makes passages differ more from each other."""
    rerank: bool = False
    mode: RagMode = RagMode.REQUIRED
    rewriting: Rewriting = Rewriting.NONE
    recorded: bool = False
    """The passages are those of the order, be it none: nothing is searched."""
