"""Bytes to characters."""

from __future__ import annotations

import codecs
import re

from olo_retrieval.errors import DocumentMalformed

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DECLARED = re.compile(rb"<meta[^>]{0,200}charset=[\"']?([A-Za-z0-9_:-]{1,40})", re.IGNORECASE)
_DECLARED_WITHIN = 4096
_TEXT_CODECS = re.compile(r"utf|iso-?8859|latin|windows|cp\d|koi8|gb|big5|euc|shift|ascii", re.IGNORECASE)


def decoded(data: bytes, *, html: bool = False) -> str:
    """The text by its byte order mark, by what an HTML page declares, else by UTF-8; line ends become newlines.

    Raises:
        DocumentMalformed: The bytes are not text of that encoding.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    if html and encoding == "utf-8" and (found := _DECLARED.search(data[:_DECLARED_WITHIN])):
        name = found.group(1).decode()
        encoding = name if _TEXT_CODECS.match(name) else encoding
    try:
        text = data.decode(encoding)
    except (UnicodeError, LookupError):
        raise DocumentMalformed from None
    return text.replace("\r\n", "\n").replace("\r", "\n")
