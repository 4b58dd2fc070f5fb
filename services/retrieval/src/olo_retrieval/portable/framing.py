"""The file of a collection: a plain tar archive of small members in a fixed order, sealed by its last one.

The seal has the SHA-256 of every byte before it. Reading stops at the first thing that is not as it was written.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import AsyncIterable
from typing import Final

from olo_retrieval.errors import ImportMalformed, ImportTooLarge, ImportTruncated

_BLOCK: Final = tarfile.BLOCKSIZE
_ZEROS: Final = bytes(_BLOCK)


class Seal:
    """Counts and digests the bytes of a file."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.size = 0

    def add(self, data: bytes) -> bytes:
        """Takes the next bytes in, and gives them back."""
        self._digest.update(data)
        self.size += len(data)
        return data

    @property
    def sha256(self) -> str:
        """The digest of all so far, hexadecimal."""
        return self._digest.hexdigest()


def member(name: str, content: bytes) -> bytes:
    """A member as it stands in the file."""
    return _head(name, len(content)) + content + bytes(-len(content) % _BLOCK)


def end() -> bytes:
    """What ends an archive."""
    return 2 * _ZEROS


def _head(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


class Members:
    """Reads members from bytes that come in pieces of any length.

    Args:
        data: The bytes.
        most_bytes: Limit of the whole file.
        most_member_bytes: Limit of one member, which is held in memory.
    """

    def __init__(self, data: AsyncIterable[bytes], *, most_bytes: int, most_member_bytes: int) -> None:
        self._pieces = aiter(data)
        self._most_bytes = most_bytes
        self._most_member_bytes = most_member_bytes
        self._held = bytearray()
        self._received = 0
        self._seal = Seal()

    @property
    def seal(self) -> tuple[int, str]:
        """Bytes so far, and their digest."""
        return self._seal.size, self._seal.sha256

    async def read(self) -> tuple[str, bytes]:
        """The name and the content of the next member.

        Raises:
            ImportTruncated: The bytes end before the member does.
            ImportMalformed: What comes is no member as this project writes them.
            ImportTooLarge: The file is above a limit.
        """
        name, size = self._named(self._seal.add(await self._take(_BLOCK)))
        content = self._seal.add(await self._take(size))
        if any(self._seal.add(await self._take(-size % _BLOCK))):
            raise ImportMalformed("the padding of a member is not empty")
        return name, content

    async def finish(self) -> None:
        """Reads the end of the archive. Raises as `read`."""
        if any(await self._take(2 * _BLOCK)) or any(self._held):
            raise ImportMalformed("something follows the last member")
        while piece := await self._next():
            # Programs that write tar archives fill the last record up.
            if any(piece):
                raise ImportMalformed("something follows the last member")

    def _named(self, head: bytes) -> tuple[str, int]:
        try:
            info = tarfile.TarInfo.frombuf(head, "ascii", "strict")
            as_written = _head(info.name, info.size)
        except (tarfile.TarError, ValueError):
            raise ImportMalformed("it is not the file of a collection") from None
        if head != as_written:
            raise ImportMalformed("a member is not written as in the file of a collection")
        if info.size > self._most_member_bytes:
            raise ImportTooLarge(self._most_member_bytes)
        return info.name, info.size

    async def _take(self, count: int) -> bytes:
        while len(self._held) < count:
            piece = await self._next()
            if not piece:
                raise ImportTruncated
            self._held += piece
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken

    async def _next(self) -> bytes:
        """The next bytes; none at the end."""
        async for piece in self._pieces:
            self._received += len(piece)
            if self._received > self._most_bytes:
                raise ImportTooLarge(self._most_bytes)
            if piece:
                return piece
        return b""
