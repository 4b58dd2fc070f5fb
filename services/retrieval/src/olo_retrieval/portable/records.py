"""What the members of a collection's file say, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from olo_retrieval.chunking import Chunking
from olo_retrieval.structure import Structure
from olo_retrieval.types import EmbeddingModel, Piece, RawFile, SparseVector

FORMAT: Final = "olo-collection"
FORMAT_VERSION: Final = 1
HEADER: Final = "collection.json"
SEAL: Final = "seal.json"


def documents_name(number: int) -> str:
    """The member with a group of documents; what follows it, up to the next such member, is of these."""
    return f"{number:06d}-documents.jsonl"


def chunks_name(number: int, part: int) -> str:
    """The member with passages of a group."""
    return f"{number:06d}-chunks-{part:06d}.jsonl"


def vectors_name(number: int, part: int) -> str:
    """The member with the dense vectors of these passages: float32, little-endian, a row for each."""
    return f"{number:06d}-vectors-{part:06d}.f32"


@dataclass(frozen=True, slots=True)
class Header:
    """The collection, and whether its vectors follow.

    `sparse` is the kind of the sparse vectors, as of the settings: vectors of another kind cannot be compared.
    """

    name: str
    model: EmbeddingModel
    chunking: Chunking
    retriever: str
    sparse: str
    vectors: bool


@dataclass(frozen=True, slots=True)
class MovedDocument:
    """The version of a document that searches see, or the newest where they see none.

    `chunk_count` is None where it is not indexed. Where its file has not been read out either, `file` is that, and
    there is no content. Times are milliseconds since 1970.
    """

    document_id: str
    version: int
    title: str
    source: str
    content: str
    metadata: Mapping[str, str]
    sha256: str
    size_bytes: int
    created_ms: int
    updated_ms: int
    chunk_count: int | None
    structure: Structure = Structure.MARKDOWN
    pages: Sequence[int] = ()
    file: RawFile | None = None


@dataclass(frozen=True, slots=True)
class MovedChunk:
    """A passage: where it stands in its document. Its text is there, so that it cannot say anything else."""

    document_id: str
    index: int
    start: int
    end: int
    page: int | None
    headings: tuple[str, ...]
    parent: tuple[int, int] | None
    """The text around it."""
    sparse: SparseVector | None

    @classmethod
    def of(cls, piece: Piece, sparse: SparseVector | None, document: MovedDocument) -> MovedChunk | None:
        """The passage of a piece; None where the document does not say what the piece does."""
        text = document.content
        if text[piece.start : piece.end] != piece.text:
            return None
        parent = None
        if piece.parent:
            length = len(piece.parent)
            begin = text.find(piece.parent, max(0, piece.end - length), piece.start + length)
            if begin < 0:
                return None
            parent = (begin, begin + length)
        return cls(piece.document_id, piece.index, piece.start, piece.end, piece.page, piece.headings, parent, sparse)
