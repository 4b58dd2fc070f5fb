"""MigrationService over gRPC: translate, call inward, translate."""

from __future__ import annotations

from typing import Any

import grpc

from olo.retrieval.v1 import migration_service_pb2 as pb
from olo.retrieval.v1.migration_service_pb2_grpc import MigrationServiceServicer
from olo_retrieval import convert
from olo_retrieval import convert_migration as migrations
from olo_retrieval.migrating.control import Migrations

Context = grpc.aio.ServicerContext[Any, Any]
_Named = pb.GetMigrationRequest | pb.RollBackMigrationRequest | pb.FinishMigrationRequest


class MigrationServicer(MigrationServiceServicer):
    """Moves collections to other indexes."""

    def __init__(self, control: Migrations) -> None:
        self._control = control

    async def StartMigration(self, request: pb.StartMigrationRequest, context: Context) -> pb.StartMigrationResponse:
        started = await self._control.start(
            convert.tenant_of(request.tenant),
            convert.collection_name(request.collection),
            model_id=convert.embedding_model_id(request.embedding_model_id),
            chunking=convert.chunking_of(request.chunking) if request.HasField("chunking") else None,
            min_overlap=migrations.min_overlap(request.min_overlap),
        )
        return pb.StartMigrationResponse(migration=migrations.to_migration(started))

    async def GetMigration(self, request: pb.GetMigrationRequest, context: Context) -> pb.GetMigrationResponse:
        found = await self._control.get(*_named(request))
        return pb.GetMigrationResponse(migration=migrations.to_migration(found))

    async def ListMigrations(self, request: pb.ListMigrationsRequest, context: Context) -> pb.ListMigrationsResponse:
        tenant, name = convert.tenant_of(request.tenant), convert.collection_name(request.collection)
        size, before = convert.page_of(request.page_size, request.page_token)
        found = await self._control.page(tenant, name, before, size + 1)
        token = convert.token_of(found[size - 1].ref.migration_id) if len(found) > size else ""
        shown = map(migrations.to_migration, found[:size])
        return pb.ListMigrationsResponse(migrations=shown, next_page_token=token)

    async def RollBackMigration(
        self, request: pb.RollBackMigrationRequest, context: Context
    ) -> pb.RollBackMigrationResponse:
        decided = await self._control.roll_back(*_named(request))
        return pb.RollBackMigrationResponse(migration=migrations.to_migration(decided))

    async def FinishMigration(self, request: pb.FinishMigrationRequest, context: Context) -> pb.FinishMigrationResponse:
        ended = await self._control.finish(*_named(request))
        return pb.FinishMigrationResponse(migration=migrations.to_migration(ended))


def _named(request: _Named) -> tuple[str, str, str]:
    """Tenant, collection and migration."""
    return (
        convert.tenant_of(request.tenant),
        convert.collection_name(request.collection),
        migrations.migration_id(request.migration_id),
    )
