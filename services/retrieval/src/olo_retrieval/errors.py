"""What retrieval refuses, and why.

OloError
+-- CollectionNotFound, CollectionExists
+-- DocumentNotFound, DocumentEmpty, DocumentTooLarge
+-- DocumentTypeWrong, DocumentEncrypted, DocumentWithoutText, DocumentMalformed, DocumentTooComplex,
|   TextTooLong, ArchiveUnsafe, XmlUnsafe
+-- UrlForbidden, RobotsDisallow, FetchLimit, FetchFailed
+-- MigrationNotFound, MigrationOpen, MigrationStateWrong, MigrationTooSlow
+-- OverlapTooLow       the new index of a migration finds too little of what the old one does
+-- DocumentNotCopied   a document cannot be brought into the new index of a migration
+-- EmbeddingMismatch   the model's vectors do not fit the collection
+-- SparseUnavailable   the retriever needs sparse vectors, and this service keeps none
+-- FilterInvalid       a filter is not one that can be run
+-- SourceNotFound, SourceExists, SourceForbidden, SourceAway, SourceTooLarge, SourceMalformed
+-- IngestFailed        a document of a source was not indexed
+-- ImportMalformed, ImportTruncated, ImportTooLarge
|                       what was handed in is not the file of a collection as it was written
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

    def __init__(self, field: str = "document.content") -> None:
        super().__init__(f"{field}: holds no text", field=field)


class DocumentTooLarge(OloError):
    """The document is above the limit."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "document_too_large"

    def __init__(self, field: str, size: int, limit: int) -> None:
        super().__init__(f"{field}: {size} bytes are above the limit of {limit}", field=field)


class UnreadableDocument(OloError):
    """No text can be had from the file; another attempt would end the same way."""

    code = ErrorCode.INVALID_ARGUMENT
    message_text = "cannot be read"

    def __init__(self) -> None:
        super().__init__(f"document.data: {self.message_text}", field="document.data")


class DocumentTypeWrong(UnreadableDocument):
    """The type is not one that is read, or the bytes are not of the type that was claimed."""

    reason = "document_type"
    message_text = "is of no type that is read here, or not of the type that it claims to be"


class DocumentEncrypted(UnreadableDocument):
    """The file asks for a password."""

    reason = "document_encrypted"
    message_text = "is encrypted"


class DocumentWithoutText(UnreadableDocument):
    """The file has pages, but no text: scanned pages, for instance."""

    reason = "document_no_text"
    message_text = "holds no text, only images perhaps"


class DocumentMalformed(UnreadableDocument):
    """The file breaks the rules of its format."""

    reason = "document_malformed"
    message_text = "is damaged"


class DocumentTooComplex(UnreadableDocument):
    """Reading the file takes more time or memory than one file may."""

    reason = "document_too_complex"
    message_text = "takes more time or memory to read than one file may"


class TextTooLong(UnreadableDocument):
    """The text in the file is above the limit of a document."""

    reason = "document_text_too_long"
    message_text = "holds more text than one document may"


class ArchiveUnsafe(UnreadableDocument):
    """The archive inside the file unpacks to far too much, or names files outside itself."""

    reason = "archive_unsafe"
    message_text = "is an archive that is not safe to unpack"


class XmlUnsafe(UnreadableDocument):
    """The XML inside the file declares entities."""

    reason = "xml_unsafe"
    message_text = "holds XML with a document type or entities"


class UrlForbidden(OloError):
    """The URL does not lead to the public web, or fetching is not allowed here at all."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "url_forbidden"

    def __init__(self) -> None:
        super().__init__("document.url: must not be fetched from here", field="document.url")


class RobotsDisallow(OloError):
    """The web server's robots.txt asks that the page be left alone."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "robots_disallow"

    def __init__(self) -> None:
        super().__init__("document.url: its server asks robots to leave it alone", field="document.url")


class FetchLimit(OloError):
    """The page takes too long, is too large, or redirects too often."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "fetch_limit"

    def __init__(self) -> None:
        super().__init__("document.url: takes too long, is too large or redirects too often", field="document.url")


class FetchFailed(OloError):
    """The web server refuses the page."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "fetch_failed"

    def __init__(self, status: int) -> None:
        super().__init__(f"document.url: its server answers with status {status}", field="document.url")


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


class MigrationTooSlow(OloError):
    """A migration has not come to its end in the time that it may take."""

    code = ErrorCode.DEADLINE_EXCEEDED
    reason = "migration_too_slow"

    def __init__(self) -> None:
        super().__init__("the migration did not finish in time")


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


class IngestFailed(OloError):
    """A document of a source was not indexed; the reason is that of its document."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "ingest_failed"

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message or "the document could not be indexed")
        self.reason = reason or type(self).reason
