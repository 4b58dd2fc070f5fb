"""The `generate` activity for a model that is served elsewhere. A second attempt begins anew."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime
from typing import Final

import structlog
from temporalio import activity

import olo_events
from olo.inference.v1 import inference_service_pb2 as pb
from olo_common.errors import OloError
from olo_common.failures import to_application_error
from olo_contracts.queues import GENERATE_ACTIVITY
from olo_contracts.subjects import stream_subject, subject_of
from olo_llm_worker.convert import Identity, shortest
from olo_llm_worker.errors import WorkerStopping
from olo_llm_worker.ports import Publisher
from olo_llm_worker.upstream.convert import Answering, answering, to_request
from olo_llm_worker.upstream.relay.answer import Answer
from olo_llm_worker.upstream.relay.desk import Desk

HEARTBEAT_SECONDS: Final = 0.4
_LAST_WORD_SECONDS: Final = 1.0
"""How long a finished answer waits for its last chunk or event to be published: they are hints, the result is truth."""


class UpstreamActivities:
    """Activities of the model's task queue.

    Args:
        desk: Who relays.
        identity: Who answers.
        publisher: Where token chunks go.
    """

    def __init__(self, desk: Desk, identity: Identity, publisher: Publisher) -> None:
        self._desk = desk
        self._identity = identity
        self._publisher = publisher

    @activity.defn(name=GENERATE_ACTIVITY)
    async def generate(self, request: pb.GenerateRequest) -> pb.GenerateResponse:
        """Relays an answer."""
        with structlog.contextvars.bound_contextvars(request_id=request.request_id, run_id=activity.info().workflow_id):
            began, failure = time.monotonic(), ""
            try:
                return await self._generate(request)
            except OloError as error:
                failure = error.reason
                raise to_application_error(error) from error
            except asyncio.CancelledError:
                failure = "cancelled"
                if activity.is_worker_shutdown():
                    raise to_application_error(WorkerStopping()) from None
                raise
            finally:
                await self._tell(request, failure, time.monotonic() - began)

    async def _generate(self, request: pb.GenerateRequest) -> pb.GenerateResponse:
        info = activity.info()
        said_by = pb.GenerateProgress(attempt=info.attempt, instance_id=self._identity.instance_id)
        said = answering(request, self._identity, info.attempt)
        wanted = to_request(request, said.request_id, timeout=_time_left(info, request))
        async with self._desk.answer(wanted) as answer, _beside(_heartbeat(said_by)):
            if not request.stream:
                return said.response(await answer.result())
            chunks = asyncio.create_task(self._publish(answer, said), name="chunks")
            try:
                response = said.response(await answer.result())
                await asyncio.wait({chunks}, timeout=_LAST_WORD_SECONDS)
                return response
            finally:
                chunks.cancel()
                await asyncio.wait({chunks})

    async def _publish(self, answer: Answer, said: Answering) -> None:
        subject = stream_subject(said.request_id)
        # What ended the answer is told by its result.
        with contextlib.suppress(OloError):
            async for piece in answer.pieces():
                await self._publisher.publish(subject, said.chunk(piece).SerializeToString())

    async def _tell(self, request: pb.GenerateRequest, failure: str, seconds: float) -> None:
        """Says how the attempt ended: the router counts its slot as free from then on."""
        event = olo_events.AttemptFinished(
            run_id=activity.info().workflow_id or "",
            model_id=self._identity.model_id,
            instance_id=self._identity.instance_id,
            candidate=request.candidate,
            failure_reason=failure,
            duration_ms=round(seconds * 1000),
        )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._publisher.publish(subject_of(event), bytes(event)), _LAST_WORD_SECONDS)


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _heartbeat(said_by: pb.GenerateProgress) -> None:
    """Says that the worker lives. How long the upstream may be silent is bounded by its own setting."""
    while True:
        activity.heartbeat(said_by)
        await asyncio.sleep(HEARTBEAT_SECONDS)


def _time_left(info: activity.Info, request: pb.GenerateRequest) -> float | None:
    """Seconds: the request's own time began when the activity was scheduled, that of the attempt begins now."""
    own = None
    if request.HasField("timeout"):
        elapsed = (datetime.now(UTC) - info.scheduled_time).total_seconds()
        own = request.timeout.ToTimedelta().total_seconds() - max(0.0, elapsed)
    attempt = info.start_to_close_timeout.total_seconds() if info.start_to_close_timeout else None
    return shortest(own, attempt)
