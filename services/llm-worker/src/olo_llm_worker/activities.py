"""The `generate` activity: a generation that heartbeats its progress, streams its text, and resumes after a crash."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence

from temporalio import activity

from olo.inference.v1 import inference_service_pb2 as pb
from olo_contracts.queues import GENERATE_ACTIVITY
from olo_llm_worker.attempts import HEARTBEAT_SECONDS, attempting, beside, published, time_left
from olo_llm_worker.convert import Answering, to_job
from olo_llm_worker.generation.answers import Answer, answering
from olo_llm_worker.generation.engine import EngineInfo
from olo_llm_worker.generation.slot import ModelSlot
from olo_llm_worker.ports import Publisher
from olo_llm_worker.responses import Identity


class GenerateActivities:
    """Activities of the model's task queue.

    Args:
        slot: Where the scheduler is.
        identity: Who answers.
        publisher: Where token chunks go.
    """

    def __init__(self, slot: ModelSlot, identity: Identity, publisher: Publisher) -> None:
        self._slot = slot
        self._identity = identity
        self._publisher = publisher

    @activity.defn(name=GENERATE_ACTIVITY)
    async def generate(self, request: pb.GenerateRequest) -> pb.GenerateResponse:
        """Generates an answer. It continues what the attempt before it has told, or else the request's prefix."""
        async with attempting(request, self._identity, self._publisher):
            info, scheduler = activity.info(), self._slot.scheduler
            answer = Answering.of(request, self._identity, info.attempt)
            told = _progress(info) if info.attempt > 1 else []
            prefix = usable_prefix(told or request.prefix_token_ids, scheduler.info) if request.n <= 1 else []
            job = to_job(request, answer.request_id, timeout=time_left(request), prefix=prefix)
            async with answering(scheduler, job) as generation, _heartbeats(generation, info.attempt):
                if not request.stream:
                    return answer.response(await generation.result())
                chunks = (answer.chunk(chunk) async for chunk in generation.chunks())
                async with published(chunks, self._publisher):
                    return answer.response(await generation.result())


@contextlib.asynccontextmanager
async def _heartbeats(generation: Answer, attempt: int) -> AsyncIterator[None]:
    """Heartbeats beside the body. The last one, at the end, tells all that a later attempt can resume from."""
    async with beside(_heartbeat(generation, attempt)):
        try:
            yield
        except BaseException:
            _say(generation, attempt)
            raise


async def _heartbeat(generation: Answer, attempt: int) -> None:
    """Says that work goes on, but only while it does: an engine that hangs must be found out."""
    said = -1
    while True:
        tokens = generation.progress
        if generation.waiting or tokens != said:
            said = tokens
            _say(generation, attempt)
        await asyncio.sleep(HEARTBEAT_SECONDS)


def _say(generation: Answer, attempt: int) -> None:
    token_ids: Sequence[int] = generation.token_ids or generation.job.prefix_token_ids
    activity.heartbeat(pb.GenerateProgress(token_ids=token_ids, attempt=attempt))


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
