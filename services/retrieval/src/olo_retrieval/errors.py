"""What retrieval refuses, and why.

OloError
+-- CollectionNotFound, CollectionExists
+-- DocumentNotFound, DocumentEmpty, DocumentTooLarge
+-- EmbeddingMismatch   the model's vectors do not fit the collection
+-- SparseUnavailable   the retriever needs sparse vectors, and this service keeps none
+-- FilterInvalid       a filter is not one that can be run
+-- IndexIncomplete     a version is not wholly in the vector store; indexing it again helps
"""

from __future__ import annotations

from olo_common.errors import ErrorCode, OloError


class CollectionNotFound(OloError):
    """The tenant has no collection of this name."""

    code = ErrorCode.NOT_FOUND
    reason = "collection_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"collection {name!r} does not exist", field="collection")


class CollectionExists(OloError):
    """The tenant has a collection of this name already."""

    code = ErrorCode.ALREADY_EXISTS
    reason = "collection_exists"

    def __init__(self, name: str) -> None:
        super().__init__(f"collection {name!r} exists already", field="name")


class DocumentNotFound(OloError):
    """The collection has no document of this id."""

    code = ErrorCode.NOT_FOUND
    reason = "document_not_found"

    def __init__(self, document_id: str) -> None:
        super().__init__(f"document {document_id!r} does not exist", field="document_id")


class DocumentEmpty(OloError):
    """The document has no text."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "document_empty"

    def __init__(self) -> None:
        super().__init__("document.content: holds no text", field="document.content")


class DocumentTooLarge(OloError):
    """The document is above the limit."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "document_too_large"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"document.content: {size} bytes are above the limit of {limit}", field="document.content")


class EmbeddingMismatch(OloError):
    """The embedding model answers with vectors that the collection cannot hold."""

    code = ErrorCode.FAILED_PRECONDITION
    reason = "embedding_mismatch"

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(f"the embedding model gives vectors of {got} dimensions, the collection holds {expected}")


class IndexIncomplete(OloError):
    """The points of a version are not all in the vector store."""

    code = ErrorCode.ABORTED
    reason = "index_incomplete"

    def __init__(self) -> None:
        super().__init__("the version is not wholly in the vector store")


class SparseUnavailable(OloError):
    """There are no sparse vectors."""

    code = ErrorCode.FAILED_PRECONDITION
    reason = "sparse_unavailable"

    def __init__(self) -> None:
        super().__init__("retriever: sparse vectors are switched off here; use dense", field="retriever")


class FilterInvalid(OloError):
    """A filter is not one that can be run."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "filter_invalid"

    def __init__(self, problem: str, field: str = "filter") -> None:
        super().__init__(f"{field}: {problem}", field=field)
