"""Starts ingest workflows."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from olo.retrieval.v1.retrieval_service_pb2 import IngestWorkflowInput
from olo_common.errors import Unavailable
from olo_contracts.queues import INGEST_QUEUE, INGEST_WORKFLOW
from olo_retrieval.types import VersionRef

_START_TIMEOUT = timedelta(seconds=5)


class TemporalIngestStarter:
    """An IngestStarter."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, ref: VersionRef) -> None:
        """Starts the workflow of a version, or finds it running."""
        request = IngestWorkflowInput(
            tenant=ref.tenant, collection=ref.collection, document_id=ref.document_id, version=ref.version
        )
        try:
            await self._client.start_workflow(
                INGEST_WORKFLOW,
                request,
                id=ref.workflow_id,
                task_queue=INGEST_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                rpc_timeout=_START_TIMEOUT,
            )
        except (RPCError, RuntimeError) as error:
            raise Unavailable("Temporal is not reachable, so the document is not indexed", retry_after=2.0) from error
