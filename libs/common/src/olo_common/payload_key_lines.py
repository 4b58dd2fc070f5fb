"""The file of the keys that encrypt payloads: one line for each key, its id and 256 bits in base64.

The first key encrypts, and each decrypts what it has encrypted. Blank lines and those that begin with `#` say nothing.
Who makes keys and who uses them share this alone.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Mapping
from typing import Final

KEY_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
"""It stands beside each payload, in the clear."""
KEY_BYTES: Final = 32
_ID_BYTES: Final = 4


class PayloadKeysInvalid(Exception):
    """The file cannot be used. The message names the line, and quotes nothing."""


def keys_of(text: str) -> Mapping[str, bytes]:
    """The keys by their ids, in the order of the file.

    Raises:
        PayloadKeysInvalid: It holds no key, or something else.
    """
    found: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2:
            raise PayloadKeysInvalid(f"line {number}: must be an id, a space and a key in base64")
        key_id, spelled = words
        if not KEY_ID.fullmatch(key_id):
            raise PayloadKeysInvalid(f"line {number}: an id is made of 1 to 63 letters, digits, points, _ and -")
        if key_id in found:
            raise PayloadKeysInvalid(f"line {number}: the id {key_id} stands in an earlier line, too")
        try:
            key = base64.b64decode(spelled, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            raise PayloadKeysInvalid(f"line {number}: the key must be {KEY_BYTES} bytes in base64")
        found[key_id] = key
    if not found:
        raise PayloadKeysInvalid("it holds no key")
    return found


def new_id() -> str:
    """An id for a new key."""
    return f"k-{secrets.token_hex(_ID_BYTES)}"


def new_line(key_id: str) -> str:
    """A line with a new key."""
    return f"{key_id} {base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}"
