"""API keys: how they are spelled, made and hashed. Who makes them and who asks for them share this alone.

A key is `olo-<id>-<secret>`: the prefix lets scanners of leaked secrets know it, the id may be told to anyone, and the
secret has 256 bits, so that one round of SHA-256 keeps it as safe as it is.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

KEY: Final = re.compile(r"olo-([a-z0-9]{4,32})-([A-Za-z0-9_-]{43})")
KEY_ID: Final = re.compile(r"[a-z0-9]{4,32}")
TENANT: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""Also the name of a folder and a label of metrics."""
HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")

ROLES: Final = ("user", "admin")
"""What keys may be for: `user` asks and keeps things of its tenant, `admin` may do that and what operators do."""
PRIORITIES: Final = ("batch", "normal", "interactive")
"""From the least to the most urgent."""
LIMITS: Final = ("requests_per_minute", "tokens_per_minute", "concurrency")

_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 32


def new_key() -> tuple[str, str]:
    """A new id and the whole key of which it is part."""
    key_id = secrets.token_hex(_ID_BYTES)
    return key_id, renewed(key_id)


def renewed(key_id: str) -> str:
    """A new key with this id."""
    return f"olo-{key_id}-{secrets.token_urlsafe(_SECRET_BYTES)}"


def hash_of(key: str) -> str:
    """What is kept of a key."""
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def id_of(key: str) -> str:
    """The id in a key; empty where it is not spelled like one."""
    spelled = KEY.fullmatch(key)
    return spelled[1] if spelled else ""
