"""Gateway, registry and router over mutual TLS: real servers, the SDK and the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from olo.common.v1 import common_pb2
from olo.registry.v1 import registry_service_pb2 as pb
from olo.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from olo_client import AsyncOlo, Tls, UnavailableError
from olo_client.cli import program
from olo_client.errors import NOT_REACHABLE, TLS_FAILED
from olo_common.errors import ErrorCode, RemoteError
from olo_common.grpc_client import call, channel
from olo_common.lifecycle import Lifetime
from olo_common.settings import NatsSettings, TemporalSettings, TlsSettings
from olo_gateway.app import running as gateway
from olo_gateway.settings import GatewaySettings
from olo_registry.app import running as registry
from olo_registry.settings import RegistrySettings
from olo_router.app import running as router
from olo_router.settings import RouterSettings
from olo_testing.certificates import Authority, Issued

PATIENCE = 30.0
AWAY = "127.0.0.1:1"
"""Where nobody answers: neither Temporal nor NATS is needed to list models and to explain choices."""
ANNOUNCEMENT = pb.InstanceAnnouncement(
    instance=pb.Instance(
        instance_id="i-1",
        model_id="secure-model",
        address=AWAY,
        task_queue="llm.secure-model",
        max_concurrency=4,
        context_limit=2048,
        hardware_type=common_pb2.HARDWARE_TYPE_CPU,
        epoch=1,
        seq=1,
    ),
    model_name="Secure",
    model_type=common_pb2.MODEL_TYPE_LLM,
    priority=50,
)


@dataclass
class Site:
    """What was started, and who may call it."""

    gateway: str
    registry: str
    authority: Authority
    caller: Issued
    service: Issued
    """What the gateway shows to the others."""

    @property
    def tls(self) -> Tls:
        return Tls(self.authority.file, self.caller.certificate, self.caller.key)


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[Site]:
    authority = Authority(folder / "authority")
    caller = authority.issue("caller")

    def tls(name: str, callers: str = "") -> TlsSettings:
        mine, shown = authority.issue(), authority.issue("service.internal", name)
        return TlsSettings(
            cert_file=mine.certificate,
            key_file=mine.key,
            client_ca_file=authority.file,
            ca_file=authority.file,
            client_cert_file=shown.certificate,
            client_key_file=shown.key,
            allowed_callers=callers,
        )

    away: dict[str, Any] = {
        "nats": NatsSettings(url=f"nats://{AWAY}"),
        "temporal": TemporalSettings(address=AWAY),
        "port": 0,
    }
    async with AsyncExitStack() as stack:
        database = f"sqlite:///{folder}/registry.db"
        registry_at = await stack.enter_async_context(
            registry(
                RegistrySettings(
                    database_url=database, tls=tls("registry.internal", "gateway.internal,spiffe://olo/router"), **away
                ),
                Lifetime(),
            )
        )
        router_at = await stack.enter_async_context(
            router(
                RouterSettings(registry_target=registry_at, tls=tls("spiffe://olo/router", "gateway.internal"), **away),
                Lifetime(),
            )
        )
        gateway_at = await stack.enter_async_context(
            gateway(
                GatewaySettings(
                    registry_target=registry_at,
                    router_target=router_at,
                    retrieval_target=AWAY,
                    http_port=0,
                    role="edge",
                    tls=tls("gateway.internal"),
                    **away,
                ),
                Lifetime(),
            )
        )
        yield Site(gateway_at, registry_at, authority, caller, authority.issue("gateway.internal"))


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with started(tmp_path_factory.mktemp("secure")) as built:
        await register(built, built.service)
        yield built


async def register(site: Site, shown: Issued) -> None:
    tls = TlsSettings(ca_file=site.authority.file, client_cert_file=shown.certificate, client_key_file=shown.key)
    async with channel(site.registry, tls) as opened:
        stub = RegistryServiceStub(opened)
        request = pb.RegisterInstanceRequest(announcement=ANNOUNCEMENT)
        await call(stub.RegisterInstance, request, peer="the registry", timeout=PATIENCE)


async def test_a_caller_of_the_gateway_cannot_register_models(site: Site) -> None:
    with pytest.raises(RemoteError) as caught:
        await register(site, site.caller)
    assert (caught.value.code, caught.value.reason) == (ErrorCode.PERMISSION_DENIED, "caller_not_allowed")


async def test_a_call_passes_through_gateway_and_registry(site: Site) -> None:
    async with AsyncOlo(site.gateway, tls=site.tls) as olo:
        assert [model.model_id async for model in olo.models.list()] == ["secure-model"]


async def test_the_router_follows_the_registry_and_answers_the_gateway(site: Site) -> None:
    async with AsyncOlo(site.gateway, tls=site.tls) as olo, asyncio.timeout(PATIENCE):
        while not (status := await olo.routing.status()).serving:
            await asyncio.sleep(0.05)
    assert status.snapshot_version


async def refused(site: Site, tls: Tls | bool) -> UnavailableError:
    async with AsyncOlo(site.gateway, tls=tls, attempts=1, timeout=PATIENCE) as olo:
        with pytest.raises(UnavailableError) as caught:
            await olo.routing.status()
    return caught.value


async def test_whoever_is_not_known_is_refused_and_told_what_is_missing(site: Site, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger")
    theirs = stranger.issue("caller")
    other = await refused(site, Tls(stranger.file, site.caller.certificate, site.caller.key))
    assert (other.reason, "--ca-file" in other.message) == (TLS_FAILED, True)
    named = await refused(
        site, Tls(site.authority.file, site.caller.certificate, site.caller.key, server_name="nobody")
    )
    assert (named.reason, "another name" in named.message) == (TLS_FAILED, True)
    for tls in (False, Tls(site.authority.file), Tls(site.authority.file, theirs.certificate, theirs.key)):
        plain = await refused(site, tls)
        assert plain.reason == NOT_REACHABLE
        assert "--client-cert" in plain.message


async def test_the_command_line_takes_flags_and_variables(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OLO_TARGET", site.gateway)
    flags = ["--ca-file", str(site.authority.file), "--client-cert", str(site.caller.certificate)]
    flags += ["--client-key", str(site.caller.key)]
    command = ["models", "list", "--json"]
    assert await asyncio.to_thread(program.run, [*flags, *command]) == 0
    told = capsys.readouterr().out
    assert "secure-model" in json.dumps(json.loads(told))
    assert await asyncio.to_thread(program.run, command) == program.MAY_PASS
    assert "--ca-file" in capsys.readouterr().err
    monkeypatch.setenv("OLO_TLS_CA_FILE", str(site.authority.file))
    monkeypatch.setenv("OLO_TLS_CLIENT_CERT_FILE", str(site.caller.certificate))
    monkeypatch.setenv("OLO_TLS_CLIENT_KEY_FILE", str(site.caller.key))
    assert await asyncio.to_thread(program.run, command) == 0
    assert await asyncio.to_thread(program.run, ["--no-tls", *command]) == program.MAY_PASS
