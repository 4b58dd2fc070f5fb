"""Large payloads of Temporal in a bucket: the SDK's S3 driver, whose failures are ours and final. Needs the extra `s3`.

Credentials, region and endpoint come from the environment, as the AWS SDK reads it. How long objects are kept is a rule
of the bucket; it must exceed the time that Temporal keeps finished runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

import aioboto3
from aiobotocore.config import AioConfig
from botocore.exceptions import ClientError
from temporalio.api.common.v1 import Payload
from temporalio.contrib.aws.s3driver import S3StorageDriver
from temporalio.contrib.aws.s3driver.aioboto3 import new_aioboto3_client
from temporalio.converter import (
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
)

from olo_common.payload_errors import PayloadCorrupt, PayloadMissing, PayloadNotStored, final

DRIVER_NAME: Final = "olo.objects"
_CONFIG: Final = AioConfig(request_checksum_calculation="when_required")
"""Servers other than AWS know no newer checksums; the driver has its own."""
_MISSING: Final = ("NoSuchKey", "404")


class PayloadObjects(StorageDriver):
    """Payloads in a bucket.

    Args:
        bucket: Its name; it must exist.
        max_bytes: The largest payload that is taken.
    """

    def __init__(self, bucket: str, max_bytes: int) -> None:
        self._bucket = bucket
        self._max_bytes = max_bytes
        self._opening = asyncio.Lock()
        self._driver: S3StorageDriver | None = None
        self._open = AsyncExitStack()
        """Never closed: clients of Temporal live as long as their process."""

    def name(self) -> str:
        """The name in references."""
        return DRIVER_NAME

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        """Writes payloads.

        Raises:
            ApplicationError: One is too large, or cannot be written; trying again is no use.
        """
        if any(payload.ByteSize() > self._max_bytes for payload in payloads):
            raise final(PayloadNotStored(f"at most {self._max_bytes} bytes are stored"))
        try:
            return await (await self._opened()).store(context, payloads)
        except (RuntimeError, ValueError) as error:
            raise final(PayloadNotStored("the storage does not take it")) from error

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Reads payloads.

        Raises:
            ApplicationError: One is missing, or is not what was written; trying again is no use.
        """
        try:
            return await (await self._opened()).retrieve(context, claims)
        except ValueError as error:
            raise final(PayloadCorrupt()) from error
        except RuntimeError as error:
            cause = error.__cause__
            if isinstance(cause, ClientError) and cause.response.get("Error", {}).get("Code") in _MISSING:
                raise final(PayloadMissing()) from error
            raise

    async def _opened(self) -> S3StorageDriver:
        async with self._opening:
            if self._driver is None:
                opening = aioboto3.Session().client("s3", config=_CONFIG)
                client = await self._open.enter_async_context(opening)
                self._driver = S3StorageDriver(
                    new_aioboto3_client(client), self._bucket, max_payload_size=self._max_bytes
                )
        return self._driver
