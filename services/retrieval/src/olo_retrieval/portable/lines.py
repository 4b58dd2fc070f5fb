"""The members of a collection's file: what they say as bytes, and read back."""

from __future__ import annotations

import base64
import binascii
import math
import re
import sys
from array import array
from dataclasses import asdict
from typing import Final

from olo_common.errors import InvalidField
from olo_contracts.identifiers import COLLECTION, MODEL_ID, is_valid
from olo_retrieval.chunking import Chunking, Strategy
from olo_retrieval.chunking.plan import MIN_TOKENS, MOST_TOKENS
from olo_retrieval.drafts import named
from olo_retrieval.errors import ImportMalformed
from olo_retrieval.parsing import Format
from olo_retrieval.portable.records import FORMAT, FORMAT_VERSION, Header, MovedChunk, MovedDocument
from olo_retrieval.portable.strict_json import Fields, checked, is_count, line_of, objects
from olo_retrieval.structure import Structure
from olo_retrieval.types import EmbeddingModel, RawFile, SparseVector

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MOST_HEADINGS: Final = 64
_LONGEST_HEADING: Final = 65_536
_LARGEST_DIMENSION: Final = 65_536


def header_line(header: Header) -> bytes:
    """The header as its member says it."""
    return line_of(
        {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "name": header.name,
            "embedding_model_id": header.model.model_id,
            "dimension": header.model.dimension,
            "chunking": asdict(header.chunking),
            "retriever": header.retriever,
            "sparse": header.sparse,
            "vectors": header.vectors,
        }
    )


def header_of(content: bytes) -> Header:
    """The header. Raises ImportMalformed."""
    found = Fields(content, "collection.json")
    if found.values.get("format") != FORMAT:
        found.wrong("format")
    if found.values.get("format_version") != FORMAT_VERSION:
        raise ImportMalformed(f"it is of another version of the format than {FORMAT_VERSION}")
    chunking = found.object("chunking")
    max_tokens, overlap = chunking.number("max_tokens"), chunking.number("overlap_tokens")
    strategy = chunking.text("strategy")
    if strategy not in set(Strategy) or (max_tokens and not MIN_TOKENS <= max_tokens <= MOST_TOKENS):
        found.wrong("chunking")
    if overlap > (max_tokens or 2 * MIN_TOKENS) // 2:
        found.wrong("chunking")
    model_id, name, dimension = found.text("embedding_model_id"), found.text("name"), found.number("dimension")
    if not is_valid(MODEL_ID, model_id) or not is_valid(COLLECTION, name) or not 0 < dimension <= _LARGEST_DIMENSION:
        found.wrong("embedding_model_id, name or dimension")
    return Header(
        name=name,
        model=EmbeddingModel(model_id, dimension),
        chunking=Chunking(Strategy(strategy), max_tokens, overlap),
        retriever=found.text("retriever"),
        sparse=found.text("sparse"),
        vectors=found.values.get("vectors") is True,
    )


def document_line(document: MovedDocument) -> bytes:
    """A document as one line."""
    file = document.file
    return line_of(
        {
            "document_id": document.document_id,
            "version": document.version,
            "title": document.title,
            "source": document.source,
            "metadata": dict(document.metadata),
            "sha256": document.sha256,
            "size_bytes": document.size_bytes,
            "created_ms": document.created_ms,
            "updated_ms": document.updated_ms,
            "chunk_count": document.chunk_count,
            "structure": document.structure.value,
            "pages": list(document.pages),
            "content": document.content,
            "file": {"format": file.format, "base64": base64.b64encode(file.data).decode()} if file else None,
        }
    )


def documents_of(content: bytes, max_document_bytes: int, max_file_bytes: int) -> list[MovedDocument]:
    """The documents of a member. Raises ImportMalformed."""
    return [_document(found, max_document_bytes, max_file_bytes) for found in objects(content, "a document")]


