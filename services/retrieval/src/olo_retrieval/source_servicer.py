"""SourceService over gRPC: translate, call inward, translate."""

from __future__ import annotations

from typing import Any

import grpc

from olo.retrieval.v1 import source_service_pb2 as pb
from olo.retrieval.v1.source_service_pb2_grpc import SourceServiceServicer
from olo_retrieval import convert, convert_sources
from olo_retrieval.ports import CollectionStore
from olo_retrieval.sources.keeping import SourceKeeping
from olo_retrieval.sources.ports import SourceStore

Context = grpc.aio.ServicerContext[Any, Any]


class SourceServicer(SourceServiceServicer):
    """Sources of documents.

    Args:
        collections: Reads collections.
        sources: Reads sources.
        keeping: Creates, deletes and starts them.
    """

    def __init__(self, collections: CollectionStore, sources: SourceStore, keeping: SourceKeeping) -> None:
        self._collections = collections
        self._sources = sources
        self._keeping = keeping

    async def CreateSource(self, request: pb.CreateSourceRequest, context: Context) -> pb.CreateSourceResponse:
        source = request.source
        made = await self._keeping.create(
            convert.tenant_of(request.tenant),
            convert.collection_name(source.collection, "source.collection"),
            convert_sources.source_id(source.source_id, "source.source_id"),
            convert_sources.config_of(source),
            convert_sources.interval_of(source),
        )
        return pb.CreateSourceResponse(source=convert_sources.to_source(made))

    async def GetSource(self, request: pb.GetSourceRequest, context: Context) -> pb.GetSourceResponse:
        tenant, name = convert.tenant_of(request.tenant), convert.collection_name(request.collection)
        source_id = convert_sources.source_id(request.source_id)
        found = await self._sources.get(await self._collections.find(tenant, name), source_id)
        return pb.GetSourceResponse(source=convert_sources.to_source(found))

    async def ListSources(self, request: pb.ListSourcesRequest, context: Context) -> pb.ListSourcesResponse:
        tenant, name = convert.tenant_of(request.tenant), convert.collection_name(request.collection)
        size, after = convert.page_of(request.page_size, request.page_token)
        found = await self._sources.page(await self._collections.find(tenant, name), after, size + 1)
        token = convert.token_of(found[size - 1].source.source_id) if len(found) > size else ""
        return pb.ListSourcesResponse(sources=map(convert_sources.to_source, found[:size]), next_page_token=token)

    async def DeleteSource(self, request: pb.DeleteSourceRequest, context: Context) -> pb.DeleteSourceResponse:
        tenant, name = convert.tenant_of(request.tenant), convert.collection_name(request.collection)
        source_id = convert_sources.source_id(request.source_id)
        await self._keeping.delete(tenant, name, source_id, keep_documents=request.keep_documents)
        return pb.DeleteSourceResponse()

    async def SyncSource(self, request: pb.SyncSourceRequest, context: Context) -> pb.SyncSourceResponse:
        tenant, name = convert.tenant_of(request.tenant), convert.collection_name(request.collection)
        source_id = convert_sources.source_id(request.source_id)
        found = await self._keeping.sync(tenant, name, source_id, accept_deletions=request.accept_deletions)
        return pb.SyncSourceResponse(source=convert_sources.to_source(found))
