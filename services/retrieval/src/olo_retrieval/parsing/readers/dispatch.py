"""Which reader reads which format."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from olo_retrieval.errors import DocumentEmpty, DocumentMalformed, DocumentTooComplex, UnreadableDocument
from olo_retrieval.parsing.extracted import Extracted, TextWriter
from olo_retrieval.parsing.formats import Format, recognise

_READERS = {
    Format.TEXT: "plain:read_text",
    Format.MARKDOWN: "plain:read_markdown",
    Format.CODE: "plain:read_code",
    Format.HTML: "html:read_html",
    Format.PDF: "pdf:read_pdf",
    Format.DOCX: "office.docx:read_docx",
    Format.PPTX: "office.pptx:read_pptx",
    Format.XLSX: "office.xlsx:read_xlsx",
    Format.CSV: "records:read_csv",
    Format.TSV: "records:read_tsv",
    Format.JSON: "records:read_json",
    Format.JSONL: "records:read_jsonl",
}


def reader_of(claimed: Format) -> Callable[[bytes, TextWriter], Extracted]:
    """The reader of a format. Only it is imported: a process that reads one file need not know PDF."""
    module, _, name = _READERS[claimed].partition(":")
    reader: Callable[[bytes, TextWriter], Extracted] = getattr(import_module(f"{__package__}.{module}"), name)
    return reader


def extract(data: bytes, claimed: Format, max_chars: int) -> Extracted:
    """The text of a file of this format.

    Raises:
        UnreadableDocument: One of its kinds; a reader that fails for another reason counts as DocumentMalformed.
        DocumentEmpty: There is nothing in it.
    """
    if not data.strip():
        raise DocumentEmpty("document.data")
    recognise(data, claimed)
    try:
        extracted = reader_of(claimed)(data, TextWriter(max_chars))
    except (UnreadableDocument, DocumentEmpty):
        raise
    except (MemoryError, RecursionError):
        raise DocumentTooComplex from None
    except Exception:
        # Parsers of other people's files fail in ways that nobody has listed.
        raise DocumentMalformed from None
    if not extracted.text.strip():
        raise DocumentEmpty("document.data")
    return extracted
