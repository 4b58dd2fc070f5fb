"""What is kept of a batch for good, and is there when its history is gone."""

from __future__ import annotations

import asyncio
from typing import Final

from google.protobuf.json_format import MessageToJson, Parse

from olo.gateway.v1.batch_service_pb2 import Batch
from olo_gateway.errors import ObjectMissing
from olo_gateway.files.objects import ObjectStore, get_bytes, put_bytes

_ENDING: Final = ".json"
_READS: Final = 16


class BatchRecords:
    """Records on an object store."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    async def put(self, tenant: str, batch: Batch) -> None:
        """Writes a record."""
        await put_bytes(self._objects, _key(tenant, batch.batch_id), MessageToJson(batch).encode())

    async def get(self, tenant: str, batch_id: str) -> Batch | None:
        """Reads a record."""
        try:
            # What a later version has written, an earlier one still reads.
            text = await get_bytes(self._objects, _key(tenant, batch_id))
            return Parse(text, Batch(), ignore_unknown_fields=True)
        except ObjectMissing:
            return None

    async def list(self, tenant: str) -> list[Batch]:
        """All records, newest first."""
        names = [name.removesuffix(_ENDING) for name in await self._objects.names(f"batches/{tenant}")]
        found: list[Batch] = []
        for first in range(0, len(names), _READS):
            read = await asyncio.gather(*(self.get(tenant, name) for name in names[first : first + _READS]))
            found += [batch for batch in read if batch is not None]
        return sorted(found, key=lambda batch: (batch.create_time.ToMicroseconds(), batch.batch_id), reverse=True)

    async def delete(self, tenant: str, batch_id: str) -> None:
        """Deletes a record."""
        await self._objects.delete(_key(tenant, batch_id))


def _key(tenant: str, batch_id: str) -> str:
    return f"batches/{tenant}/{batch_id}{_ENDING}"
