"""Texts of callers."""

from __future__ import annotations

from olo_common.errors import InvalidField


def utf8_length(field: str, text: str) -> int:
    """The length of a text in bytes.

    Raises:
        InvalidField: It holds half of a character.
    """
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise InvalidField(field, "the text is not valid UTF-8", reason="text_not_utf8") from None
