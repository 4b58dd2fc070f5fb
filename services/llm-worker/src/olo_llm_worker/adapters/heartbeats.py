"""Heartbeats that are known to have arrived. Those of the SDK are sent some time later, and lost with the process."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio import activity
from temporalio.client import AsyncActivityCancelledError, Client
from temporalio.converter import ActivitySerializationContext
from temporalio.service import RPCError

from olo.inference.v1.inference_service_pb2 import GenerateProgress
from olo_common.logs import logger

_PATIENCE: Final = timedelta(seconds=3)
"""Less than the heartbeat timeout: a worker that cannot tell is about to lose the activity."""


class TemporalHeartbeats:
    """Heartbeats by calls of their own, within an activity.

    Args:
        client: The worker's client.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def told(self, task_token: bytes, progress: GenerateProgress) -> bool:
        """Whether Temporal has taken it down."""
        info = activity.info()
        whose = ActivitySerializationContext(
            namespace=info.namespace,
            activity_id=info.activity_id,
            activity_type=info.activity_type,
            activity_task_queue=info.task_queue,
            workflow_id=info.workflow_id,
            workflow_type=info.workflow_type,
            is_local=info.is_local,
        )
        handle = self._client.get_async_activity_handle(task_token=task_token).with_context(whose)
        try:
            await handle.heartbeat(progress, rpc_timeout=_PATIENCE)
        except AsyncActivityCancelledError:
            return False
        except (RPCError, RuntimeError) as error:
            logger(__name__).warning("heartbeat_not_confirmed", error=type(error).__name__)
            return False
        return True
