"""Which format a file has: what its name or media type claims, and whether its first bytes agree."""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath

from olo_contracts.files import ENDINGS
from olo_retrieval.errors import DocumentEncrypted, DocumentTypeWrong


class Format(StrEnum):
    """A format that can be read."""

    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"
    PDF = "pdf"
    DOCX = "docx"
    PPTX = "pptx"
    XLSX = "xlsx"
    CSV = "csv"
    TSV = "tsv"
    JSON = "json"
    JSONL = "jsonl"
    CODE = "code"


_OFFICE = "application/vnd.openxmlformats-officedocument."
_MEDIA_TYPES = {
    "text/plain": Format.TEXT,
    "text/markdown": Format.MARKDOWN,
    "text/html": Format.HTML,
    "application/xhtml+xml": Format.HTML,
    "application/pdf": Format.PDF,
    f"{_OFFICE}wordprocessingml.document": Format.DOCX,
    f"{_OFFICE}presentationml.presentation": Format.PPTX,
    f"{_OFFICE}spreadsheetml.sheet": Format.XLSX,
    "text/csv": Format.CSV,
    "text/tab-separated-values": Format.TSV,
    "application/json": Format.JSON,
    "application/jsonl": Format.JSONL,
    "application/x-ndjson": Format.JSONL,
    "text/x-python": Format.CODE,
    "text/javascript": Format.CODE,
}
_BY_ENDING = {ending: Format(name) for name, endings in ENDINGS.items() for ending in endings}

_ZIPPED = (Format.DOCX, Format.PPTX, Format.XLSX)
_ZIP, _PDF, _OLE = b"PK\x03\x04", b"%PDF-", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PDF_HEADER_WITHIN = 1024
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def claimed_format(media_type: str, source: str) -> Format:
    """The format that the media type names, else the ending of the source.

    Raises:
        DocumentTypeWrong: Neither names one that is read.
    """
    essence = media_type.partition(";")[0].strip().lower()
    # A server that does not know says octet-stream; the name knows better.
    if essence and essence != "application/octet-stream":
        found = _MEDIA_TYPES.get(essence)
    else:
        path = source.partition("?")[0].partition("#")[0]
        found = _BY_ENDING.get(PurePosixPath(path).suffix.lower().removeprefix("."))
    if found is None:
        raise DocumentTypeWrong
    return found


def recognise(data: bytes, claimed: Format) -> Format:
    """The claimed format, if the first bytes agree with it.

    Raises:
        DocumentTypeWrong: They belong to another format.
        DocumentEncrypted: They are those of an Office file with a password.
    """
    if claimed in _ZIPPED and data.startswith(_OLE):
        raise DocumentEncrypted
    if claimed in _ZIPPED:
        agrees = data.startswith(_ZIP)
    elif claimed is Format.PDF:
        agrees = _PDF in data[:_PDF_HEADER_WITHIN]
    else:
        binary = b"\0" in data and not data.startswith(_UTF16)
        agrees = not (binary or data.startswith((_ZIP, _PDF, _OLE)))
    if not agrees:
        raise DocumentTypeWrong
    return claimed
