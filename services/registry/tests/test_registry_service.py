"""The whole service over gRPC, without NATS: it starts, answers, stops, and keeps its catalogue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc_health.v1 import health_pb2, health_pb2_grpc

from olo.common.v1 import common_pb2
from olo.registry.v1 import benchmark_service_pb2 as benchmark_pb
from olo.registry.v1 import registry_service_pb2 as pb
from olo.registry.v1.benchmark_service_pb2_grpc import BenchmarkServiceStub
from olo.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from olo_common.errors import ErrorCode, RemoteError
from olo_common.grpc_client import call, channel
from olo_common.lifecycle import Lifetime
from olo_common.settings import NatsSettings
from olo_registry.app import running
from olo_registry.settings import RegistrySettings

AWAY = NatsSettings(url="nats://127.0.0.1:1")


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[grpc.aio.Channel]:
    settings = RegistrySettings(
        port=0, database_url=f"sqlite:///{directory}/registry.db", nats=AWAY, grace_seconds=30.0
    )
    async with AsyncExitStack() as stack:
        # The channel is closed last, so that the server stops while its client is still there.
        channels = await stack.enter_async_context(AsyncExitStack())
        address = await stack.enter_async_context(running(settings, Lifetime()))
        yield await channels.enter_async_context(channel(address))


def announcement(model_id: str = "m", **changes: Any) -> pb.InstanceAnnouncement:
    instance: dict[str, Any] = {
        "instance_id": f"i-{model_id.replace('/', '-')}",
        "model_id": model_id,
        "address": "127.0.0.1:50055",
        "task_queue": f"llm.{model_id}",
        "max_concurrency": 4,
        "context_limit": 2048,
        "hardware_type": common_pb2.HARDWARE_TYPE_CPU,
        "epoch": 1,
        "seq": 1,
    }
    return pb.InstanceAnnouncement(
        instance=pb.Instance(**{**instance, **changes}),
        model_name=model_id.upper(),
        model_type=common_pb2.MODEL_TYPE_LLM,
        priority=50,
    )


async def do(method: Any, request: Any) -> Any:
    return await call(method, request, peer="the registry", timeout=5)


async def register(stub: Any, *model_ids: str) -> None:
    for model_id in model_ids:
        await do(stub.RegisterInstance, pb.RegisterInstanceRequest(announcement=announcement(model_id)))


async def test_it_is_healthy_without_nats_and_stops_at_once_although_somebody_watches(tmp_path: Path) -> None:
    # The grace is 30 seconds, and a watch never ends of itself.
    async with asyncio.timeout(15), serving(tmp_path) as opened:
        health = health_pb2_grpc.HealthStub(opened)
        for name in ("", "olo.registry.v1.RegistryService"):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        watch = RegistryServiceStub(opened).WatchModels(pb.WatchModelsRequest())
        assert (await watch.read()).snapshot


async def test_register_get_watch_deregister(tmp_path: Path) -> None:
    async with serving(tmp_path) as opened:
        stub: Any = RegistryServiceStub(opened)
        watch = stub.WatchModels(pb.WatchModelsRequest())
        assert (await watch.read()).snapshot
        answer = await do(stub.RegisterInstance, pb.RegisterInstanceRequest(announcement=announcement()))
        assert answer.lease.ToTimedelta().total_seconds() == 6.0
        change = await watch.read()
        assert change.models[0].instances[0].state == pb.INSTANCE_STATE_READY
        model = (await do(stub.GetModel, pb.GetModelRequest(model_id="m"))).model
        assert model == change.models[0]
        assert (model.model_name, model.priority, model.max_concurrency, model.task_queue) == ("M", 50, 4, "llm.m")
        await do(stub.DeregisterInstance, pb.DeregisterInstanceRequest(instance_id="i-m"))
        assert not (await watch.read()).models[0].instances
        watch.cancel()


async def test_pages_follow_each_other_in_the_order_of_ids(tmp_path: Path) -> None:
    ids = ["a", "b/c", "d:e", "f", "g"]
    async with serving(tmp_path) as opened:
        stub: Any = RegistryServiceStub(opened)
        await register(stub, *reversed(ids))
        seen: list[str] = []
        token, pages = "", 0
        while pages == 0 or token:
            page = await do(stub.ListModels, pb.ListModelsRequest(page_size=2, page_token=token))
            seen += [model.model_id for model in page.models]
            token, pages = page.next_page_token, pages + 1
        assert (seen, pages) == (ids, 3)
        request = pb.ListModelsRequest(model_type=common_pb2.MODEL_TYPE_EMBEDDING)
        assert not (await do(stub.ListModels, request)).models


async def test_policy_survives_a_restart_and_the_default_is_one(tmp_path: Path) -> None:
    async with serving(tmp_path) as opened:
        stub: Any = RegistryServiceStub(opened)
        await register(stub, "m", "n")
        for model_id in ("m", "n"):
            await do(
                stub.UpdateModel,
                pb.UpdateModelRequest(
                    model=pb.Model(model_id=model_id, default_flag=True, priority=9),
                    update_mask=FieldMask(paths=["default_flag", "priority"]),
                ),
            )
    async with serving(tmp_path) as opened:
        stub = RegistryServiceStub(opened)
        models = (await do(stub.ListModels, pb.ListModelsRequest())).models
        assert [(m.model_id, m.default_flag, m.priority, m.model_name, len(m.instances)) for m in models] == [
            ("m", False, 9, "M", 0),
            ("n", True, 9, "N", 0),
        ]


async def test_every_field_of_policy_is_set_shown_kept_and_given_back(tmp_path: Path) -> None:
    policy: dict[str, Any] = {
        "quality_score": 0.75,
        "cost_per_1k_input_tokens": 0.0,
        "cost_per_1k_output_tokens": 0.25,
        "labels": {"tier": "gold"},
        "capabilities": ["json", "tools"],
        "allowed_tenants": ["a", "b"],
    }
    async with serving(tmp_path) as opened:
        stub: Any = RegistryServiceStub(opened)
        await register(stub, "m")
        await do(stub.UpdateModel, mask(*policy, **policy))
        target = pb.AliasTarget(model_id="m", weight=1)
        shadow = pb.AliasShadow(model_id="n", percent=10)
        await register(stub, "n")
        await do(
            stub.SetAlias, pb.SetAliasRequest(alias=pb.Alias(alias="chat:latest", targets=[target], shadow=shadow))
        )
    async with serving(tmp_path) as opened:
        stub = RegistryServiceStub(opened)
        model = (await do(stub.GetModel, pb.GetModelRequest(model_id="m"))).model
        assert pb.Model(model_id="m", **policy) == pb.Model(
            model_id="m", **{name: getattr(model, name) for name in policy}
        )
        assert model.HasField("cost_per_1k_input_tokens")
        aliases = (await do(stub.ListAliases, pb.ListAliasesRequest())).aliases
        assert list(aliases) == [pb.Alias(alias="chat:latest", targets=[target], shadow=shadow)]
        model = (await do(stub.UpdateModel, mask("cost_per_1k_input_tokens", "labels"))).model
        assert not model.HasField("cost_per_1k_input_tokens")
        assert not model.labels


async def test_a_watch_resumes_where_it_was(tmp_path: Path) -> None:
    async with serving(tmp_path) as opened:
        stub: Any = RegistryServiceStub(opened)
        await register(stub, "m", "n")
        watch = stub.WatchModels(pb.WatchModelsRequest())
        seen = await watch.read()
        watch.cancel()
        await do(stub.UpdateModel, mask("priority", priority=7))
        await do(
            stub.SetAlias,
            pb.SetAliasRequest(alias=pb.Alias(alias="a", targets=[pb.AliasTarget(model_id="m", weight=1)])),
        )
        resumed = stub.WatchModels(pb.WatchModelsRequest(registry_epoch=seen.registry_epoch, version=seen.version))
        missed = await resumed.read()
        resumed.cancel()
        assert not missed.snapshot
        assert [(model.model_id, model.priority) for model in missed.models] == [("m", 7)]
        assert [alias.alias for alias in missed.aliases] == ["a"]
        stranger = stub.WatchModels(pb.WatchModelsRequest(registry_epoch="another", version=seen.version))
        everything = await stranger.read()
        stranger.cancel()
        assert everything.snapshot
        assert len(everything.models) == 2


def mask(*paths: str, **model: Any) -> pb.UpdateModelRequest:
    return pb.UpdateModelRequest(model=pb.Model(**{"model_id": "m", **model}), update_mask=FieldMask(paths=paths))


@pytest.mark.parametrize(
    ("method", "request_message", "code", "reason", "field"),
    [
        ("GetModel", pb.GetModelRequest(model_id="no"), "NOT_FOUND", "model_not_found", "model_id"),
        ("DeregisterInstance", pb.DeregisterInstanceRequest(instance_id="no"), "NOT_FOUND", "instance_not_found", None),
        ("DeregisterInstance", pb.DeregisterInstanceRequest(), "INVALID_ARGUMENT", "field_invalid", "instance_id"),
        ("ListModels", pb.ListModelsRequest(page_token="%%%"), "INVALID_ARGUMENT", "field_invalid", "page_token"),
        ("ListModels", pb.ListModelsRequest(page_token="/////w=="), "INVALID_ARGUMENT", "field_invalid", "page_token"),
        ("UpdateModel", mask("context_limit"), "INVALID_ARGUMENT", "field_invalid", "update_mask"),
        ("UpdateModel", mask(), "INVALID_ARGUMENT", "field_invalid", "update_mask"),
        ("UpdateModel", mask("priority", priority=1001), "INVALID_ARGUMENT", "field_invalid", "model.priority"),
        ("UpdateModel", mask("model_name", model_name=" "), "INVALID_ARGUMENT", "field_invalid", "model.model_name"),
        ("UpdateModel", mask("enabled", model_id="no"), "NOT_FOUND", "model_not_found", None),
        (
            "UpdateModel",
            mask("quality_score", quality_score=2.0),
            "INVALID_ARGUMENT",
            "field_invalid",
            "model.quality_score",
        ),
        ("UpdateModel", mask("labels", labels={"a b": ""}), "INVALID_ARGUMENT", "field_invalid", "model.labels"),
        ("DrainInstances", pb.DrainInstancesRequest(), "INVALID_ARGUMENT", "field_invalid", "instance_id"),
        (
            "DrainInstances",
            pb.DrainInstancesRequest(model_id="no"),
            "NOT_FOUND",
            "instance_not_found",
            "model_id",
        ),
        ("SetAlias", pb.SetAliasRequest(), "INVALID_ARGUMENT", "field_invalid", "alias.alias"),
        (
            "SetAlias",
            pb.SetAliasRequest(alias=pb.Alias(alias="a")),
            "INVALID_ARGUMENT",
            "field_invalid",
            "alias.targets",
        ),
        ("DeleteAlias", pb.DeleteAliasRequest(alias="no"), "NOT_FOUND", "alias_not_found", "alias"),
        (
            "RegisterInstance",
            pb.RegisterInstanceRequest(announcement=announcement(max_concurrency=0)),
            "INVALID_ARGUMENT",
            "field_invalid",
            "max_concurrency",
        ),
        (
            "RegisterInstance",
            pb.RegisterInstanceRequest(announcement=announcement(instance_id="i2", context_limit=1)),
            "FAILED_PRECONDITION",
            "registration_rejected",
            "context_limit",
        ),
    ],
)
async def test_what_is_wrong_is_said(
    tmp_path: Path, method: str, request_message: Any, code: str, reason: str, field: str | None
) -> None:
    async with serving(tmp_path) as opened:
        stub: Any = RegistryServiceStub(opened)
        await register(stub, "m")
        with pytest.raises(RemoteError) as caught:
            await do(getattr(stub, method), request_message)
    assert (caught.value.code, caught.value.reason) == (ErrorCode[code], reason)
    assert field is None or caught.value.field == field


@pytest.mark.parametrize(
    ("method", "request_message", "code", "field"),
    [
        ("ListModelFacts", benchmark_pb.ListModelFactsRequest(model_id="no"), "NOT_FOUND", "model_id"),
        ("DecideMatch", benchmark_pb.DecideMatchRequest(model_id="m", source="x"), "INVALID_ARGUMENT", "source"),
        ("DecideMatch", benchmark_pb.DecideMatchRequest(model_id="no", source="lmarena"), "NOT_FOUND", "model_id"),
        (
            "DecideMatch",
            benchmark_pb.DecideMatchRequest(model_id="m", source="lmarena", record="r"),
            "NOT_FOUND",
            "record",
        ),
    ],
)
async def test_what_is_wrong_about_benchmarks_is_said(
    tmp_path: Path, method: str, request_message: Any, code: str, field: str
) -> None:
    async with serving(tmp_path) as opened:
        await register(RegistryServiceStub(opened), "m")
        stub: Any = BenchmarkServiceStub(opened)
        sources = (await do(stub.ListBenchmarkSources, benchmark_pb.ListBenchmarkSourcesRequest())).sources
        assert [(source.records, source.HasField("fetch_time")) for source in sources] == [(0, False)] * 3
        with pytest.raises(RemoteError) as caught:
            await do(getattr(stub, method), request_message)
    assert (caught.value.code, caught.value.field) == (ErrorCode[code], field)
