"""The services as processes of their own, around a model that costs nothing: load must not slow itself down."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench import zero_cost

from olo_testing.ports import free_port
from olo_testing.processes import end, running
from olo_testing.servers import nats_server, temporal_server

ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 120.0
"""A machine with other work starts a service slowly, and nothing of that is measured."""


@contextmanager
def fleet(
    directory: Path,
    *,
    slots: int = 1024,
    seconds: float = 0.0,
    http_port: int = 0,
    env: Mapping[str, str] | None = None,
    metrics: Sequence[int] = (0, 0, 0),
) -> Iterator[tuple[str, str]]:
    """Temporal, NATS, registry, router, gateway and one worker; gives the addresses of gateway and Temporal.

    Args:
        directory: For data and logs.
        slots: Answers that the worker gives at a time.
        seconds: How long each takes.
        http_port: The gateway's; 0: any.
        env: Further variables of all services and of the worker.
        metrics: Where registry, router and gateway show their metrics; 0: nowhere.
    """
    with ExitStack() as stack:
        enter = stack.enter_context
        temporal, nats = enter(temporal_server(directory)), enter(nats_server(directory))
        common = {"TEMPORAL_ADDRESS": temporal, "OLO_NATS_URL": nats, "OLO_LOG_LEVEL": "error", **(env or {})}
        database = {"OLO_REGISTRY_DATABASE_URL": f"sqlite:///{directory / 'registry.db'}"}
        registry = enter(_service("registry", directory, {**common, **database}, metrics[0]))
        router = enter(_service("router", directory, {**common, "OLO_ROUTER_REGISTRY_TARGET": registry}, metrics[1]))
        targets = {"OLO_GATEWAY_REGISTRY_TARGET": registry, "OLO_GATEWAY_ROUTER_TARGET": router}
        targets["OLO_GATEWAY_HTTP_PORT"] = str(http_port)
        gateway = enter(_service("gateway", directory, {**common, **targets}, metrics[2]))
        model = {zero_cost.SLOTS: str(slots), zero_cost.SECONDS: str(seconds)}
        enter(_worker(directory, {**common, **model, "PYTHONPATH": str(ROOT)}))
        yield gateway, temporal


@contextmanager
def _service(name: str, directory: Path, env: Mapping[str, str], metrics: int) -> Iterator[str]:
    port = free_port()
    prefix = f"OLO_{name.upper()}"
    told = {**env, f"{prefix}_PORT": str(port), f"{prefix}_METRICS_PORT": str(metrics)}
    log = directory / f"{name}.log"
    with running([sys.executable, "-m", f"olo_{name}"], port=port, log=log, env=told, wait_seconds=_START_SECONDS):
        yield f"127.0.0.1:{port}"


@contextmanager
def _worker(directory: Path, env: Mapping[str, str]) -> Iterator[None]:
    with (directory / "worker.log").open("ab") as sink:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.zero_cost"],
            env=dict(env),
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
        try:
            yield
        finally:
            end(child)
