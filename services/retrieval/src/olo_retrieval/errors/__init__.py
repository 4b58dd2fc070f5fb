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

from olo_retrieval.errors.collections import (
    CollectionExists,
    CollectionNotFound,
    EmbeddingMismatch,
    FilterInvalid,
    IndexIncomplete,
    SparseUnavailable,
)
from olo_retrieval.errors.documents import (
    ArchiveUnsafe,
    DocumentEmpty,
    DocumentEncrypted,
    DocumentMalformed,
    DocumentNotFound,
    DocumentTooComplex,
    DocumentTooLarge,
    DocumentTypeWrong,
    DocumentWithoutText,
    FetchFailed,
    FetchLimit,
    RobotsDisallow,
    TextTooLong,
    UnreadableDocument,
    UrlForbidden,
    XmlUnsafe,
)
from olo_retrieval.errors.moving import (
    DocumentNotCopied,
    ImportMalformed,
    ImportTooLarge,
    ImportTruncated,
    MigrationNotFound,
    MigrationOpen,
    MigrationStateWrong,
    MigrationTooSlow,
    OverlapTooLow,
)
from olo_retrieval.errors.sources import (
    IngestFailed,
    SourceAway,
    SourceExists,
    SourceForbidden,
    SourceMalformed,
    SourceNotFound,
    SourceTooLarge,
)

__all__ = [
    "ArchiveUnsafe",
    "CollectionExists",
    "CollectionNotFound",
    "DocumentEmpty",
    "DocumentEncrypted",
    "DocumentMalformed",
    "DocumentNotCopied",
    "DocumentNotFound",
    "DocumentTooComplex",
    "DocumentTooLarge",
    "DocumentTypeWrong",
    "DocumentWithoutText",
    "EmbeddingMismatch",
    "FetchFailed",
    "FetchLimit",
    "FilterInvalid",
    "ImportMalformed",
    "ImportTooLarge",
    "ImportTruncated",
    "IndexIncomplete",
    "IngestFailed",
    "MigrationNotFound",
    "MigrationOpen",
    "MigrationStateWrong",
    "MigrationTooSlow",
    "OverlapTooLow",
    "RobotsDisallow",
    "SourceAway",
    "SourceExists",
    "SourceForbidden",
    "SourceMalformed",
    "SourceNotFound",
    "SourceTooLarge",
    "SparseUnavailable",
    "TextTooLong",
    "UnreadableDocument",
    "UrlForbidden",
    "XmlUnsafe",
]
