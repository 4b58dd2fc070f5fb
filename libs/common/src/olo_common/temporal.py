"""The connection to Temporal, and workers on it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache
from importlib.metadata import version
from typing import TypeAlias, TypedDict

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.service import GrpcCompression, RPCError, TLSConfig
from temporalio.worker import Worker, WorkerDeploymentConfig

from olo_common.health import Health
from olo_common.lifecycle import Lifetime, background
from olo_common.logs import logger
from olo_common.metrics import serving_metrics, show_temporal
from olo_common.payload_room import PayloadRoom
from olo_common.payload_store import data_converter, most_bytes
from olo_common.run_ids import RunIds
from olo_common.settings import TemporalSettings
from olo_common.temporal_traces import TemporalTraces
from olo_common.tls import temporal_files
from olo_common.tracing import tracing

TEMPORAL_CONDITION = "temporal"
"""The health condition that `temporal_worker` keeps."""

Buckets: TypeAlias = tuple[tuple[str, tuple[float, ...]], ...]
"""Names of histograms, and the upper bounds of their buckets."""

_CHECK_SECONDS = 2.0


@cache
def _runtime(buckets: Buckets) -> Runtime:
    """The SDK's threads, which measure what they do where somebody can read it."""
    if not serving_metrics():
        return Runtime.default()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shown = PrometheusConfig(
        bind_address=f"127.0.0.1:{port}",
        durations_as_seconds=True,
        counters_total_suffix=True,
        histogram_bucket_overrides={name: list(bounds) for name, bounds in buckets},
    )
    runtime = Runtime(telemetry=TelemetryConfig(metrics=shown))
    show_temporal(port)
    return runtime


async def temporal_client(settings: TemporalSettings, identity: str, buckets: Buckets = ()) -> Client:
    """A client that connects when it is first used.

    Args:
        settings: Where Temporal is.
        identity: Who the client is, in histories.
        buckets: Of the histograms that the workflows of this process measure; those of its first client hold.

    Raises:
        StartupError: The payload store cannot be used, or a file of TLS.
    """
    return await Client.connect(
        settings.address,
        namespace=settings.namespace,
        identity=identity,
        api_key=settings.api_key.get_secret_value() if settings.api_key else None,
        tls=tls_config(settings),
        data_converter=data_converter(settings.payloads),
        interceptors=[*([TemporalTraces()] if tracing() else []), RunIds(), PayloadRoom(most_bytes(settings.payloads))],
        runtime=_runtime(buckets),
        grpc_compression=GrpcCompression.GZIP if settings.compression else GrpcCompression.NONE,
        lazy=True,
    )


def tls_config(settings: TemporalSettings) -> TLSConfig | bool:
    """How to speak TLS to Temporal; False: without it.

    Raises:
        StartupError: A file is missing or senseless, the certificate is expired, or the key is another's.
    """
    if not settings.uses_tls:
        return False
    pem = temporal_files(settings).current()
    return TLSConfig(
        server_root_ca_cert=pem.authorities or None,
        domain=settings.tls_server_name or None,
        client_cert=pem.certificate or None,
        client_private_key=pem.key or None,
    )


async def reachable(client: Client) -> bool:
    """Whether the Temporal frontend answers now."""
    try:
        return await client.service_client.check_health(timeout=timedelta(seconds=2))
    except (RPCError, RuntimeError):
        return False


def build_id(distribution: str) -> str:
    """The build id of a worker: which release of which distribution it runs.

    Without one, the SDK makes one by hashing every loaded module, and the event loop stands still for seconds.
    """
    return f"{distribution}-{version(distribution)}"


class WorkerVersion(TypedDict, total=False):
    """The arguments of a worker that say which version it is: one of them."""

    build_id: str
    deployment_config: WorkerDeploymentConfig


def worker_version(settings: TemporalSettings, distribution: str, *, pinned: bool = False) -> WorkerVersion:
    """Which version a worker that runs workflows is.

    Args:
        settings: Whether there is a Worker Deployment.
        distribution: What it runs.
        pinned: Whether a workflow ends with the build that began it; else it goes on with the current one, which its
            history must allow. For workflows of minutes: a build lives as long as one of its workflows.
    """
    if not settings.deployment_name:
        return {"build_id": build_id(distribution)}
    behavior = VersioningBehavior.PINNED if pinned else VersioningBehavior.AUTO_UPGRADE
    version = WorkerDeploymentVersion(settings.deployment_name, settings.worker_build_id or build_id(distribution))
    return {"deployment_config": WorkerDeploymentConfig(version, True, behavior)}


@asynccontextmanager
async def temporal_worker(
    client: Client, make_worker: Callable[[], Worker], *, lifetime: Lifetime, health: Health
) -> AsyncIterator[None]:
    """Runs a worker while the context is entered. Waits for Temporal in the background, as long as it takes.

    Keeps the health condition `temporal`: true while the worker polls and the server answers. A worker that fails for
    good ends the lifetime. Leaving the context shuts the worker down with its graceful timeout.
    """
    worker: Worker | None = None
    log = logger(__name__)

    async def run() -> None:
        nonlocal worker
        while not await reachable(client):
            log.warning("temporal_unreachable")
            await asyncio.sleep(1.0)
        # It has answered, so it is connected; the SDK goes by this flag alone and refuses lazy clients to workers.
        client.service_client.config.lazy = False
        worker = make_worker()
        async with background(watch(), "temporal-watch", lifetime):
            await worker.run()

    async def watch() -> None:
        while True:
            await health.set(TEMPORAL_CONDITION, await reachable(client))
            await asyncio.sleep(_CHECK_SECONDS)

    task = asyncio.create_task(run(), name="temporal-worker")
    task.add_done_callback(lambda done: _report(done, lifetime))
    try:
        yield
    finally:
        if worker is not None and not task.done():
            await worker.shutdown()
        else:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task


def _report(task: asyncio.Task[None], lifetime: Lifetime) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger(__name__).error("temporal_worker_failed", exc_info=error)
        lifetime.fail(error)
