"""The file of keys on disk: read at the start, and again whenever it is another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from olo_common.changing_files import ChangingFiles, content_of
from olo_common.errors import StartupError
from olo_common.lifecycle import Lifetime, background
from olo_common.logs import logger
from olo_gateway.access.keyring import Keyring
from olo_gateway.access.records import KeyRecord, KeysFileInvalid, records_of
from olo_gateway.telemetry import KEYS, KEYS_REFUSED

CHECK_SECONDS: Final = 1.0
_MAX_BYTES: Final = 16 * 1024 * 1024


@asynccontextmanager
async def kept_keys(path: str, lifetime: Lifetime) -> AsyncIterator[Keyring]:
    """The keys of a file, as it says while entered.

    Raises:
        StartupError: It cannot be used.
    """
    keys = Keyring()
    file = KeyFile(path, keys)
    KEYS.watch(lambda: keys.size)
    KEYS_REFUSED.watch(lambda: file.refused)
    async with background(file.watch(), "keys-watch", lifetime):
        yield keys


class KeyFile:
    """Keeps a keyring as its file says.

    Whether the file is replaced, written over, or a link in its path is turned to another folder, as Kubernetes does
    with secrets: it is read again. One that cannot be used leaves the keys as they are.

    Args:
        path: Where it is.
        keys: What is kept.

    Raises:
        StartupError: It cannot be used.
    """

    def __init__(self, path: str, keys: Keyring) -> None:
        self._path = Path(path)
        self._keys = keys
        self.refused = False
        """Whether the file as it is now cannot be used."""
        try:
            self._files = ChangingFiles([self._path], self._read, problem=KeysFileInvalid, told=self._told)
        except KeysFileInvalid as error:
            raise StartupError(f"OLO_GATEWAY_API_KEYS_FILE: {error}") from None
        self._held = self._files.current()
        self._take()

    async def watch(self, every: float = CHECK_SECONDS) -> None:
        """Looks for ever whether it has changed.

        Args:
            every: Seconds from look to look.
        """
        while True:
            await asyncio.sleep(every)
            await self.check()

    async def check(self) -> None:
        """Reads it again where it has changed since the last look."""
        held = await asyncio.to_thread(self._files.current, at_once=True)
        if held is not self._held:
            self._held = held
            self._take()

    def _take(self) -> None:
        self._keys.replace(self._held)
        logger(__name__).info("keys_file_taken", number=len(self._held))

    def _told(self, problem: Exception | None) -> None:
        self.refused = problem is not None
        if problem is not None:
            logger(__name__).warning("keys_file_refused", problem=str(problem))

    def _read(self) -> Mapping[str, KeyRecord]:
        content = content_of(self._path, _MAX_BYTES, KeysFileInvalid)
        # Nobody else needs it, and not every gateway has keys.
        import yaml

        try:
            document = yaml.load(content, yaml.CSafeLoader)
        except (yaml.YAMLError, UnicodeDecodeError, ValueError):
            # What it says would quote the file.
            raise KeysFileInvalid("it is not valid YAML") from None
        return records_of(document)
