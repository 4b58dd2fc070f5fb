"""What lies in a vector store, and what is found there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from olo_retrieval.filters import Filter
from olo_retrieval.types.vectors import EmbeddingModel, SparseVector, Vector


@dataclass(frozen=True, slots=True)
class Selection:
    """Which points are meant. Tenant and index are always given: nothing reaches across them."""

    tenant: str
    collection_uid: str
    """Of the index, which is the collection's as long as that has not been migrated."""
    document_id: str | None = None
    version: int | None = None
    up_to_version: int | None = None
    filter: Filter | None = None
    """What the metadata of the documents must be like."""
    pieces: range | None = None
    """Numbers of pieces, counted in each version."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Points that are to be removed because their rows are gone."""

    removal_id: int
    model: EmbeddingModel
    selection: Selection


class _Text(Protocol):
    """A version of a document, wherever it is kept."""

    @property
    def document_id(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def title(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def content(self) -> str: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...


class _Place(Protocol):
    """Where a passage stands in a text: offsets in characters, its number, its page and the headings above it."""

    @property
    def index(self) -> int: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def page(self) -> int | None: ...
    @property
    def headings(self) -> Sequence[str]: ...
    @property
    def parent(self) -> tuple[int, int] | None:
        """Of the text around it, where that is shown."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What a point carries beside its vectors."""

    document_id: str
    version: int
    index: int
    start: int
    end: int
    title: str
    source: str
    text: str
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    page: int | None = None
    headings: tuple[str, ...] = ()
    parent: str = ""
    """The text around it, where the strategy of its collection shows that."""

    @classmethod
    def of(cls, whole: _Text, place: _Place) -> Piece:
        """What stands at a place of a text."""
        return cls(
            document_id=whole.document_id,
            version=whole.version,
            index=place.index,
            start=place.start,
            end=place.end,
            title=whole.title,
            source=whole.source,
            text=whole.content[place.start : place.end],
            metadata=whole.metadata,
            page=place.page,
            headings=tuple(place.headings),
            parent=whole.content[slice(*place.parent)] if place.parent else "",
        )


@dataclass(frozen=True, slots=True)
class Point:
    """A piece with its vectors."""

    piece: Piece
    dense: Vector
    sparse: SparseVector | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A piece that was found."""

    piece: Piece
    score: float
    """What hits are ordered by; its scale depends on how they were found."""
    vector: Vector | None = None
    """The dense vector, to unit length, where it was asked for."""
    similarity: float = 0.0
    """Cosine of the angle between the dense vectors of query and piece."""

    # A search makes a hundred of these; `dataclasses.replace` takes several times as long.

    def compared(self, similarity: float) -> Hit:
        """The hit with this similarity."""
        return Hit(self.piece, self.score, self.vector, similarity)

    def ranked(self, score: float) -> Hit:
        """The hit with this score."""
        return Hit(self.piece, score, self.vector, self.similarity)


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a retriever has found, best first."""

    hits: Sequence[Hit]
    complete: bool
    """A larger limit would bring no more."""
