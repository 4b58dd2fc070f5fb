"""The life of a service: health from conditions, reflection, drain, exit codes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from olo_common.errors import StartupError
from olo_common.grpc_client import channel
from olo_common.grpc_server import grpc_server
from olo_common.health import LIVE, Health
from olo_common.lifecycle import Lifetime, background
from olo_common.settings import ServiceSettings, settings_config

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class ExampleSettings(ServiceSettings):
    """An example of a service."""

    model_config = settings_config("OLO_EXAMPLE_")

    port: int = 0


async def check(stub: health_pb2_grpc.HealthStub, name: str = "") -> int:
    response = await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
    return int(response.status)


async def test_health_follows_its_conditions_and_can_be_watched() -> None:
    health = Health(["model", "temporal"])
    async with grpc_server(ExampleSettings(), [], health) as address, channel(address) as opened:
        stub = health_pb2_grpc.HealthStub(opened)
        assert await check(stub) == NOT_SERVING
        assert await check(stub, LIVE) == SERVING
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=""), timeout=10)
        assert (await watch.read()).status == NOT_SERVING
        await health.set("model", True)
        assert health.missing == ["temporal"]
        assert await check(stub) == NOT_SERVING
        await health.set("temporal", True)
        assert (await watch.read()).status == SERVING
        await asyncio.wait_for(health.wait_serving(), 1)
        await health.set("model", False)
        assert (await watch.read()).status == NOT_SERVING
        watch.cancel()


async def test_draining_is_told_before_the_end() -> None:
    health = Health()
    settings = ExampleSettings(drain_seconds=0.2)
    server = grpc_server(settings, [], health)
    address = await server.__aenter__()
    async with channel(address) as opened:
        stub = health_pb2_grpc.HealthStub(opened)
        assert await check(stub) == SERVING
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=""), timeout=10)
        assert (await watch.read()).status == SERVING
        stopping = asyncio.create_task(server.__aexit__(None, None, None))
        assert (await watch.read()).status == NOT_SERVING
        assert await check(stub, LIVE) == NOT_SERVING
        watch.cancel()
        await stopping


async def test_reflection_lists_the_services() -> None:
    async with grpc_server(ExampleSettings(), [], Health()) as address, channel(address) as opened:
        stub = reflection_pb2_grpc.ServerReflectionStub(opened)
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=5)
        response = await call.read()
        assert "grpc.health.v1.Health" in [s.name for s in response.list_services_response.service]
        call.cancel()


async def test_without_reflection_there_is_none() -> None:
    settings = ExampleSettings(reflection=False)
    async with grpc_server(settings, [], Health()) as address, channel(address) as opened:
        stub = reflection_pb2_grpc.ServerReflectionStub(opened)
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=5)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


class Talking(health_pb2_grpc.HealthServicer):
    """Tells callers which connection they are heard on; a stream goes on until it is released."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.peers: list[str] = []

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> health_pb2.HealthCheckResponse:
        self.peers.append(context.peer())
        return health_pb2.HealthCheckResponse()

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        yield health_pb2.HealthCheckResponse()
        await self.release.wait()
        yield health_pb2.HealthCheckResponse(status=SERVING)


async def test_an_old_connection_is_replaced_and_its_calls_end_as_usual() -> None:
    talking, health = Talking(), Health()
    health.servicer = talking
    health.cover = health.drain = AsyncMock()
    settings = ExampleSettings(connection_age=0.1)
    async with grpc_server(settings, [], health) as address, channel(address) as opened:
        stub = health_pb2_grpc.HealthStub(opened)
        stream = stub.Watch(health_pb2.HealthCheckRequest(), timeout=60)
        await stream.read()
        async with asyncio.timeout(60):
            while len(set(talking.peers)) < 3:
                await check(stub)
                await asyncio.sleep(0.02)
        talking.release.set()
        assert (await stream.read()).status == SERVING


async def test_a_taken_port_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StartupError, match=f"port {port} on 127.0.0.1 is taken"):
            async with grpc_server(ExampleSettings(port=port), [], Health()):
                pass


async def test_a_failing_background_task_ends_the_lifetime() -> None:
    lifetime = Lifetime()

    async def fails() -> None:
        raise OSError("disk gone")

    async with background(fails(), "doomed", lifetime):
        await asyncio.wait_for(lifetime.over(), 1)
    assert isinstance(lifetime.failure, OSError)


SCRIPT = """
import asyncio, gc, sys
from contextlib import asynccontextmanager
from olo_common.errors import StartupError
from olo_common.grpc_server import grpc_server
from olo_common.health import LIVE, Health
from olo_common.lifecycle import run_service
from olo_common.settings import ServiceSettings, settings_config

class S(ServiceSettings):
    model_config = settings_config("OLO_EXAMPLE_")
    port: int = 0
    how: str = "serve"

@asynccontextmanager
async def running(settings, lifetime):
    if settings.how == "refuse":
        raise StartupError("the cupboard is bare; fill it")
    async with grpc_server(settings, [], Health()) as address:
        if settings.how == "fail":
            lifetime.fail(RuntimeError("lost"))
        yield address
        print(len(gc.get_objects()), gc.get_freeze_count())

if __name__ == "__main__":
    run_service("example", S, running)
"""


def start(script: Path, how: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(script), *arguments],
        env={**os.environ, "OLO_EXAMPLE_HOW": how},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "example.py"
    path.write_text(SCRIPT)
    return path


def test_the_process_stops_on_sigterm_with_exit_code_0(script: Path) -> None:
    child = start(script, "serve")
    assert child.stderr is not None
    lines = iter(child.stderr.readline, "")
    assert any("service_started" in line for line in lines)
    child.send_signal(signal.SIGTERM)
    rest = child.stderr.read()
    assert child.wait(20) == 0
    assert "service_stopped" in rest


def test_what_has_come_with_the_start_is_not_looked_through_again(script: Path) -> None:
    child = start(script, "fail")
    out, _ = child.communicate(timeout=120)
    looked_through, kept = map(int, out.split())
    assert kept > 10 * looked_through


def test_a_service_that_cannot_start_says_one_sentence(script: Path) -> None:
    child = start(script, "refuse")
    _, err = child.communicate(timeout=120)
    assert child.returncode == 1
    assert err == "olo-example: the cupboard is bare; fill it\n"


def test_a_service_that_has_lost_a_part_exits_with_1(script: Path) -> None:
    child = start(script, "fail")
    child.communicate(timeout=120)
    assert child.returncode == 1


def test_help_needs_no_settings(script: Path) -> None:
    child = start(script, "serve", "--help")
    out, _ = child.communicate(timeout=120)
    assert child.returncode == 0
    assert "OLO_EXAMPLE_HOW (default: serve)" in out
