"""The keys that encrypt payloads, out of a file that is read again when it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from olo_common.changing_files import ChangingFiles, content_of
from olo_common.errors import StartupError
from olo_common.logs import logger
from olo_common.metrics import Counter
from olo_common.payload_key_lines import PayloadKeysInvalid, keys_of

KEY_RELOADS: Final = Counter(
    "olo_payload_key_reloads",
    "Changes of the file of payload keys that were noticed: `loaded`, or `refused` and the old keys kept.",
    ("outcome",),
)
_MOST_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, eq=False)
class PayloadKeys:
    """What the file held when it was read.

    Attributes:
        first: The id of the key that encrypts.
        by_id: All keys; each decrypts what it has encrypted.
    """

    first: str
    by_id: Mapping[str, bytes]


@cache
def payload_keys(path: Path) -> ChangingFiles[PayloadKeys]:
    """The keys in a file, as they are now; all clients of a process share them.

    Raises:
        StartupError: The file cannot be used.
    """
    try:
        return ChangingFiles([path], lambda: _read(path), problem=PayloadKeysInvalid, told=_tell)
    except PayloadKeysInvalid as problem:
        raise StartupError(f"OLO_PAYLOAD_KEYS_FILE: {path}: {problem}") from None


def _read(path: Path) -> PayloadKeys:
    try:
        by_id = keys_of(content_of(path, _MOST_BYTES, PayloadKeysInvalid).decode())
    except UnicodeDecodeError:
        raise PayloadKeysInvalid("it is no text") from None
    return PayloadKeys(next(iter(by_id)), by_id)


def _tell(problem: Exception | None) -> None:
    if problem is None:
        KEY_RELOADS.add(outcome="loaded")
        logger(__name__).info("payload_keys_loaded")
    else:
        KEY_RELOADS.add(outcome="refused")
        logger(__name__).warning("payload_keys_refused", problem=str(problem))
