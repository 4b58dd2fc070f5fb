"""Workers and engines that a run has cost, and when that is the run's own doing.

A worker that misses its heartbeats may be dead or merely starved. Work goes on elsewhere at once in either case; only
before the run is called poisoned is it made sure: after the lease of a dead worker is over, the registry is asked who
still lives. An engine's death needs no proof: its worker lives and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.exceptions import ApplicationError, TimeoutError

from olo.inference.v1.inference_service_pb2 import GenerateProgress
from olo.registry.v1.registry_service_pb2 import GetModelRequest, GetModelResponse
from olo_common.errors import OloError
from olo_contracts.queues import GET_MODEL_ACTIVITY
from olo_gateway.errors import RequestPoisoned
from olo_gateway.runs.attempts import ENGINE_LOST, MAX_LOST
from olo_gateway.workflows.steps import Deadline, step

LEASE_OVER: Final = timedelta(seconds=8)
"""After this time the registry has forgotten an instance that died: its lease of 6 s, and some more."""


class Losses:
    """Counts what a run has cost, and keeps the tokens that the lost have told of."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._certain = 0
        self._silent: list[tuple[str, str]] = []
        """Model and instance of the workers that fell silent and may yet live."""
        self._prefix: tuple[str, Sequence[int]] = ("", ())

    def prefix(self, model_id: str) -> Sequence[int]:
        """The tokens from which this model can go on."""
        return self._prefix[1] if self._prefix[0] == model_id else ()

    def take(self, model_id: str, failure: OloError, cause: BaseException | None) -> None:
        """Takes down what a failed attempt has cost."""
        told = _told(cause)
        if told is not None and told.token_ids:
            self._prefix = model_id, list(told.token_ids)
        if failure.reason == ENGINE_LOST:
            self._certain += 1
        # One that never said a word is not counted: a task may be handed to the open poll of a paused instance, too.
        elif isinstance(cause, TimeoutError) and told is not None:
            if told.instance_id:
                self._silent.append((model_id, told.instance_id))
            else:
                self._certain += 1

    async def quarantine(self) -> None:
        """Ends the run where it has cost too much.

        Raises:
            RequestPoisoned: It has.
        """
        if self._silent and self._certain + len(self._silent) >= MAX_LOST:
            await workflow.sleep(min(LEASE_OVER, self._deadline.left()))
            silent, self._silent = self._silent, []
            for model_id in dict.fromkeys(model_id for model_id, _ in silent):
                alive = await self._alive(model_id)
                self._certain += sum(lost == model_id and instance not in alive for lost, instance in silent)
        if self._certain >= MAX_LOST:
            raise RequestPoisoned

    async def _alive(self, model_id: str) -> set[str]:
        """The instances of a model; none where nobody can say, so that the request harms no further one."""
        try:
            asked = GetModelRequest(model_id=model_id)
            found = await step(GET_MODEL_ACTIVITY, [asked], GetModelResponse, self._deadline)
        except OloError:
            self._deadline.left()
            return set()
        return {instance.instance_id for instance in found.model.instances}


def _told(cause: BaseException | None) -> GenerateProgress | None:
    """What a failed attempt has told of its progress: in its last heartbeat, or beside its error."""
    match cause:
        case TimeoutError():
            details: Sequence[object] = cause.last_heartbeat_details
        case ApplicationError():
            details = cause.details
        case _:
            details = ()
    return next((detail for detail in details if isinstance(detail, GenerateProgress)), None)
