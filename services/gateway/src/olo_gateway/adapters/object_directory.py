"""Objects as files of a directory, which all gateways of a cluster share."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from olo_gateway.errors import ObjectMissing, StoreAway
from olo_gateway.files.objects import PIECE_BYTES

_KEY: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_PARTIAL: Final = ".partial"
_ABANDONED_SECONDS: Final = 24 * 3600


class ObjectDirectory:
    """Writes beside, then renames: a process that is killed leaves a partial file that nobody reads.

    Args:
        directory: Where; it is made if it is missing.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def put(self, key: str, content: AsyncIterable[bytes]) -> int:
        """See `files.objects.ObjectStore`."""
        path, partial = self._path(key), self._directory / _PARTIAL / uuid.uuid4().hex
        size = 0
        try:
            with _away():
                file = await asyncio.to_thread(_opened, partial)
            try:
                async for piece in content:
                    size += len(piece)
                    with _away():
                        await asyncio.to_thread(file.write, piece)
                with _away():
                    await asyncio.to_thread(_finish, file, partial, path)
            finally:
                file.close()
        except BaseException:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise
        return size

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        """See `files.objects.ObjectStore`."""
        with _away():
            file = await asyncio.to_thread(_found, self._path(key), start)
        try:
            left = length
            while left is None or left > 0:
                with _away():
                    piece = await asyncio.to_thread(file.read, PIECE_BYTES if left is None else min(left, PIECE_BYTES))
                if not piece:
                    return
                left = None if left is None else left - len(piece)
                yield piece
        finally:
            file.close()

    async def names(self, folder: str) -> list[str]:
        """See `files.objects.ObjectStore`."""
        with _away():
            return await asyncio.to_thread(_listed, self._path(folder))

    async def delete(self, key: str) -> None:
        """See `files.objects.ObjectStore`."""
        with _away():
            await asyncio.to_thread(self._path(key).unlink, True)

    async def sweep(self) -> None:
        """Deletes partial files whose writers have died."""
        with _away():
            await asyncio.to_thread(_remove_old, self._directory / _PARTIAL)

    def _path(self, key: str) -> Path:
        # Keys are made by the core; this keeps a mistake there from leaving the directory.
        assert _KEY.fullmatch(key), key
        return self._directory / key


@contextlib.contextmanager
def _away() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise ObjectMissing from None
    except OSError as error:
        raise StoreAway from error


def _opened(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("xb")


def _finish(file: BinaryIO, partial: Path, path: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    path.parent.mkdir(parents=True, exist_ok=True)
    partial.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _found(path: Path, start: int) -> BinaryIO:
    file = path.open("rb")
    file.seek(start)
    return file


def _listed(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_file())
    except FileNotFoundError:
        return []


def _remove_old(folder: Path) -> None:
    oldest = time.time() - _ABANDONED_SECONDS
    for path in folder.glob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                path.unlink()
