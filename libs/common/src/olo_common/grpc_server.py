"""The gRPC server of every service: health, reflection, error mapping, limits, drain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from olo_common.errors import StartupError
from olo_common.grpc_callers import CallerInterceptor
from olo_common.grpc_interceptors import ErrorInterceptor, TelemetryInterceptor
from olo_common.grpc_tls import server_credentials
from olo_common.health import Health
from olo_common.settings import ServiceSettings
from olo_common.tls import client_files, server_files, show_expiry

MAX_MESSAGE_BYTES = 16 * 1024 * 1024

_OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Half of what our own clients keep to; who pings more often is told so and cut off.
    ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
    ("grpc.so_reuseport", 0),
]


@dataclass(frozen=True)
class Registration:
    """A servicer, how it is added, and the descriptor that names it."""

    descriptor: ServiceDescriptor
    add: Callable[[Any, grpc.aio.Server], None]
    servicer: Any


@asynccontextmanager
async def grpc_server(
    settings: ServiceSettings,
    registrations: Sequence[Registration],
    conditions: Health,
    *,
    stopping: Callable[[], None] = lambda: None,
    guards: Sequence[grpc.aio.ServerInterceptor] = (),
) -> AsyncIterator[str]:
    """Serves while the context is entered; gives `host:port`. Leaving it drains: NOT_SERVING, wait, stop with grace.

    Args:
        settings: Where, and how long draining takes.
        registrations: What is served.
        conditions: The health that is served with it.
        stopping: Called when the wait is over: nothing new is to be taken.
        guards: Interceptors that let calls in, health checks and reflection too, before anything else runs.

    Raises:
        StartupError: The port is taken, or a file of TLS cannot be used.
    """
    # Outermost of those that let in: who may not call at all is told nothing else.
    callers = [CallerInterceptor(settings.tls.callers)] if settings.tls.callers else []
    interceptors = [TelemetryInterceptor(), ErrorInterceptor(), *callers, *guards]
    server = grpc.aio.server(interceptors=interceptors, options=[*_OPTIONS, *_age(settings.connection_age)])
    for registration in registrations:
        registration.add(registration.servicer, server)
    names = [registration.descriptor.full_name for registration in registrations]
    health_pb2_grpc.add_HealthServicer_to_server(conditions.servicer, server)
    if settings.reflection:
        reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    files, address = server_files(settings.tls), f"{settings.host}:{settings.port}"
    # Kept until the end: gRPC asks them at each handshake, and does not count that as a reference.
    credentials = server_credentials(files) if files else None
    try:
        port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError:
        raise StartupError(
            f"port {settings.port} on {settings.host} is taken; stop what listens there or set another port"
        ) from None
    show_expiry([files, client_files(settings.tls)])
    await conditions.cover(names)
    await server.start()
    try:
        yield f"{settings.host}:{port}"
    finally:
        await conditions.drain()
        await asyncio.sleep(settings.drain_seconds)
        stopping()
        await server.stop(settings.grace_seconds)


def _age(seconds: float) -> list[tuple[str, int]]:
    """Ends connections in time; no grace is set, since the answer of a call under way may take minutes."""
    return [("grpc.max_connection_age_ms", round(seconds * 1000))] if seconds else []
