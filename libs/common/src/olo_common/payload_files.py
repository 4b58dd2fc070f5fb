"""Large payloads of Temporal as files: a driver of the SDK's external storage for one machine, or a shared directory.

A payload's name is the SHA-256 of its bytes, so that the same prompt of several attempts is one file, and what is read
back can be proved to be what was written. Files are deleted by age alone: `remove_old`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
)

from olo_common.payload_errors import PayloadCorrupt, PayloadMissing, PayloadNotStored, final

DRIVER_NAME: Final = "olo.files"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_CLAIM: Final = "sha256"
_FOLDERS: Final = "[0-9a-f][0-9a-f]/*"


class PayloadFiles(StorageDriver):
    """Payloads in a directory that all who share a namespace must see.

    Args:
        directory: Where; it is made if it is missing.
        max_bytes: The largest payload that is taken.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory = directory
        self._max_bytes = max_bytes

    def name(self) -> str:
        """The name in references."""
        return DRIVER_NAME

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        """Writes payloads; returns once they are on disk.

        Raises:
            ApplicationError: One is too large, or cannot be written; trying again is no use.
        """
        return [await asyncio.to_thread(self._write, payload.SerializeToString()) for payload in payloads]

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Reads payloads.

        Raises:
            ApplicationError: One is missing, or is not what was written; trying again is no use.
        """
        return [await asyncio.to_thread(self._read, claim.claim_data.get(_CLAIM, "")) for claim in claims]

    def remove_old(self, seconds: float) -> int:
        """Deletes what was last stored longer ago than this, half-written files too; returns how many.

        What else an operator keeps below the directory is left alone.
        """
        oldest, removed = time.time() - seconds, 0
        for path in self._directory.glob(_FOLDERS):
            try:
                if path.stat().st_mtime < oldest:
                    path.unlink()
                    removed += 1
            except FileNotFoundError:
                continue
        return removed

    def _write(self, content: bytes) -> StorageDriverClaim:
        if len(content) > self._max_bytes:
            raise final(PayloadNotStored(f"it has {len(content)} bytes; at most {self._max_bytes} are stored"))
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        try:
            # Written anew also where it is there already: its age begins again, and damage is mended.
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).replace(path)
        except OSError as error:
            raise final(PayloadNotStored("the storage does not take it")) from error
        return StorageDriverClaim({_CLAIM: digest})

    def _read(self, digest: str) -> Payload:
        if not _DIGEST.fullmatch(digest):
            raise final(PayloadCorrupt())
        try:
            content = self._path(digest).read_bytes()
        except FileNotFoundError as error:
            raise final(PayloadMissing()) from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise final(PayloadCorrupt())
        return Payload.FromString(content)

    def _path(self, digest: str) -> Path:
        return self._directory / digest[:2] / digest
