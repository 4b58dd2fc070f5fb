"""What is text already."""

from __future__ import annotations

from olo_retrieval.parsing.extracted import Extracted, Structure, TextWriter
from olo_retrieval.parsing.readers.encoding import decoded


def read_text(data: bytes, writer: TextWriter) -> Extracted:
    """Plain text, as it is."""
    writer.paragraph(decoded(data))
    return writer.extracted(Structure.TEXT)


def read_markdown(data: bytes, writer: TextWriter) -> Extracted:
    """Markdown, as it is."""
    writer.paragraph(decoded(data))
    return writer.extracted(Structure.MARKDOWN)


def read_code(data: bytes, writer: TextWriter) -> Extracted:
    """Source code, as it is."""
    writer.paragraph(decoded(data))
    return writer.extracted(Structure.CODE)
