"""The id of the run in every line that an activity writes."""

from __future__ import annotations

from typing import Any

import temporalio.client
import temporalio.worker
from temporalio import activity

from olo_common.structlog_library import bound_contextvars


class RunIds(temporalio.client.Interceptor, temporalio.worker.Interceptor):
    """An interceptor of Temporal's client and of the workers on it: the run is the workflow that an activity is of."""

    def intercept_activity(
        self, next: temporalio.worker.ActivityInboundInterceptor
    ) -> temporalio.worker.ActivityInboundInterceptor:
        """Wraps the activities of a worker."""
        return _Bound(super().intercept_activity(next))


class _Bound(temporalio.worker.ActivityInboundInterceptor):
    async def execute_activity(self, input: temporalio.worker.ExecuteActivityInput) -> Any:
        """Runs an activity."""
        with bound_contextvars(run_id=activity.info().workflow_id or ""):
            return await super().execute_activity(input)
