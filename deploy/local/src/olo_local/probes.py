"""How a child shows that it serves."""

from __future__ import annotations

import asyncio

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from olo_common.grpc_client import channel
from olo_common.settings import TlsSettings
from olo_local.types import Probe

_SECONDS = 2.0

TEMPORAL_SERVICE = "temporal.api.workflowservice.v1.WorkflowService"


def grpc_health(address: str, service: str = "", tls: TlsSettings | None = None) -> Probe:
    """A probe that asks for gRPC health, with the TLS of the settings where they have any."""
    request = health_pb2.HealthCheckRequest(service=service)

    async def probe() -> bool:
        async with channel(address, tls) as opened:
            try:
                response = await health_pb2_grpc.HealthStub(opened).Check(request, timeout=_SECONDS)
            except grpc.aio.AioRpcError:
                return False
            return bool(response.status == health_pb2.HealthCheckResponse.SERVING)

    return probe


def greeting(host: str, port: int, expected: bytes) -> Probe:
    """A probe that connects and waits for the first words of a server."""

    async def probe() -> bool:
        try:
            async with asyncio.timeout(_SECONDS):
                reader, writer = await asyncio.open_connection(host, port)
                try:
                    return await reader.readexactly(len(expected)) == expected
                finally:
                    writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return False

    return probe


def http_ready(host: str, port: int, path: str) -> Probe:
    """A probe that asks for a path over HTTP, and expects the status 200."""

    async def probe() -> bool:
        try:
            async with asyncio.timeout(_SECONDS):
                reader, writer = await asyncio.open_connection(host, port)
                try:
                    writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
                    return b" 200 " in await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False

    return probe


async def until(probe: Probe, *, first_pause: float = 0.05, longest_pause: float = 0.25) -> None:
    """Waits until a probe succeeds."""
    pause = first_pause
    while not await probe():
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, longest_pause)
