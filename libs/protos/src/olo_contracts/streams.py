"""What NATS keeps for a while, for those who come later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from olo_contracts.subjects import STREAM_PREFIX


@dataclass(frozen=True, slots=True)
class Kept:
    """Subjects that are kept under a name: for so many seconds, in so many bytes of the server's memory."""

    name: str
    pattern: str
    seconds: float
    max_bytes: int


CHUNK_STREAM: Final = Kept("OLO_CHUNKS", f"{STREAM_PREFIX}.*", seconds=300, max_bytes=64 * 1024 * 1024)
"""Token chunks, so that a stream can be resumed elsewhere while its run goes on; afterwards the result serves."""
