"""How payloads are written to Temporal: encrypted where there are keys, and beside the history where they are large."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from temporalio.converter import (
    DataConverter,
    DefaultFailureConverter,
    DefaultFailureConverterWithEncodedAttributes,
    ExternalStorage,
    SerializationContext,
    StorageDriver,
)

from olo_common.errors import StartupError
from olo_common.logs import logger
from olo_common.payload_codec import EncryptedPayloads
from olo_common.payload_files import PayloadFiles
from olo_common.payload_keys import payload_keys
from olo_common.payload_room import MOST_INLINE_BYTES
from olo_common.settings import PayloadSettings

INLINE_BYTES: Final = 256 * 1024
"""What is smaller stays in the history."""
_BUCKET: Final = "s3://"
_CLEAN_SECONDS: Final = 3600.0


@dataclass(frozen=True)
class _Converter(DataConverter):
    """The SDK's own, which makes itself anew for each call where its codec asks for whom."""

    def with_context(self, context: SerializationContext) -> Self:
        """The converter with the codec of a workflow; its other parts are the SDK's, which are the same for all."""
        codec = self.payload_codec
        if not isinstance(codec, EncryptedPayloads) or (bound := codec.with_context(context)) is codec:
            return self
        converter = copy.copy(self)
        object.__setattr__(converter, "payload_codec", bound)
        return converter


def data_converter(settings: PayloadSettings) -> DataConverter:
    """The converter of every client and worker of a namespace: they must agree, or cannot read each other.

    What is stored beside a history is encrypted before it is.

    Raises:
        StartupError: The store cannot be used, or the file of keys.
    """
    driver = _driver(settings)
    storage = ExternalStorage(drivers=[driver], payload_size_threshold=INLINE_BYTES) if driver else None
    keys = payload_keys(settings.keys_file) if settings.keys_file else None
    return _Converter(
        payload_codec=EncryptedPayloads(keys, refuse_clear=settings.refuse_clear),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes if keys else DefaultFailureConverter,
        external_storage=storage,
    )


def most_bytes(settings: PayloadSettings) -> int:
    """The largest payload that is taken, in the history or beside it."""
    return settings.max_bytes if settings.store else MOST_INLINE_BYTES


async def clean_payloads(settings: PayloadSettings) -> None:
    """Deletes the files that are older than the retention, now and each hour; returns at once where there are none."""
    files = _driver(settings)
    while isinstance(files, PayloadFiles):
        try:
            removed = await asyncio.to_thread(files.remove_old, settings.retention_hours * 3600)
            logger(__name__).info("payloads_cleaned", removed=removed)
        except OSError as error:
            # Runs go on without: a directory that cannot be listed now must not end the process.
            logger(__name__).warning("payloads_not_cleaned", error=type(error).__name__)
        await asyncio.sleep(_CLEAN_SECONDS)


def _driver(settings: PayloadSettings) -> StorageDriver | None:
    if not settings.store:
        return None
    if settings.store.startswith(_BUCKET):
        try:
            from olo_common.payload_objects import PayloadObjects
        except ImportError as error:
            raise StartupError("OLO_PAYLOAD_STORE: buckets need the extra olo-common[s3]") from error
        return PayloadObjects(settings.store.removeprefix(_BUCKET), settings.max_bytes)
    directory = Path(settings.store)
    if not directory.is_absolute():
        raise StartupError("OLO_PAYLOAD_STORE: must be an absolute path, or s3:// and a bucket")
    return PayloadFiles(directory, settings.max_bytes)