def _document(found: Fields, max_document_bytes: int, max_file_bytes: int) -> MovedDocument:
    text, metadata = found.text("content"), found.values.get("metadata")
    if not isinstance(metadata, dict):
        found.wrong("metadata")
    for key, value in metadata.items():
        checked(found, "metadata", key), checked(found, "metadata", value)
    sha256, structure = found.text("sha256"), found.text("structure")
    try:
        draft = named(found.text("document_id"), found.text("title"), found.text("source"), metadata, sha256)
    except InvalidField as error:
        raise ImportMalformed(error.message) from None
    if not _SHA256.fullmatch(sha256) or structure not in set(Structure):
        found.wrong("sha256 or structure")
    pages = found.values.get("pages")
    if not isinstance(pages, list) or not all(is_count(page) and page <= len(text) for page in pages):
        found.wrong("pages")
    if pages != sorted(pages):
        found.wrong("pages")
    file = _file(found, max_file_bytes)
    if len(text.encode()) > max_document_bytes:
        raise ImportMalformed(f"a document has more than the {max_document_bytes} bytes that are taken here")
    chunks = None if found.values.get("chunk_count") is None else found.number("chunk_count")
    if bool(text.strip()) == (file is not None) or (file is not None and chunks is not None):
        found.wrong("content")
    return MovedDocument(
        document_id=draft.document_id,
        version=found.number("version") or found.wrong("version"),
        title=draft.title,
        source=draft.source,
        content=text,
        metadata=metadata,
        sha256=sha256,
        size_bytes=found.number("size_bytes"),
        created_ms=found.number("created_ms"),
        updated_ms=found.number("updated_ms"),
        chunk_count=chunks,
        structure=Structure(structure),
        pages=pages,
        file=file,
    )


def _file(found: Fields, max_file_bytes: int) -> RawFile | None:
    if found.values.get("file") is None:
        return None
    file = found.object("file")
    kind = file.text("format")
    try:
        data = base64.b64decode(file.text("base64"), validate=True)
    except (binascii.Error, ValueError):
        found.wrong("file")
    if kind not in set(Format) or not 0 < len(data) <= max_file_bytes:
        found.wrong("file")
    return RawFile(data, kind)


def chunk_line(chunk: MovedChunk, *, vectors: bool) -> bytes:
    """A passage as one line."""
    sparse = None
    if vectors and chunk.sparse is not None:
        sparse = {"indices": list(chunk.sparse.indices), "values": list(chunk.sparse.values)}
    return line_of(
        {
            "document_id": chunk.document_id,
            "index": chunk.index,
            "start": chunk.start,
            "end": chunk.end,
            "page": chunk.page,
            "headings": list(chunk.headings),
            "parent": list(chunk.parent) if chunk.parent else None,
            "sparse": sparse,
        }
    )


def chunks_of(content: bytes) -> list[MovedChunk]:
    """The passages of a member. Raises ImportMalformed."""
    return [_chunk(found) for found in objects(content, "a passage")]


def _chunk(found: Fields) -> MovedChunk:
    headings, parent = found.values.get("headings"), found.values.get("parent")
    start, end = found.number("start"), found.number("end")
    if not isinstance(headings, list) or len(headings) > _MOST_HEADINGS:
        found.wrong("headings")
    if any(len(checked(found, "headings", heading)) > _LONGEST_HEADING for heading in headings):
        found.wrong("headings")
    if parent is not None and not (isinstance(parent, list) and len(parent) == 2 and all(map(is_count, parent))):
        found.wrong("parent")
    if start >= end or (parent is not None and not parent[0] <= start < end <= parent[1]):
        found.wrong("start, end or parent")
    return MovedChunk(
        document_id=found.text("document_id"),
        index=found.number("index"),
        start=start,
        end=end,
        page=None if found.values.get("page") is None else found.number("page"),
        headings=tuple(headings),
        parent=(parent[0], parent[1]) if parent is not None else None,
        sparse=_sparse(found) if found.values.get("sparse") is not None else None,
    )


def _sparse(found: Fields) -> SparseVector:
    sparse = found.object("sparse").values
    indices, values = sparse.get("indices"), sparse.get("values")
    if not isinstance(indices, list) or not isinstance(values, list) or len(indices) != len(values):
        found.wrong("sparse")
    if not all(is_count(index) and index < 2**32 for index in indices) or len(set(indices)) < len(indices):
        found.wrong("sparse")
    if not all(isinstance(value, float | int) and math.isfinite(value) for value in values):
        found.wrong("sparse")
    return SparseVector(indices, [float(value) for value in values])


def seal_line(documents: int, chunks: int, size: int, sha256: str) -> bytes:
    """The seal: what there is, and the digest of the bytes before its member."""
    return line_of({"documents": documents, "chunks": chunks, "bytes": size, "sha256": sha256})


def little_endian(rows: array[float]) -> bytes:
    """Rows of float32 as their member has them."""
    if sys.byteorder == "big":
        rows.byteswap()
    return rows.tobytes()


def rows_of(content: bytes, count: int, dimension: int) -> list[list[float]]:
    """The rows of a member. Raises ImportMalformed."""
    if len(content) != 4 * count * dimension:
        raise ImportMalformed("the vectors are not as many as the passages")
    rows = array("f", content)
    if sys.byteorder == "big":
        rows.byteswap()
    values = rows.tolist()
    if not all(map(math.isfinite, values)):
        raise ImportMalformed("a vector has entries that are no numbers")
    return [values[start : start + dimension] for start in range(0, len(values), dimension)]
