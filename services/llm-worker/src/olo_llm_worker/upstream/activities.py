"""The `generate` activity for a model that is served elsewhere. A second attempt begins anew."""

from __future__ import annotations

import asyncio

from temporalio import activity

from olo.inference.v1 import inference_service_pb2 as pb
from olo_contracts.queues import GENERATE_ACTIVITY
from olo_llm_worker.attempts import HEARTBEAT_SECONDS, attempting, beside, published, time_left
from olo_llm_worker.ports import Publisher
from olo_llm_worker.responses import Identity
from olo_llm_worker.upstream.convert import Answering, to_request
from olo_llm_worker.upstream.relay.desk import Desk


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
        async with attempting(request, self._identity, self._publisher) as outcome:
            attempt = activity.info().attempt
            said_by = pb.GenerateProgress(attempt=attempt, instance_id=self._identity.instance_id)
            said = Answering.of(request, self._identity, attempt)
            wanted = to_request(request, said.request_id, timeout=time_left(request))
            async with self._desk.answer(wanted) as answer, beside(_heartbeat(said_by)):
                if not request.stream:
                    return outcome.succeeded(said.response(await answer.result()))
                chunks = (said.chunk(chunk, tops=False) async for chunk in answer.chunks())
                async with published(chunks, self._publisher):
                    return outcome.succeeded(said.response(await answer.result()))


async def _heartbeat(said_by: pb.GenerateProgress) -> None:
    """Says that the worker lives. How long the upstream may be silent is bounded by its own setting."""
    while True:
        activity.heartbeat(said_by)
        await asyncio.sleep(HEARTBEAT_SECONDS)
