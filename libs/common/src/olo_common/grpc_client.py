"""Channels and calls to other services."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from opentelemetry.trace import SpanKind

from olo_common.errors import Unavailable
from olo_common.grpc_server import MAX_MESSAGE_BYTES
from olo_common.grpc_tls import TlsChannel, handshake_problem
from olo_common.occasional_log import OccasionalWarning
from olo_common.rpc_status import from_rpc_error
from olo_common.settings import TlsSettings
from olo_common.tls import client_files
from olo_common.tracing import tell, trace_headers, tracing

_OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # A peer that was restarted is found again within a second, not after gRPC's default of up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Retries belong to one layer, and that is not this one.
    ("grpc.enable_retries", 0),
]

_handshake_failed = OccasionalWarning("tls_handshake_failed")


def open_channel(target: str, tls: TlsSettings | None = None) -> grpc.aio.Channel:
    """A channel to `host:port`. Connects when it is first used, and again whenever it has to.

    Args:
        target: Host and port.
        tls: How the peer is known, and what is shown to it; None, or no authorities in it: without TLS.

    Raises:
        StartupError: A file of TLS cannot be used.
    """
    files = client_files(tls) if tls else None
    if tls is None or files is None:
        return grpc.aio.insecure_channel(target, options=_OPTIONS)
    name = [("grpc.ssl_target_name_override", tls.server_name)] if tls.server_name else []

    def secure(credentials: grpc.ChannelCredentials) -> grpc.aio.Channel:
        return grpc.aio.secure_channel(target, credentials, options=[*_OPTIONS, *name])

    return TlsChannel(files, secure)


@asynccontextmanager
async def channel(target: str, tls: TlsSettings | None = None) -> AsyncIterator[grpc.aio.Channel]:
    """A channel that is closed afterwards; else as `open_channel`."""
    opened = open_channel(target, tls)
    try:
        yield opened
    finally:
        await opened.close()


async def call(method: Any, request: Any, *, peer: str, timeout: float, metadata: Any = None) -> Any:
    """Calls a unary method, which goes on with the current trace.

    The span of a call is the server's. One that fails has a span here too: the server may never have heard of it.

    Args:
        method: A method of an aio stub.
        request: Its request message.
        peer: Who is called, for messages: `the router`.
        timeout: Seconds until the call is given up.
        metadata: Metadata of the call.

    Raises:
        OloError: What the peer has raised, or that it is not reachable.
    """
    began = time.time_ns()
    if tracing():
        metadata = (*(metadata or ()), *trace_headers().items())
    try:
        return await method(request, timeout=timeout, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        _tell(peer, began, error.code())
        if error.code() is grpc.StatusCode.UNAVAILABLE and (problem := handshake_problem(error.details() or "")):
            _handshake_failed(name=peer, problem=problem)
        raise from_rpc_error(error, peer=peer) from error
    except asyncio.CancelledError:
        raise
    except grpc.aio.UsageError as error:
        raise Unavailable(f"{peer} is not reachable", retry_after=1.0) from error


def _tell(peer: str, began: int, code: grpc.StatusCode) -> None:
    facts = {"rpc.system": "grpc", "rpc.grpc.status_code": code.value[0]}
    tell(f"call {peer}", began, time.time_ns(), kind=SpanKind.CLIENT, attributes=facts, problem=code.name)
