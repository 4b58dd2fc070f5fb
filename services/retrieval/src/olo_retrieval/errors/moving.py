"""Errors of collections that move: to another index, or out of a file."""

from __future__ import annotations

from olo_common.errors import ErrorCode, OloError


class MigrationNotFound(OloError):
    """The collection has no migration of this id, or none at all."""

    code = ErrorCode.NOT_FOUND
    reason = "migration_not_found"

    def __init__(self, migration_id: str) -> None:
        super().__init__(f"migration {migration_id!r} does not exist", field="migration_id")


class MigrationOpen(OloError):
    """The collection is being migrated already, or the old index of its last migration is kept still."""

    code = ErrorCode.ALREADY_EXISTS
    reason = "migration_open"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"collection {name!r} has an open migration: finish it or roll it back first", field="collection"
        )


class MigrationStateWrong(OloError):
    """The migration has come too far for this, or not far enough."""

    code = ErrorCode.FAILED_PRECONDITION
    reason = "migration_state"

    def __init__(self, state: str) -> None:
        super().__init__(f"the migration is {state}", field="migration_id")


class MigrationTooSlow(OloError):
    """A migration has not come to its end in the time that it may take."""

    code = ErrorCode.DEADLINE_EXCEEDED
    reason = "migration_too_slow"

    def __init__(self) -> None:
        super().__init__("the migration did not finish in time")


class OverlapTooLow(OloError):
    """The new index finds too little of what the old one does."""

    code = ErrorCode.FAILED_PRECONDITION
    reason = "overlap_too_low"

    def __init__(self, overlap: float, wanted: float) -> None:
        super().__init__(f"the overlap of sampled searches is {overlap:.3f}, below {wanted:g}", field="min_overlap")


class DocumentNotCopied(OloError):
    """A document cannot be brought into the new index; another attempt would end the same way."""

    code = ErrorCode.FAILED_PRECONDITION
    reason = "document_not_copied"

    def __init__(self, document_id: str, problem: str) -> None:
        super().__init__(f"document {document_id!r} cannot be copied: {problem}")


class ImportMalformed(OloError):
    """What was handed in is not the file of a collection, or has been changed since it was written."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "import_malformed"

    def __init__(self, problem: str) -> None:
        super().__init__(f"data: {problem}", field="data")


class ImportTruncated(OloError):
    """The file of a collection ends too soon."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "import_truncated"

    def __init__(self) -> None:
        super().__init__("data: the file ends before its seal", field="data")


class ImportTooLarge(OloError):
    """The file of a collection is above the limit."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "import_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"data: the file, or a part of it, is above the limit of {limit} bytes", field="data")
