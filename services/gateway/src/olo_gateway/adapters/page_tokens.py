"""Page tokens with a checksum: Temporal takes a mangled token of its own for trouble, and retries for seconds."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Final

from olo_common.errors import InvalidField

_CHECKSUM_BYTES: Final = 4


def wrapped(token: bytes | None) -> str:
    """A server's token as callers get it; empty at the end of the list."""
    return base64.urlsafe_b64encode(_checksum(token) + token).decode() if token else ""


def unwrapped(page_token: str) -> bytes | None:
    """The server's token; None for the first page.

    Raises:
        InvalidField: It is not one that `wrapped` has made.
    """
    if not page_token:
        return None
    try:
        whole = base64.b64decode(page_token.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        whole = b""
    checksum, token = whole[:_CHECKSUM_BYTES], whole[_CHECKSUM_BYTES:]
    if not token or checksum != _checksum(token):
        raise InvalidField("page_token", "not a token of this list")
    return token


def _checksum(token: bytes) -> bytes:
    return zlib.crc32(token).to_bytes(_CHECKSUM_BYTES, "big")
