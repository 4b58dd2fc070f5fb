"""Errors of collections, and of searching them."""

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


class EmbeddingMismatch(OloError):
    """The embedding model answers with vectors that the collection cannot hold."""

    code = ErrorCode.FAILED_PRECONDITION
    reason = "embedding_mismatch"

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(f"the embedding model gives vectors of {got} dimensions, the collection holds {expected}")


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


class IndexIncomplete(OloError):
    """The points of a version are not all in the vector store."""

    code = ErrorCode.ABORTED
    reason = "index_incomplete"

    def __init__(self) -> None:
        super().__init__("the version is not wholly in the vector store")
