"""The steps of a migration as Temporal activities. Only ids go through the history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity

from olo.retrieval.v1.migration_service_pb2 import MigrateWorkflowInput, MigrateWorkflowResult
from olo_common.errors import OloError
from olo_common.failures import to_application_error
from olo_retrieval import convert_migration as convert
from olo_retrieval.errors import MigrationTooSlow
from olo_retrieval.migrating.migrator import Migrator
from olo_retrieval.migrating.records import MigrationRef
from olo_retrieval.workflows import steps

_HEARTBEAT_SECONDS = 2.0


class MigrationActivities:
    """Runs the steps on a migrator."""

    def __init__(self, migrator: Migrator) -> None:
        self._migrator = migrator

    @activity.defn(name=steps.MOVE_MIGRATION)
    async def move(self, request: MigrateWorkflowInput) -> MigrateWorkflowResult:
        """Moves it until it rests; a later attempt goes on with the documents that are left."""
        async with _alive():
            return convert.to_result(await self._migrator.move(_ref(request), activity.heartbeat))

    @activity.defn(name=steps.FAIL_MIGRATION)
    async def fail(self, request: MigrateWorkflowInput) -> MigrateWorkflowResult:
        """Ends one that has taken too long."""
        async with _alive():
            return convert.to_result(await self._migrator.fail(_ref(request), MigrationTooSlow()))


@asynccontextmanager
async def _alive() -> AsyncIterator[None]:
    """Tells Temporal every few seconds that the work goes on; what fails becomes a failure that Temporal knows."""
    task = asyncio.create_task(_tell())
    try:
        yield
    except OloError as error:
        raise to_application_error(error) from error
    finally:
        task.cancel()


async def _tell() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(_HEARTBEAT_SECONDS)


def _ref(request: MigrateWorkflowInput) -> MigrationRef:
    return MigrationRef(request.tenant, request.collection, request.migration_id)
