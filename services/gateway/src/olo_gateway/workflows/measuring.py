"""What a run that ends is measured by. Temporal's meter drops what a replay measures again."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from temporalio import workflow

from olo.gateway.v1.run_pb2 import ChatResponse
from olo_common.errors import ErrorCode, OloError
from olo_common.metrics import Counter
from olo_gateway.convert.runs import cause_name
from olo_gateway.runs.attempts import RESUMABLE
from olo_gateway.telemetry import ATTEMPTS, FALLBACKS, PARKED, RESUMED, RUN_TIMES, RUNS, TENANT_RUNS, TENANT_TOKENS

COMPLETED: Final = "completed"
FAILED: Final = "failed"
REJECTED: Final = "rejected"
CANCELLED: Final = "cancelled"
_OF_THE_CALLER: Final = frozenset(
    {ErrorCode.INVALID_ARGUMENT, ErrorCode.OUT_OF_RANGE, ErrorCode.NOT_FOUND, ErrorCode.FAILED_PRECONDITION}
)


def outcome_of(error: OloError) -> str:
    """How a run has ended that ends with this error: nobody has to be woken for requests that are wrong."""
    return REJECTED if error.code in _OF_THE_CALLER else FAILED


def measure(told: ChatResponse, outcome: str, reason: str = "", *, tenant: str) -> None:
    """Measures a run that ends now.

    Args:
        told: Its account.
        outcome: `completed`, `failed`, `rejected` or `cancelled`.
        reason: Of the error, or empty.
        tenant: Whose it is. Tenants come from the operator's file of keys, and are as many as it names.
    """
    _count(RUNS, outcome=outcome, reason=reason)
    times = workflow.metric_meter().create_histogram_float(RUN_TIMES.prometheus_name, RUN_TIMES.description)
    times.record((workflow.now() - workflow.info().start_time).total_seconds(), {"outcome": outcome})
    for attempt in told.attempts:
        _count(ATTEMPTS, model=attempt.model_id, cause=cause_name(attempt.cause) if attempt.failure_reason else "")
    for failed, following in pairwise(told.attempts):
        if failed.model_id != following.model_id:
            _count(FALLBACKS, model=failed.model_id)
        elif failed.failure_reason in RESUMABLE:
            _count(RESUMED, model=failed.model_id)
    if told.timings.parked.ToTimedelta():
        _count(PARKED)
    _count(TENANT_RUNS, tenant=tenant, outcome=outcome)
    if told.usage.prompt_tokens or told.usage.completion_tokens:
        _count(TENANT_TOKENS, told.usage.prompt_tokens, tenant=tenant, type="prompt")
        _count(TENANT_TOKENS, told.usage.completion_tokens, tenant=tenant, type="completion")


def _count(counter: Counter, number: int = 1, **labels: str) -> None:
    # The meter adds `_total` itself.
    workflow.metric_meter().create_counter(counter.name, counter.description).add(number, labels)
