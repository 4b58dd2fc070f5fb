"""Objects in a bucket of S3, or of a server that speaks like it. Needs the extra `olo-common[s3]`.

Credentials, region and endpoint come from the environment, as the AWS SDK reads it. An upload that a process has left
in the middle is no object; a lifecycle rule of the bucket (AbortIncompleteMultipartUpload) frees its parts.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from contextlib import AsyncExitStack
from typing import Any, Final

import aioboto3
from aiobotocore.config import AioConfig
from aiohttp import ClientError as AIOClientError
from botocore.exceptions import BotoCoreError, ClientError

from olo_gateway.errors import ObjectMissing, StoreAway
from olo_gateway.files.objects import PIECE_BYTES

_CONFIG: Final = AioConfig(request_checksum_calculation="when_required", response_checksum_validation="when_required")
"""Servers other than AWS know no newer checksums."""
_PART_BYTES: Final = 8 * 1024 * 1024
"""S3 takes no smaller parts than 5 MiB, and 10,000 of them."""
_MISSING: Final = ("NoSuchKey", "404", "InvalidRange")


class ObjectBucket:
    """Keys are names in the bucket. Close it.

    Args:
        bucket: Its name; it must exist.
    """

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket
        self._opening = asyncio.Lock()
        self._client: Any = None
        self._stack = AsyncExitStack()

    async def close(self) -> None:
        """Closes the connections."""
        await self._stack.aclose()

    async def put(self, key: str, content: AsyncIterable[bytes]) -> int:
        """See `files.objects.ObjectStore`. What fits one part is one request."""
        client, part, size = await self._opened(), bytearray(), 0
        upload: _Upload | None = None
        try:
            async for piece in content:
                part += piece
                size += len(piece)
                if len(part) >= _PART_BYTES:
                    upload = upload or await _Upload.begin(client, self._bucket, key)
                    await upload.add(bytes(part))
                    part.clear()
            with _away():
                if upload is None:
                    await client.put_object(Bucket=self._bucket, Key=key, Body=bytes(part))
                    return size
            await upload.finish(bytes(part))
        except BaseException:
            if upload is not None:
                await asyncio.shield(upload.abort())
            raise
        return size

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        """See `files.objects.ObjectStore`."""
        if length == 0:
            return
        client = await self._opened()
        wanted = {"Range": f"bytes={start}-{'' if length is None else start + length - 1}"} if start or length else {}
        with _away():
            answer = await client.get_object(Bucket=self._bucket, Key=key, **wanted)
        body = answer["Body"]
        try:
            while True:
                with _away():
                    piece = await body.read(PIECE_BYTES)
                if not piece:
                    return
                yield piece
        finally:
            body.close()

    async def names(self, folder: str) -> list[str]:
        """See `files.objects.ObjectStore`."""
        client, prefix = await self._opened(), f"{folder}/"
        names: list[str] = []
        with _away():
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix, Delimiter="/")
            async for page in pages:
                names += [found["Key"].removeprefix(prefix) for found in page.get("Contents", [])]
        return sorted(names)

    async def delete(self, key: str) -> None:
        """See `files.objects.ObjectStore`."""
        client = await self._opened()
        with _away(), contextlib.suppress(ObjectMissing):
            await client.delete_object(Bucket=self._bucket, Key=key)

    async def sweep(self) -> None:
        """Nothing: the bucket has rules of its own for uploads that were left."""

    async def _opened(self) -> Any:
        async with self._opening:
            if self._client is None:
                with _away():
                    opening: Any = aioboto3.Session().client("s3", config=_CONFIG)
                    self._client = await self._stack.enter_async_context(opening)
        return self._client


class _Upload:
    """An upload in parts."""

    def __init__(self, client: Any, place: dict[str, str]) -> None:
        self._client = client
        self._place = place
        self._parts: list[dict[str, Any]] = []

    @classmethod
    async def begin(cls, client: Any, bucket: str, key: str) -> _Upload:
        place = {"Bucket": bucket, "Key": key}
        with _away():
            begun = await client.create_multipart_upload(**place)
        return cls(client, {**place, "UploadId": begun["UploadId"]})

    async def add(self, part: bytes) -> None:
        number = len(self._parts) + 1
        with _away():
            answer = await self._client.upload_part(**self._place, PartNumber=number, Body=part)
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})

    async def finish(self, rest: bytes) -> None:
        if rest:
            await self.add(rest)
        with _away():
            await self._client.complete_multipart_upload(**self._place, MultipartUpload={"Parts": self._parts})

    async def abort(self) -> None:
        with contextlib.suppress(StoreAway, ObjectMissing), _away():
            await self._client.abort_multipart_upload(**self._place)


@contextlib.contextmanager
def _away() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _MISSING:
            raise ObjectMissing from error
        raise StoreAway from error
    except (BotoCoreError, AIOClientError, OSError) as error:
        raise StoreAway from error
