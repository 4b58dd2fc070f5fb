"""The store of files that the settings name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

from olo_common.errors import OloError, StartupError
from olo_common.logs import logger
from olo_gateway.adapters.object_directory import ObjectDirectory
from olo_gateway.errors import FilesDisabled
from olo_gateway.files.objects import ObjectStore
from olo_gateway.files.shelf import Shelf

_BUCKET: Final = "s3://"
_SWEEP_SECONDS: Final = 3600.0


class SweptObjects(ObjectStore, Protocol):
    """A store that can be tidied."""

    async def sweep(self) -> None:
        """Deletes what writers have left that died."""
        ...


class NoObjects:
    """No store: whoever needs one is told so."""

    async def put(self, key: str, content: AsyncIterable[bytes]) -> int:
        """Refuses."""
        raise FilesDisabled

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        """Refuses."""
        for _ in await self.names(key):
            yield b""

    async def names(self, folder: str) -> list[str]:
        """Refuses."""
        raise FilesDisabled

    async def delete(self, key: str) -> None:
        """Refuses."""
        raise FilesDisabled

    async def sweep(self) -> None:
        """There is nothing."""


@asynccontextmanager
async def object_store(place: str) -> AsyncIterator[SweptObjects]:
    """The store at this place, open while entered.

    Args:
        place: A directory, `s3://` and a bucket, or empty for none.

    Raises:
        StartupError: The place cannot be used.
    """
    if not place:
        yield NoObjects()
    elif place.startswith(_BUCKET):
        try:
            from olo_gateway.adapters.object_bucket import ObjectBucket
        except ImportError as error:
            raise StartupError("OLO_GATEWAY_FILES: buckets need the extra olo-common[s3]") from error
        bucket = ObjectBucket(place.removeprefix(_BUCKET))
        try:
            yield bucket
        finally:
            await bucket.close()
    elif Path(place).is_absolute():
        yield ObjectDirectory(Path(place))
    else:
        raise StartupError("OLO_GATEWAY_FILES: must be an absolute path, or s3:// and a bucket")


async def sweep_for_ever(objects: SweptObjects, shelf: Shelf) -> None:
    """Deletes what has expired, and what writers have left that died, now and each hour."""
    while True:
        try:
            await objects.sweep()
            removed = sum([await shelf.sweep(tenant) for tenant in await shelf.tenants()])
            logger(__name__).info("files_swept", removed=removed)
        except OloError as error:
            logger(__name__).warning("files_not_swept", reason=error.reason)
        except Exception as error:
            # Callers are served whether or not there is order: this must not end the process.
            logger(__name__).error("files_not_swept", exc_info=error)
        await asyncio.sleep(_SWEEP_SECONDS)
