"""Workers and engines that a run has cost, and when that is the run's own doing.

Whoever was in a dead engine is suspected, and suspects have the next engine for themselves: first until it has survived
the prompt; one that was lost in company again after that, to the end of its answer. Only what an engine dies of twice,
the last time alone, is poison. What others have killed goes on. Workers are seldom killed by a request: one that had
given tokens before its worker fell silent is suspected the second time.

A worker that misses its heartbeats may be dead or merely starved. Work goes on elsewhere at once in either case; only
before the run is called poisoned is it made sure: after the lease of a dead worker is over, the registry is asked who
still lives. An engine's death needs no proof: its worker lives and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.exceptions import ApplicationError, TimeoutError, TimeoutType

from olo.inference.v1 import inference_service_pb2 as inference
from olo.inference.v1.inference_service_pb2 import GenerateProgress
from olo.registry.v1.registry_service_pb2 import GetModelRequest, GetModelResponse
from olo_common.errors import OloError
from olo_contracts.queues import GET_MODEL_ACTIVITY
from olo_gateway.errors import RequestPoisoned
from olo_gateway.runs.attempts import ENGINE_LOST, MAX_LOST, hands_over
from olo_gateway.workflows.steps import Deadline, step

LEASE_OVER: Final = timedelta(seconds=8)
"""After this time the registry has forgotten an instance that died: its lease of 6 s, and some more."""


@dataclass(frozen=True, slots=True)
class _Loss:
    model_id: str
    company: inference.Company | None
    """Who was with the request in the engine; None: its worker never said a word."""
    silent: str = ""
    """The instance, where it fell silent and may yet live."""

    @property
    def alone(self) -> bool:
        """Whether nobody else can be blamed; a worker of before isolation does not know, and is believed."""
        return self.company in (inference.COMPANY_ALONE, inference.COMPANY_UNSPECIFIED)


class Losses:
    """Counts what a run has cost, and keeps the tokens that the lost have told of."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._lost: list[_Loss] = []
        self._latest: _Loss | None = None
        self._isolation = inference.ISOLATION_UNSPECIFIED
        self._prefix: tuple[str, Sequence[int]] = ("", ())

    @property
    def isolation(self) -> inference.Isolation:
        """How long the next attempt has the engine for itself."""
        return self._isolation

    def prefix(self, model_id: str) -> Sequence[int]:
        """The tokens from which this model can go on."""
        return self._prefix[1] if self._prefix[0] == model_id else ()

    def take(self, model_id: str, failure: OloError, cause: BaseException | None) -> None:
        """Takes down what a failed attempt has cost."""
        told = _told(cause)
        survived = told is not None and len(told.token_ids) > len(self.prefix(model_id))
        if told is not None and told.token_ids and hands_over(failure):
            self._prefix = model_id, list(told.token_ids)
        self._latest = loss = _loss(model_id, failure, cause, told)
        if loss is None:
            return
        self._lost.append(loss)
        if not self._isolation:
            suspected = failure.reason == ENGINE_LOST or not survived or len(self._lost) >= MAX_LOST
            self._isolation = inference.ISOLATION_FIRST_TOKEN if suspected else self._isolation
        elif loss.company == inference.COMPANY_SHARED:
            self._isolation = inference.ISOLATION_WHOLE_ANSWER

    async def quarantine(self) -> None:
        """Ends the run where the latest loss proves that it is poison.

        Raises:
            RequestPoisoned: It does.
        """
        if self._latest is None or not self._proves(self._latest):
            return
        latest, silent = self._latest, {loss.model_id: None for loss in self._lost if loss.silent}
        if silent:
            await workflow.sleep(min(LEASE_OVER, self._deadline.left()))
            alive = {model_id: await self._alive(model_id) for model_id in silent}
            found = [loss for loss in self._lost if loss.silent in alive.get(loss.model_id, ())]
            self._lost = [replace(loss, silent="") for loss in self._lost if loss not in found]
            if latest in found:
                return
        if self._proves(latest):
            raise RequestPoisoned

    def _proves(self, latest: _Loss) -> bool:
        if latest.company == inference.COMPANY_UNSPECIFIED:
            return sum(loss.alone for loss in self._lost) >= MAX_LOST
        return latest.alone and len(self._lost) >= MAX_LOST

    async def _alive(self, model_id: str) -> set[str]:
        """The instances of a model; none where nobody can say, so that the request harms no further one."""
        try:
            asked = GetModelRequest(model_id=model_id)
            found = await step(GET_MODEL_ACTIVITY, [asked], GetModelResponse, self._deadline)
        except OloError:
            self._deadline.left()
            return set()
        return {instance.instance_id for instance in found.model.instances}


def _loss(model_id: str, failure: OloError, cause: BaseException | None, told: GenerateProgress | None) -> _Loss | None:
    if failure.reason == ENGINE_LOST:
        return _Loss(model_id, inference.COMPANY_UNSPECIFIED if told is None else told.company)
    if not isinstance(cause, TimeoutError) or cause.type is not TimeoutType.HEARTBEAT:
        return None
    return _Loss(model_id, None) if told is None else _Loss(model_id, told.company, told.instance_id)


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
