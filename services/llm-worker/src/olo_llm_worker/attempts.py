"""What attempts of the activity `generate` do alike, wherever the model is."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime
from typing import Final

from temporalio import activity

from olo.inference.v1 import inference_service_pb2 as pb
from olo_common.errors import OloError
from olo_common.failures import to_application_error
from olo_common.structlog_library import bound_contextvars
from olo_common.tracing import leave_trace
from olo_contracts.subjects import stream_subject, subject_of
from olo_llm_worker.errors import WorkerStopping
from olo_llm_worker.outcomes import Outcome, attempt_finished
from olo_llm_worker.ports import Publisher
from olo_llm_worker.responses import Identity, shortest, time_allowed
from olo_llm_worker.telemetry import inference

HEARTBEAT_SECONDS: Final = 0.4
_LAST_WORD_SECONDS: Final = 1.0
"""How long a finished answer waits for its last chunk or event to be published: they are hints, the result is truth."""


@contextlib.asynccontextmanager
async def attempting(request: pb.GenerateRequest, identity: Identity, publisher: Publisher) -> AsyncIterator[Outcome]:
    """An attempt is made in the body: its errors become failures with their reason, and its end is told.

    The body says where it succeeded; its errors say the rest.

    Raises:
        ApplicationError: The body has failed with an `OloError`, or the worker stops.
    """
    run_id = activity.info().workflow_id or ""
    with bound_contextvars(request_id=request.request_id, run_id=run_id):
        began, outcome = time.monotonic(), Outcome()
        try:
            with inference(request, identity) as seen:
                yield outcome
                if outcome.response is not None:
                    seen(outcome.response)
        except OloError as error:
            outcome.failed(error)
            raise to_application_error(error, beside=outcome.handed_over) from error
        except asyncio.CancelledError:
            outcome.cancelled()
            if activity.is_worker_shutdown():
                raise to_application_error(WorkerStopping(), beside=outcome.handed_over) from None
            raise
        finally:
            event = attempt_finished(identity, run_id, request.candidate, time.monotonic() - began, outcome)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(publisher.publish(subject_of(event), bytes(event)), _LAST_WORD_SECONDS)


@contextlib.asynccontextmanager
async def published(chunks: AsyncIterator[pb.TokenChunk], publisher: Publisher) -> AsyncIterator[None]:
    """Publishes chunks beside the body; a body that succeeds is followed by the last chunk."""
    async with beside(_publish(chunks, publisher)) as task:
        yield
        await asyncio.wait({task}, timeout=_LAST_WORD_SECONDS)


@contextlib.asynccontextmanager
async def beside(work: Coroutine[None, None, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Runs this beside the body, and ends it then."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


def time_left(request: pb.GenerateRequest) -> float | None:
    """Seconds: the request's own time began when the activity was scheduled, that of the attempt begins now."""
    info = activity.info()
    elapsed = (datetime.now(UTC) - info.scheduled_time).total_seconds()
    attempt = info.start_to_close_timeout.total_seconds() if info.start_to_close_timeout else None
    return shortest(time_allowed(request, elapsed=max(0.0, elapsed)), attempt)


async def _publish(chunks: AsyncIterator[pb.TokenChunk], publisher: Publisher) -> None:
    # What ended the answer is told by its result.
    with contextlib.suppress(OloError):
        async for chunk in chunks:
            await publisher.publish(stream_subject(chunk.request_id), chunk.SerializeToString())
            # The first has told it; headers of each would cost more than the rest of a token.
            leave_trace()
