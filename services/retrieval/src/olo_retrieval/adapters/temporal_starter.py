"""Starts the workflows of ingests and migrations."""

from __future__ import annotations

from datetime import timedelta

from google.protobuf.message import Message
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from olo.retrieval.v1.migration_service_pb2 import MigrateWorkflowInput
from olo.retrieval.v1.retrieval_service_pb2 import IngestWorkflowInput
from olo_common.errors import Unavailable
from olo_contracts.queues import INGEST_QUEUE, INGEST_WORKFLOW, MIGRATE_WORKFLOW
from olo_retrieval.migrating.records import MigrationRef
from olo_retrieval.types import VersionRef

_START_TIMEOUT = timedelta(seconds=5)


class TemporalStarter:
    """An IngestStarter and a MigrationStarter."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, ref: VersionRef) -> None:
        """Starts the workflow of a version, or finds it running."""
        request = IngestWorkflowInput(
            tenant=ref.tenant, collection=ref.collection, document_id=ref.document_id, version=ref.version
        )
        await self._start(INGEST_WORKFLOW, request, ref.workflow_id, "the document is not indexed")

    async def start_migration(self, ref: MigrationRef) -> None:
        """Starts the workflow of a migration, or finds it running."""
        request = MigrateWorkflowInput(tenant=ref.tenant, collection=ref.collection, migration_id=ref.migration_id)
        await self._start(MIGRATE_WORKFLOW, request, ref.workflow_id, "the collection is not migrated")

    async def _start(self, workflow: str, request: Message, workflow_id: str, consequence: str) -> None:
        try:
            await self._client.start_workflow(
                workflow,
                request,
                id=workflow_id,
                task_queue=INGEST_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                rpc_timeout=_START_TIMEOUT,
            )
        except (RPCError, RuntimeError) as error:
            raise Unavailable(f"Temporal is not reachable, so {consequence}", retry_after=2.0) from error
