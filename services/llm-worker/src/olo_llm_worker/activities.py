"""The `generate` activity: a generation that heartbeats its progress, streams its text, and resumes after a crash."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

import structlog
from temporalio import activity

import olo_events
from olo.inference.v1 import inference_service_pb2 as pb
from olo_common.errors import OloError
from olo_common.failures import to_application_error
from olo_contracts.queues import GENERATE_ACTIVITY
from olo_contracts.subjects import stream_subject, subject_of
from olo_llm_worker.convert import Answering, Identity, answer_to, shortest, to_job
from olo_llm_worker.errors import GenerationStalled, WorkerStopping
from olo_llm_worker.generation.answers import Answer, answering
from olo_llm_worker.generation.engine import EngineInfo
from olo_llm_worker.generation.slot import ModelSlot
from olo_llm_worker.ports import Publisher

HEARTBEAT_SECONDS: Final = 0.4
_LAST_WORD_SECONDS: Final = 1.0
"""How long a finished answer waits for its last chunk or event to be published: they are hints, the result is truth."""


class GenerateActivities:
    """Activities of the model's task queue.

    Args:
        slot: Where the scheduler is.
        identity: Who answers.
        publisher: Where token chunks go.
        stall_seconds: How long the engine may make no step before a generation is given up.
    """

    def __init__(self, slot: ModelSlot, identity: Identity, publisher: Publisher, *, stall_seconds: float) -> None:
        self._slot = slot
        self._identity = identity
        self._publisher = publisher
        self._stall_seconds = stall_seconds

    @activity.defn(name=GENERATE_ACTIVITY)
    async def generate(self, request: pb.GenerateRequest) -> pb.GenerateResponse:
        """Generates an answer. It continues what the attempt before it has told, or else the request's prefix."""
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
        info, scheduler = activity.info(), self._slot.scheduler
        answer = answer_to(request, self._identity, info.attempt)
        told = _progress(info) if info.attempt > 1 else []
        prefix = usable_prefix(told or request.prefix_token_ids, scheduler.info) if request.n <= 1 else []
        job = to_job(request, answer.request_id, timeout=_time_left(info, request), prefix=prefix)
        beats = partial(_heartbeats, said_by=self._said_by(info), stall_seconds=self._stall_seconds)
        async with answering(scheduler, job) as generation, beats(generation):
            if not request.stream:
                return answer.response(await generation.result())
            async with self._published(generation, answer):
                return answer.response(await generation.result())

    def _said_by(self, info: activity.Info) -> pb.GenerateProgress:
        return pb.GenerateProgress(attempt=info.attempt, instance_id=self._identity.instance_id)

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
    async def _published(self, generation: Answer, answer: Answering) -> AsyncIterator[None]:
        """Publishes chunks beside the body; a body that succeeds is followed by the last chunk."""
        task = asyncio.create_task(self._publish(generation, answer), name="chunks")
        try:
            yield
            await asyncio.wait({task}, timeout=_LAST_WORD_SECONDS)
        finally:
            await _end(task)

    async def _publish(self, generation: Answer, answer: Answering) -> None:
        subject = stream_subject(answer.request_id)
        # What ended the generation is told by its result.
        with contextlib.suppress(OloError):
            async for chunk in generation.chunks():
                await self._publisher.publish(subject, answer.chunk(chunk).SerializeToString())


@contextlib.asynccontextmanager
async def _heartbeats(generation: Answer, said_by: pb.GenerateProgress, stall_seconds: float) -> AsyncIterator[None]:
    """Heartbeats beside the body. The last one, at the end, tells all that a later attempt can resume from.

    Raises:
        GenerationStalled: The engine has made no step for too long.
    """
    try:
        async with asyncio.timeout(stall_seconds) as patience:
            task = asyncio.create_task(_heartbeat(generation, said_by, patience, stall_seconds), name="heartbeats")
            try:
                yield
            except BaseException:
                _say(generation, said_by)
                raise
            finally:
                await _end(task)
    except TimeoutError:
        raise GenerationStalled from None


async def _heartbeat(
    generation: Answer, said_by: pb.GenerateProgress, patience: asyncio.Timeout, stall_seconds: float
) -> None:
    """Says that this worker lives, and puts off the end of patience for as long as its engine makes steps.

    A pause of the engine alone does not end the heartbeats: a long prompt is one step, and a worker that falls silent
    is taken for dead, which the request would be blamed for.
    """
    seen, clock = -1, asyncio.get_running_loop().time
    while True:
        tokens = generation.progress
        if generation.waiting or tokens != seen:
            seen = tokens
            patience.reschedule(clock() + stall_seconds)
        _say(generation, said_by)
        await asyncio.sleep(HEARTBEAT_SECONDS)


def _say(generation: Answer, said_by: pb.GenerateProgress) -> None:
    token_ids: Sequence[int] = generation.token_ids or generation.job.prefix_token_ids
    progress = pb.GenerateProgress(token_ids=token_ids)
    progress.MergeFrom(said_by)
    activity.heartbeat(progress)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def usable_prefix(token_ids: Iterable[int], info: EngineInfo) -> list[int]:
    """The beginning of an answer that can be continued: up to the first token that is no text of this model."""
    prefix: list[int] = []
    for token_id in token_ids:
        if token_id >= info.vocabulary_size or token_id in info.control_ids:
            break
        prefix.append(token_id)
    return prefix


def _progress(info: activity.Info) -> list[int]:
    details = info.heartbeat_details
    return list(details[0].token_ids) if details and isinstance(details[0], pb.GenerateProgress) else []


def _time_left(info: activity.Info, request: pb.GenerateRequest) -> float | None:
    """Seconds: the request's own time began when the activity was scheduled, that of the attempt begins now."""
    own = None
    if request.HasField("timeout"):
        elapsed = (datetime.now(UTC) - info.scheduled_time).total_seconds()
        own = request.timeout.ToTimedelta().total_seconds() - max(0.0, elapsed)
    attempt = info.start_to_close_timeout.total_seconds() if info.start_to_close_timeout else None
    return shortest(own, attempt)
