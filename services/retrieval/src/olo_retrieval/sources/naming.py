"""The ids of the documents of a source. Pure."""

from __future__ import annotations

import hashlib
import re

LONGEST_KEY = 1_024

_NOT_AN_ID = re.compile(r"[^A-Za-z0-9_]+")
_WORDS = 40


def document_id_of(source_id: str, key: str) -> str:
    """The id that a key always has: `handbook.guides-tram-md-0c5b1f2a9d3e4f60`, at most 121 characters."""
    words = _NOT_AN_ID.sub("-", key)[-_WORDS:].strip("-_") or "doc"
    return f"{source_id}.{words}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
