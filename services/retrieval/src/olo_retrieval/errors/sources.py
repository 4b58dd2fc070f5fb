"""Errors of sources of documents."""

from __future__ import annotations

from olo_common.errors import ErrorCode, OloError


class SourceNotFound(OloError):
    """The collection has no source of this id."""

    code = ErrorCode.NOT_FOUND
    reason = "source_not_found"

    def __init__(self, source_id: str) -> None:
        super().__init__(f"source {source_id!r} does not exist", field="source_id")


class SourceExists(OloError):
    """The collection has a source of this id already."""

    code = ErrorCode.ALREADY_EXISTS
    reason = "source_exists"

    def __init__(self, source_id: str) -> None:
        super().__init__(f"source {source_id!r} exists already, or is still being deleted", field="source.source_id")


class SourceForbidden(OloError):
    """The operator does not allow this source, or nobody may."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "source_forbidden"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}", field=field)


class SourceAway(OloError):
    """What is behind a source does not answer."""

    code = ErrorCode.UNAVAILABLE
    reason = "source_away"

    def __init__(self, problem: str = "does not answer in time") -> None:
        super().__init__(f"the source {problem}", retry_after=60.0)


class SourceTooLarge(OloError):
    """A source lists more documents than one may have."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "source_too_large"

    def __init__(self, most: int) -> None:
        super().__init__(f"the source has more than {most} documents; make several of it")


class SourceMalformed(OloError):
    """What a source answers is not what it should be."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "source_malformed"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}", field=field)


class IngestFailed(OloError):
    """A document of a source was not indexed; the reason is that of its document."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "ingest_failed"

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message or "the document could not be indexed")
        self.reason = reason or type(self).reason
