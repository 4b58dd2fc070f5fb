"""TransferService over gRPC: translate, call inward, translate."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final

import grpc

from olo.retrieval.v1 import transfer_service_pb2 as pb
from olo.retrieval.v1.transfer_service_pb2_grpc import TransferServiceServicer
from olo_common.errors import InvalidField
from olo_contracts.identifiers import AUTO_MODEL
from olo_retrieval import convert
from olo_retrieval.portable.exporting import Exporter
from olo_retrieval.portable.importing import Importer

_PIECE_BYTES: Final = 1024 * 1024

Context = grpc.aio.ServicerContext[Any, Any]


class TransferServicer(TransferServiceServicer):
    """Writes collections as files, and brings them in."""

    def __init__(self, exporter: Exporter, importer: Importer) -> None:
        self._exporter = exporter
        self._importer = importer

    async def ExportCollection(
        self, request: pb.ExportCollectionRequest, context: Context
    ) -> AsyncGenerator[pb.ExportCollectionResponse, None]:
        tenant, name = convert.tenant_of(request.tenant), convert.collection_name(request.name, "name")
        async with aclosing(self._exporter.export(tenant, name, vectors=not request.leave_out_vectors)) as members:
            async for member in members:
                for start in range(0, len(member), _PIECE_BYTES):
                    yield pb.ExportCollectionResponse(data=member[start : start + _PIECE_BYTES])

    async def ImportCollection(
        self, request_iterator: AsyncIterator[pb.ImportCollectionRequest], context: Context
    ) -> pb.ImportCollectionResponse:
        first = await anext(aiter(request_iterator), None)
        if first is None or not first.HasField("header"):
            raise InvalidField("header", "must come first")
        header = first.header
        model_id = header.embedding_model_id
        taken = await self._importer.take(
            convert.tenant_of(header.tenant),
            convert.collection_name(header.name, "name") if header.name else "",
            model_id if model_id == AUTO_MODEL else convert.embedding_model_id(model_id),
            _data(request_iterator),
        )
        return pb.ImportCollectionResponse(
            collection=convert.to_collection(taken.collection), documents_to_index=taken.to_index
        )


async def _data(requests: AsyncIterator[pb.ImportCollectionRequest]) -> AsyncIterator[bytes]:
    async for request in requests:
        if request.HasField("header"):
            raise InvalidField("header", "comes once, before the bytes")
        yield request.data
