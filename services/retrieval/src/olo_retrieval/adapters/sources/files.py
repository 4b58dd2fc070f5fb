"""Files of a local folder. Symbolic links to folders are not followed, those to files only within the root."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from olo_retrieval.errors import DocumentTooLarge, SourceAway, SourceForbidden, SourceTooLarge
from olo_retrieval.sources.model import Content, Item, Listed, Listing


class LocalFiles:
    """A Connector.

    Args:
        path: The real path of a file or folder.
        root: The real path of the folder that no file may lie outside of.
        chosen: Which relative paths are documents.
        max_files: More are refused.
        max_bytes: Limit of one file.
    """

    def __init__(
        self, path: Path, root: Path, chosen: Callable[[str], bool], *, max_files: int, max_bytes: int
    ) -> None:
        self._path = path
        self._root = root
        self._chosen = chosen
        self._max_files = max_files
        self._max_bytes = max_bytes

    async def listing(self, cursor: str) -> Listing:
        """Every file, by its path, with its time of change and size."""
        return Listing(await asyncio.to_thread(self._list))

    async def load(self, item: Item) -> Content:
        """The bytes of a file."""
        return Content(await asyncio.to_thread(self._read, item.key), item.key)

    def _list(self) -> list[Listed]:
        found: list[Listed] = []
        try:
            for name, file in self._files():
                try:
                    status = file.stat()
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(status.st_mode):
                    found.append(Listed(name, f"{status.st_mtime_ns}-{status.st_size}"))
                if len(found) > self._max_files:
                    raise SourceTooLarge(self._max_files)
        except OSError:
            raise SourceAway("cannot be read") from None
        return found

    def _files(self) -> Iterator[tuple[str, Path]]:
        if not self._path.is_dir():
            yield self._path.name, self._path
            return
        for folder, _, names in os.walk(self._path, onerror=_raise):
            for name in sorted(names):
                file = Path(folder) / name
                relative = file.relative_to(self._path).as_posix()
                if self._chosen(relative):
                    yield relative.encode("utf-8", "backslashreplace").decode(), file

    def _read(self, key: str) -> bytes:
        file = self._path / key if self._path.is_dir() else self._path
        real = Path(os.path.realpath(file))
        if not real.is_relative_to(self._root):
            raise SourceForbidden("source.files.path", "a symbolic link leads out of what the operator allows")
        try:
            # What it was when it was listed may have changed: no link, no pipe is opened.
            handle = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            raise SourceAway("has a file that cannot be read") from None
        with os.fdopen(handle, "rb") as opened:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise SourceAway("has a file that cannot be read")
            if status.st_size > self._max_bytes:
                raise DocumentTooLarge("document.data", status.st_size, self._max_bytes)
            return opened.read(self._max_bytes + 1)


def _raise(error: OSError) -> None:
    raise error
