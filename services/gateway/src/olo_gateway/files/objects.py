"""Where bytes are kept that are too many, or live too long, for a history."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from typing import Any, Final, Protocol

import orjson

PIECE_BYTES: Final = 1024 * 1024
"""The most that is held in memory of an object that is passed through."""


class ObjectStore(Protocol):
    """Objects under keys such as `files/default/file-1.json`: folders and a name, of letters, digits and `._-`.

    An object is there with all of its bytes or not at all, whoever is killed meanwhile; one that is written again is
    the old one until it is the new one.
    """

    async def put(self, key: str, content: AsyncIterable[bytes]) -> int:
        """Writes an object and returns its size once it is certain to stay.

        Raises:
            StoreAway: It cannot be written now.
        """
        ...

    def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        """The bytes of an object in pieces, from `start` on, at most `length`.

        Raises:
            ObjectMissing: There is none.
            StoreAway: It cannot be read now.
        """
        ...

    async def names(self, folder: str) -> list[str]:
        """The names of the objects right in this folder, sorted; none where there is no such folder."""
        ...

    async def delete(self, key: str) -> None:
        """Deletes an object; one that is not there is no error."""
        ...


async def put_bytes(objects: ObjectStore, key: str, content: bytes) -> None:
    """Writes a small object."""
    await objects.put(key, _once(content))


async def get_bytes(objects: ObjectStore, key: str, start: int = 0, length: int | None = None) -> bytes:
    """Reads a small object, or a small part of one."""
    async with aclosing(objects.read(key, start, length)) as pieces:
        return b"".join([piece async for piece in pieces])


async def put_json(objects: ObjectStore, key: str, value: Any) -> None:
    """Writes a value as JSON."""
    await put_bytes(objects, key, orjson.dumps(value))


async def get_json(objects: ObjectStore, key: str) -> Any:
    """Reads a value of JSON."""
    return orjson.loads(await get_bytes(objects, key))


async def _once(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content
