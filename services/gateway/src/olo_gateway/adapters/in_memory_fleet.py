"""The ports about models and queues without any server: for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from olo.common.v1.common_pb2 import ModelType
from olo.inference.v1.inference_service_pb2 import GetModelInfoResponse
from olo.registry.v1 import registry_service_pb2 as registry
from olo.router.v1 import router_service_pb2 as router
from olo_common.errors import ErrorCode, RemoteError
from olo_gateway.errors import ModelNotFound
from olo_gateway.ports import Backlog
from olo_gateway.runs.order import ChatOrder


class InMemoryFleet:
    """A fixed set of models, and the aliases that were made.

    Args:
        models: The models.
        measurements: What routers have measured.
    """

    def __init__(
        self, models: Sequence[registry.Model] = (), measurements: Sequence[registry.Measurement] = ()
    ) -> None:
        self._models = {model.model_id: model for model in models}
        self._measurements = measurements
        self._aliases: dict[str, registry.Alias] = {}

    async def models(self) -> Sequence[registry.Model]:
        """See `ports.Fleet`."""
        return [self._models[model_id] for model_id in sorted(self._models)]

    async def model(self, model_id: str) -> registry.Model:
        """See `ports.Fleet`."""
        if model_id not in self._models:
            raise ModelNotFound
        return self._models[model_id]

    async def aliases(self) -> Sequence[registry.Alias]:
        """See `ports.Fleet`."""
        return [self._aliases[name] for name in sorted(self._aliases)]

    async def set_alias(self, alias: registry.Alias) -> None:
        """See `ports.Fleet`."""
        self._aliases[alias.alias] = alias

    async def delete_alias(self, alias: str) -> None:
        """See `ports.Fleet`."""
        if self._aliases.pop(alias, None) is None:
            raise RemoteError(ErrorCode.NOT_FOUND, "alias_not_found", "no alias has this name", field="alias")

    async def measurements(self) -> Sequence[registry.Measurement]:
        """See `ports.Fleet`."""
        return self._measurements


class InMemoryInspecting:
    """Counts words, and chooses what is named where a fleet has it.

    Args:
        fleet: The models.
        infos: What models say of themselves, by model id.
    """

    def __init__(self, fleet: InMemoryFleet, infos: Mapping[str, GetModelInfoResponse] | None = None) -> None:
        self._fleet = fleet
        self._infos = infos or {}

    async def explain(self, model: str, model_type: ModelType) -> router.SelectModelsResponse:
        """See `ports.Selecting`."""
        chosen = (await self._fleet.models())[0] if model in ("", "auto") else await self._fleet.model(model)
        if not chosen.instances:
            raise RemoteError(ErrorCode.UNAVAILABLE, "model_unavailable", "the model is away", retry_after=1.0)
        return router.SelectModelsResponse(candidates=[router.Candidate(model_id=chosen.model_id)])

    async def count(self, order: ChatOrder) -> int:
        """See `ports.Inspecting`."""
        await self._fleet.model(order.model)
        return sum(len(turn.content.split()) for turn in order.turns) + len(order.tools)

    async def info(self, model: registry.Model) -> GetModelInfoResponse | None:
        """See `ports.Inspecting`."""
        return self._infos.get(model.model_id)


class InMemoryBacklogs:
    """Queues that hold what they were given."""

    def __init__(self, backlogs: Mapping[str, Backlog | None] | None = None) -> None:
        self._backlogs = backlogs or {}

    async def of(self, queues: Sequence[str]) -> Mapping[str, Backlog | None]:
        """See `ports.Backlogs`."""
        return {queue: self._backlogs.get(queue) for queue in queues}
