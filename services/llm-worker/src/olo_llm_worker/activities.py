"""The `generate` activity: a generation that heartbeats its progress, streams its text, and resumes after a crash."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

from temporalio import activity

from olo.inference.v1 import inference_service_pb2 as pb
from olo_contracts.queues import GENERATE_ACTIVITY
from olo_llm_worker.attempts import HEARTBEAT_SECONDS, attempting, beside, published, time_left
from olo_llm_worker.convert import Answering, to_job
from olo_llm_worker.errors import GenerationStalled
from olo_llm_worker.generation.answers import Answer, answering
from olo_llm_worker.generation.engine import EngineInfo
from olo_llm_worker.generation.slot import ModelSlot
from olo_llm_worker.generation.types import Company, Isolation
from olo_llm_worker.outcomes import Outcome
from olo_llm_worker.ports import Heartbeats, Publisher
from olo_llm_worker.responses import Identity

_COMPANY: Final = {
    Company.OUTSIDE: pb.COMPANY_OUTSIDE,
    Company.SHARED: pb.COMPANY_SHARED,
    Company.ALONE: pb.COMPANY_ALONE,
}


class GenerateActivities:
    """Activities of the model's task queue.

    Args:
        slot: Where the scheduler is.
        identity: Who answers.
        publisher: Where token chunks go.
        heartbeats: Where a request that may kill the engine is told of before it is there.
        stall_seconds: How long the engine may make no step before a generation is given up.
    """

    def __init__(
        self,
        slot: ModelSlot,
        identity: Identity,
        publisher: Publisher,
        heartbeats: Heartbeats,
        *,
        stall_seconds: float,
    ) -> None:
        self._slot = slot
        self._identity = identity
        self._publisher = publisher
        self._heartbeats = heartbeats
        self._stall_seconds = stall_seconds

    @activity.defn(name=GENERATE_ACTIVITY)
    async def generate(self, request: pb.GenerateRequest) -> pb.GenerateResponse:
        """Generates an answer. It continues what the attempt before it has told, or else the request's prefix."""
        async with attempting(request, self._identity, self._publisher) as outcome:
            info, scheduler = activity.info(), self._slot.scheduler
            answer = Answering.of(request, self._identity, info.attempt)
            told = _progress(info) if info.attempt > 1 else []
            prefix = usable_prefix(told or request.prefix_token_ids, scheduler.info) if request.n <= 1 else []
            job = to_job(request, answer.request_id, timeout=time_left(request), prefix=prefix)
            said_by = pb.GenerateProgress(attempt=info.attempt, instance_id=self._identity.instance_id)

            async def tell() -> bool:
                return await self._heartbeats.told(info.task_token, _progress_of(generation, said_by))

            async def witness() -> bool:
                # What the SDK sends next must not be older; what it has sent may come in after the first of these.
                _say(generation, said_by)
                return await tell() and await tell()

            async with answering(scheduler, job, witness) as generation, self._watched(generation, said_by, outcome):
                if not request.stream:
                    return outcome.succeeded(answer.response(await generation.result()))
                # With the likeliest tokens a chunk may be larger than NATS takes; the result tells them.
                chunks = (answer.chunk(chunk, tops=False) async for chunk in generation.chunks())
                async with published(chunks, self._publisher):
                    return outcome.succeeded(answer.response(await generation.result()))

    @contextlib.asynccontextmanager
    async def _watched(self, generation: Answer, said_by: pb.GenerateProgress, outcome: Outcome) -> AsyncIterator[None]:
        """Heartbeats beside the body. The last one, at the end, tells all that a later attempt can resume from.

        Raises:
            GenerationStalled: The engine has made no step for too long.
        """
        try:
            async with asyncio.timeout(self._stall_seconds) as patience:
                async with beside(_heartbeat(generation, said_by, patience, self._stall_seconds)):
                    try:
                        yield
                    except BaseException:
                        _say(generation, said_by)
                        # It may be the last heartbeat, and not arrive.
                        outcome.progress = _progress_of(generation, said_by)
                        raise
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
    if generation.job.isolation is not Isolation.NONE:
        # Most suspects are alone at once. What the SDK sends before may overtake what their witness says then.
        await asyncio.sleep(HEARTBEAT_SECONDS)
    while True:
        tokens = generation.progress
        if generation.waiting or tokens != seen:
            seen = tokens
            patience.reschedule(clock() + stall_seconds)
        _say(generation, said_by)
        await asyncio.sleep(HEARTBEAT_SECONDS)


def _say(generation: Answer, said_by: pb.GenerateProgress) -> None:
    activity.heartbeat(_progress_of(generation, said_by))


def _progress_of(generation: Answer, said_by: pb.GenerateProgress) -> pb.GenerateProgress:
    token_ids: Sequence[int] = generation.token_ids or generation.job.prefix_token_ids
    progress = pb.GenerateProgress(token_ids=token_ids, company=_COMPANY[generation.company])
    progress.MergeFrom(said_by)
    return progress


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
