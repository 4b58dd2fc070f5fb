"""The real stack with its demonstration models, on free ports, whose services tell how many tasks they have."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from olo_client import AsyncOlo
from olo_local.ports import Ports, choose_ports
from olo_local.preparation import preparations, prepare
from olo_local.settings import LocalSettings
from olo_local.stack import DEMO_MODEL, EMBEDDING_MODEL, MINI_MODEL, Place, children
from olo_local.supervisor import Supervisor
from olo_local.types import ChildSpec

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "endurance"
_READY_SECONDS = 180
_SAMPLES = ("tram.md", "lighthouse.md", "waterworks.md", "observatory.md")


@dataclass(frozen=True)
class Standing:
    """A running stack."""

    ports: Ports
    supervisor: Supervisor
    tasks: Path

    @property
    def target(self) -> str:
        """The gateway's gRPC address."""
        return self.ports.address("gateway")

    @property
    def url(self) -> str:
        """The gateway's HTTP address."""
        return f"http://{self.ports.address('gateway_http')}"

    def pids(self) -> Mapping[str, int]:
        """The process of each part."""
        return {name: status.pid for name, status in self.supervisor.statuses.items()}


@asynccontextmanager
async def standing(directory: Path) -> AsyncIterator[Standing]:
    """A stack with a collection to search, up while the context is entered.

    Args:
        directory: Where it keeps data and logs.
    """
    logs, tasks, data = (directory / name for name in ("logs", "tasks", "data"))
    for folder in (logs, tasks, data):
        folder.mkdir(parents=True, exist_ok=True)
    settings = LocalSettings(ports="free", directory=directory, models=ROOT / ".olo" / "models")
    async for name in prepare(preparations(settings)):
        print(f"preparing the model {name}", flush=True)
    ports = choose_ports(settings)
    place = Place(data, settings.models_home, f"edge:{data / 'vectors'}")
    supervisor = Supervisor([_counted(spec, tasks) for spec in children(ports, place)], logs, lambda _: None)
    try:
        async with asyncio.timeout(_READY_SECONDS):
            await supervisor.start()
            await _furnish(ports.address("gateway"))
        yield Standing(ports, supervisor, tasks)
    finally:
        await asyncio.shield(supervisor.stop())


def _counted(spec: ChildSpec, tasks: Path) -> ChildSpec:
    python, *rest = spec.command
    if rest[:1] != ["-m"]:
        return spec
    env = {**spec.env, "ENDURANCE_TASKS": str(tasks / spec.name), "PYTHONPATH": _with_root()}
    return replace(spec, command=(python, "-m", "tests.endurance.counted", *rest[1:]), env=env)


def _with_root() -> str:
    return os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))


async def _furnish(target: str) -> None:
    """Waits for the models and fills the collection."""
    async with AsyncOlo(target, timeout=_READY_SECONDS, attempts=60) as olo:
        wanted = {DEMO_MODEL, MINI_MODEL, EMBEDDING_MODEL}
        while wanted - {model.model_id async for model in olo.models.list() if model.available}:
            await asyncio.sleep(0.2)
        await olo.collections.create(COLLECTION)
        for name in _SAMPLES:
            text = (ROOT / "samples" / "documents" / name).read_text()
            await olo.documents.ingest(COLLECTION, text, document_id=name.removesuffix(".md"))
        while sum([document.state == 2 async for document in olo.documents.list(COLLECTION)]) < len(_SAMPLES):
            await asyncio.sleep(0.2)


def guest(standing: Standing, directory: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """Command and environment of a further llm-worker, whose model costs nothing, that comes and goes."""
    env = {
        **os.environ,
        "PYTHONPATH": _with_root(),
        "OLO_NATS_URL": f"nats://{standing.ports.address('nats')}",
        "TEMPORAL_ADDRESS": standing.ports.address("temporal"),
        "OLO_LLM_WORKER_PORT": "0",
        "OLO_LLM_WORKER_METRICS_PORT": "0",
        "OLO_LLM_WORKER_MODEL_ID": "guest",
        "OLO_LLM_WORKER_MODEL_DIRECTORY": "unused",
        "OLO_LLM_WORKER_PRIORITY": "1",
        "CHAOS_JOURNAL": str(directory / "journal"),
        "CHAOS_MODEL": "0",
        "CHAOS_TOKENS_PER_SECOND": "50",
    }
    return (sys.executable, "-m", "tests.chaos.llm_worker"), env
