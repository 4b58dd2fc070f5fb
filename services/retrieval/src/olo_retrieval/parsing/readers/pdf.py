"""PDF, page by page."""

from __future__ import annotations

import io
import logging

from pypdf import PdfReader
from pypdf.errors import FileNotDecryptedError, LimitReachedError, PyPdfError

from olo_retrieval.errors import DocumentEncrypted, DocumentMalformed, DocumentTooComplex, DocumentWithoutText
from olo_retrieval.parsing.extracted import Extracted, Structure, TextWriter

_MOST_PAGES = 5_000


def read_pdf(data: bytes, writer: TextWriter) -> Extracted:
    """The text of each page.

    Raises:
        DocumentEncrypted: A password is asked for.
        DocumentWithoutText: No page has text.
        DocumentTooComplex: There are more than 5000 pages, or a stream unpacks to too much.
        DocumentMalformed: It is no PDF that can be followed.
    """
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        return _read(PdfReader(io.BytesIO(data)), writer)
    except FileNotDecryptedError:
        raise DocumentEncrypted from None
    except LimitReachedError:
        raise DocumentTooComplex from None
    except PyPdfError:
        raise DocumentMalformed from None


def _read(reader: PdfReader, writer: TextWriter) -> Extracted:
    # Many files are encrypted with the empty password, only to forbid printing.
    if reader.is_encrypted and not reader.decrypt(""):
        raise DocumentEncrypted
    if len(reader.pages) > _MOST_PAGES:
        raise DocumentTooComplex
    blank = True
    for page in reader.pages:
        writer.begin_page()
        text = page.extract_text()
        blank = blank and not text.strip()
        writer.paragraph(text)
    if blank:
        raise DocumentWithoutText
    return writer.extracted(Structure.TEXT)
