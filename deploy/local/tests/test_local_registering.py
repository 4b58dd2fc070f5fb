"""Waiting for the models of a stack."""

from __future__ import annotations

from typing import Any

import grpc

from olo.registry.v1 import registry_service_pb2 as pb
from olo.registry.v1.registry_service_pb2_grpc import RegistryServiceServicer, add_RegistryServiceServicer_to_server
from olo_local.registering import unregistered


class Registry(RegistryServiceServicer):
    """Knows more models with each look of the caller."""

    def __init__(self, *looks: dict[str, pb.Model]) -> None:
        self._looks = list(looks)
        self._asked: set[str] = set()

    async def GetModel(self, request: pb.GetModelRequest, context: Any) -> pb.GetModelResponse:
        if request.model_id in self._asked:
            self._asked.clear()
            del self._looks[: len(self._looks) > 1]
        self._asked.add(request.model_id)
        if (model := self._looks[0].get(request.model_id)) is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such model")
        return pb.GetModelResponse(model=model)


def model(state: pb.InstanceState, *, enabled: bool = True, tenants: tuple[str, ...] = ()) -> pb.Model:
    return pb.Model(enabled=enabled, allowed_tenants=tenants, instances=[pb.Instance(state=state)])


async def missing(registry: Registry, *models: str) -> list[set[str]]:
    server = grpc.aio.server()
    add_RegistryServiceServicer_to_server(registry, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        return [set(left) async for left in unregistered(f"127.0.0.1:{port}", models)]
    finally:
        await server.stop(None)


async def test_it_ends_when_all_models_have_a_ready_instance() -> None:
    ready, drained = model(pb.INSTANCE_STATE_READY), model(pb.INSTANCE_STATE_DRAINING)
    registry = Registry({}, {"a": drained}, {"a": ready, "b": drained}, {"a": ready, "b": ready})
    assert await missing(registry, "a", "b") == [{"a", "b"}, {"b"}]


async def test_a_model_that_callers_may_not_see_is_there() -> None:
    registry = Registry(
        {
            "disabled": model(pb.INSTANCE_STATE_READY, enabled=False),
            "kept": model(pb.INSTANCE_STATE_READY, tenants=("acme",)),
        }
    )
    assert await missing(registry, "disabled", "kept") == [{"disabled", "kept"}]
