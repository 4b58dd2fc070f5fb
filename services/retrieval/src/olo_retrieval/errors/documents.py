"""Errors of documents that are handed in: their text, their file, the page behind their URL."""

from __future__ import annotations

from olo_common.errors import ErrorCode, OloError


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
