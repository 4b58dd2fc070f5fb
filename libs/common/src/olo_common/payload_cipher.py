"""AES-256-GCM for the payloads of one workflow, under a key that HMAC-SHA256 derives from one of the file."""

from __future__ import annotations

import hmac
import os
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_LABEL: Final = b"olo payload 1\0"
_NONCE_BYTES: Final = 12
_DERIVED: Final = 2048


def seal(secret: bytes, workflow_id: bytes, key_id: bytes, data: bytes) -> bytes:
    """A random nonce, and the data encrypted with it; the id of the key is bound to them."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _cipher(secret, workflow_id).encrypt(nonce, data, key_id)


def unseal(secret: bytes, workflow_id: bytes, key_id: bytes, sealed: bytes) -> bytes:
    """What was sealed.

    Raises:
        ValueError: It is not what was sealed with this key, for this workflow.
    """
    try:
        return _cipher(secret, workflow_id).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], key_id)
    except InvalidTag:
        raise ValueError("not authentic") from None


@lru_cache(_DERIVED)
def _cipher(secret: bytes, workflow_id: bytes) -> AESGCM:
    return AESGCM(hmac.digest(secret, _LABEL + workflow_id, "sha256"))
