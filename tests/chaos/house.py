"""The stack under test: two instances of model `a`, one of model `b`, gateways as told, and everything else once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from olo_client import AsyncOlo
from olo_local.ports import Ports, choose_ports
from olo_local.probes import grpc_health
from olo_local.settings import LocalSettings
from olo_local.stack import Place, children
from olo_local.supervisor import Pace, Supervisor
from olo_local.types import ChildSpec, ChildState
from olo_testing.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
MODEL_A, MODEL_B = "chaos-a", "chaos-b"
INSTANCES = {"llm-a-1": MODEL_A, "llm-a-2": MODEL_A, "llm-b": MODEL_B}
COLLECTION = "chaos"
TOKENS_PER_SECOND = 8
_SAMPLES = ("tram.md", "lighthouse.md")


class House:
    """A running stack, and hands to break it with."""

    def __init__(self, supervisor: Supervisor, ports: Ports, journal: Path) -> None:
        self._supervisor = supervisor
        self._ports = ports
        self.journal = journal

    @property
    def gateway(self) -> str:
        """The gateway's gRPC address."""
        return self._ports.address("gateway")

    @property
    def entrance(self) -> str:
        """All gateways, as a target of gRPC whose channel takes them in turn."""
        gateways = [status.address for name, status in self._supervisor.statuses.items() if name.startswith("gateway")]
        return f"ipv4:{','.join(gateways)}"

    @property
    def temporal(self) -> str:
        """Temporal's address."""
        return self._ports.address("temporal")

    @property
    def parts(self) -> list[str]:
        """The names of all processes."""
        return list(self._supervisor.statuses)

    def pid(self, part: str) -> int:
        """The process of a part; 0 while none runs."""
        return self._supervisor.statuses[part].pid

    def send(self, part: str, number: signal.Signals) -> int:
        """Sends a signal to the process of a part; gives its pid."""
        pid = self.pid(part)
        if not pid:
            raise RuntimeError(f"{part} does not run")
        os.kill(pid, number)
        return pid

    async def healed(self, timeout: float = 60.0) -> None:
        """Waits until every part runs, is ready and is listed."""
        async with asyncio.timeout(timeout):
            while not all(await asyncio.gather(*(self._serves(part) for part in self.parts))):
                await asyncio.sleep(0.2)

    async def replaced(self, part: str, old_pid: int, timeout: float = 60.0) -> None:
        """Waits until a part runs as another process and is ready."""
        async with asyncio.timeout(timeout):
            while self.pid(part) in (0, old_pid) or not await self._serves(part):
                await asyncio.sleep(0.1)

    async def _serves(self, part: str) -> bool:
        status = self._supervisor.statuses[part]
        return bool(status.pid) and status.state in (ChildState.READY, ChildState.UNHEALTHY) and await self._probe(part)

    async def _probe(self, part: str) -> bool:
        return await self._supervisor._children[part].spec.probe()


