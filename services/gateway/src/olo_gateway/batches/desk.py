"""What a batch keeps beside its history while it runs: its lines with an index of them, and the rows that are done."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from olo_gateway.batches.lines import RawLine, split
from olo_gateway.errors import ObjectMissing
from olo_gateway.files.objects import ObjectStore, get_bytes, put_bytes

_ENTRY: Final = struct.Struct("<QQ")
_DONE: Final = "done"
_FAILED: Final = "failed"
_READS: Final = 16


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of a line that is done."""

    line: int
    """From 0."""
    succeeded: bool


class Desk:
    """The work of one batch.

    Args:
        objects: Where it is kept.
        tenant: Whose batch it is.
        batch_id: Which.
    """

    def __init__(self, objects: ObjectStore, tenant: str, batch_id: str) -> None:
        self._objects = objects
        self._folder = f"work/{tenant}/{batch_id}"

    async def keep(self, pieces: AsyncIterable[bytes]) -> AsyncGenerator[RawLine, None]:
        """Copies the file of the batch, so that it may be deleted meanwhile; gives its lines on the way."""
        index = bytearray()
        await self._objects.put(f"{self._folder}/input", pieces)
        async with aclosing(self._objects.read(f"{self._folder}/input")) as kept, aclosing(split(kept)) as lines:
            async for line in lines:
                index += _ENTRY.pack(line.offset, len(line.content))
                yield line
        await put_bytes(self._objects, f"{self._folder}/index", bytes(index))

    async def line(self, number: int) -> RawLine:
        """A line of the copy, by its number from 0 among those that are not blank."""
        entry = await get_bytes(self._objects, f"{self._folder}/index", number * _ENTRY.size, _ENTRY.size)
        offset, length = _ENTRY.unpack(entry)
        return RawLine(number + 1, offset, await get_bytes(self._objects, f"{self._folder}/input", offset, length))

    async def put(self, row: Row, content: bytes) -> None:
        """Keeps the row of a line; once it is kept, the line is done, whatever comes."""
        await put_bytes(self._objects, self._key(row), content)

    async def get(self, line: int) -> tuple[Row, bytes] | None:
        """The row of a line; None: it is not done."""
        for succeeded in (True, False):
            row = Row(line, succeeded)
            try:
                return row, await self.content(row)
            except ObjectMissing:
                continue
        return None

    async def rows(self) -> list[Row]:
        """The lines that are done, in their order, each once."""
        succeeded = {int(name) for name in await self._objects.names(f"{self._folder}/{_DONE}")}
        failed = {int(name) for name in await self._objects.names(f"{self._folder}/{_FAILED}")}
        return [Row(line, line in succeeded) for line in sorted(succeeded | failed)]

    async def content(self, row: Row) -> bytes:
        """The row as it was kept."""
        return await get_bytes(self._objects, self._key(row))

    async def contents(self, rows: list[Row]) -> AsyncGenerator[bytes, None]:
        """Rows as they were kept."""
        for first in range(0, len(rows), _READS):
            for content in await asyncio.gather(*(self.content(row) for row in rows[first : first + _READS])):
                yield content

    async def clear(self) -> None:
        """Deletes everything; again does no harm."""
        for folder in (_DONE, _FAILED):
            for name in await self._objects.names(f"{self._folder}/{folder}"):
                await self._objects.delete(f"{self._folder}/{folder}/{name}")
        for name in ("input", "index"):
            await self._objects.delete(f"{self._folder}/{name}")

    def _key(self, row: Row) -> str:
        return f"{self._folder}/{_DONE if row.succeeded else _FAILED}/{row.line:08d}"