@asynccontextmanager
async def house(
    directory: Path,
    *,
    gateways: int = 1,
    tokens_per_second: int = TOKENS_PER_SECOND,
    more: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[House]:
    """A stack on free ports with a collection to search, up while the context is entered.

    Args:
        directory: Where it keeps data and logs.
        gateways: How many there are: `gateway`, `gateway-2` and so on.
        tokens_per_second: How fast each answer grows.
        more: Variables of all services.
    """
    (directory / "logs").mkdir(parents=True, exist_ok=True)
    ports, journal = choose_ports(LocalSettings(ports="free")), directory / "journal"
    place = Place(directory, directory, f"edge:{directory / 'vectors'}")
    common = {"OLO_NATS_URL": f"nats://{ports.address('nats')}", "TEMPORAL_ADDRESS": ports.address("temporal")}
    kept = [spec for spec in children(ports, place) if not spec.name.endswith("-worker") and "mini" not in spec.name]
    # As many as the machine of a test can carry: beyond it, clients are told to come back.
    kept = [replace(spec, env={**spec.env, "OLO_GATEWAY_MAX_RUNS_IN_FLIGHT": "48", **more}) for spec in kept]
    first = next(spec for spec in kept if spec.name == "gateway")
    further = [_another_gateway(first, number) for number in range(2, gateways + 1)]
    workers = [_llm_worker(name, journal, common, tokens_per_second) for name in INSTANCES]
    specs = [*kept, *further, _embed_worker(ports, common), *workers]
    supervisor = Supervisor(specs, directory / "logs", lambda _: None, Pace(steady_after=1.0, check_every=1.0))
    try:
        async with asyncio.timeout(120):
            await supervisor.start()
            built = House(supervisor, ports, journal)
            await _furnish(built)
        yield built
    finally:
        await asyncio.shield(supervisor.stop())


async def _furnish(built: House) -> None:
    """Waits for the models and fills the collection."""
    async with AsyncOlo(built.gateway, timeout=60, attempts=30) as olo:
        wanted = {MODEL_A, MODEL_B, "chaos-embed"}
        while wanted - {model.model_id async for model in olo.models.list() if model.available}:
            await asyncio.sleep(0.2)
        await olo.collections.create(COLLECTION)
        for name in _SAMPLES:
            text = (ROOT / "samples" / "documents" / name).read_text()
            document = await olo.documents.ingest(COLLECTION, text, document_id=name.removesuffix(".md"))
            while document.state != 2:
                await asyncio.sleep(0.2)
                document = await olo.documents.get(COLLECTION, document.document_id)


def _another_gateway(first: ChildSpec, number: int) -> ChildSpec:
    port = free_port()
    address = f"127.0.0.1:{port}"
    env = {"OLO_GATEWAY_PORT": str(port), "OLO_GATEWAY_HTTP_PORT": "0", "OLO_GATEWAY_METRICS_PORT": "0"}
    return replace(
        first,
        name=f"gateway-{number}",
        address=address,
        probe=grpc_health(address),
        env={**first.env, **env},
    )


def _llm_worker(name: str, journal: Path, common: Mapping[str, str], tokens_per_second: int) -> ChildSpec:
    model = INSTANCES[name]
    env = {
        "OLO_LLM_WORKER_MODEL_ID": model,
        "OLO_LLM_WORKER_MODEL_DIRECTORY": "unused",
        "OLO_LLM_WORKER_PRIORITY": "100" if model == MODEL_A else "50",
        "OLO_LLM_WORKER_DEFAULT_FLAG": str(model == MODEL_A).lower(),
        "OLO_LLM_WORKER_MAX_CONCURRENCY": "24",
        # The slow engine sleeps, so that each answer may be a batch of its own and none waits for another's end.
        "OLO_LLM_WORKER_REPLICAS": "24",
        "OLO_LLM_WORKER_MAX_BATCH": "1",
        "OLO_LLM_WORKER_BATCH_WINDOW_SECONDS": "0",
        "CHAOS_JOURNAL": str(journal),
        "CHAOS_MODEL": "0" if model == MODEL_A else "1",
        "CHAOS_TOKENS_PER_SECOND": str(tokens_per_second),
    }
    return _child(name, "tests.chaos.llm_worker", "OLO_LLM_WORKER", {**common, **env})


def _embed_worker(ports: Ports, common: Mapping[str, str]) -> ChildSpec:
    env = {
        "OLO_EMBED_WORKER_MODEL": "unused",
        "OLO_EMBED_WORKER_MODEL_ID": "chaos-embed",
        "OLO_EMBED_WORKER_DEFAULT_FLAG": "true",
    }
    return _child("embed-worker", "tests.chaos.embed_worker", "OLO_EMBED_WORKER", {**common, **env})


def _child(name: str, module: str, prefix: str, env: Mapping[str, str]) -> ChildSpec:
    port = free_port()
    address = f"127.0.0.1:{port}"
    told = {**env, f"{prefix}_PORT": str(port), f"{prefix}_METRICS_PORT": "0", "PYTHONPATH": str(ROOT)}
    return ChildSpec(
        name, (sys.executable, "-m", module), address, grpc_health(address), told, needs=("temporal", "nats")
    )
